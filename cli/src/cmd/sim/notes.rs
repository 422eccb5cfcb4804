//! What is said beside the results.

use super::results::Run;
use super::table::shown;
use crate::output;

/// Says whose connections ended, as their figures then are no longer of the whole run.
pub(super) fn failures(runs: &[Run]) {
    for run in runs {
        for (number, flow) in run.flows.iter().enumerate() {
            if let Some(reason) = &flow.failure {
                output::note(&format!(
                    "{} under {}, seed {}: flow {number}: its connection ended: {reason}",
                    shown(&run.scenario),
                    run.controller,
                    run.seed
                ));
            }
        }
    }
}

/// Says where every seed gave the same run, so that intervals there say nothing.
pub(super) fn idle_seeds(runs: &[Run]) {
    if let Some(note) = idle_seeds_note(runs) {
        output::note(&note);
    }
}

fn idle_seeds_note(runs: &[Run]) -> Option<String> {
    let of_one = |a: &Run, b: &Run| (&a.scenario, &a.controller) == (&b.scenario, &b.controller);
    let groups = runs.chunk_by(of_one).filter(|group| group.len() > 1);
    let alike = groups.filter(|group| group.iter().all(|run| run.digest == group[0].digest));
    let names = alike.map(|group| {
        let (scenario, controller) = (shown(&group[0].scenario), &group[0].controller);
        format!("{scenario} under {controller}")
    });
    let names: Vec<String> = names.collect();
    let listed = names.get(..MOST_NAMES.min(names.len()))?.join(", ");
    match names.len() {
        0 => None,
        count if count > MOST_NAMES => Some(format!(
            "seeds change nothing in {listed} and {} more",
            count - MOST_NAMES
        )),
        _ => Some(format!("seeds change nothing in {listed}")),
    }
}

const MOST_NAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(controller: &str, digests: &[&str]) -> Vec<Run> {
        let runs = digests.iter().zip(1..).map(|(digest, seed): (_, u64)| {
            serde_json::from_value(serde_json::json!({
                "scenario": "s", "controller": controller, "seed": seed, "duration_s": 2.0,
                "cpu_s": 0.0, "data_packets": 1, "flows": [], "links": [], "jain": 1.0,
                "digest": digest, "link": {"utilisation": 1.0, "capacity_mbps": 50.0,
                "queue_delay_mean_ms": 0.0, "queue_delay_p95_ms": 0.0, "queue_delay_p99_ms": 0.0,
                "loss": 0.0},
            }))
            .unwrap()
        });
        runs.collect()
    }

    #[test]
    fn seeds_that_change_nothing_are_named_and_counted() {
        let (same, other) = (["1", "1", "1"], ["1", "1", "2"]);
        assert_eq!(idle_seeds_note(&runs("a", &other)), None);
        assert_eq!(idle_seeds_note(&runs("a", &["1"])), None);
        let two = [runs("a", &same), runs("b", &other), runs("c", &same)].concat();
        let note = idle_seeds_note(&two).unwrap();
        assert_eq!(note, "seeds change nothing in s under a, s under c");
        let five = ["a", "b", "c", "d", "e"].map(|name| runs(name, &same));
        let note = idle_seeds_note(&five.concat()).unwrap();
        let expected = "seeds change nothing in s under a, s under b, s under c and 2 more";
        assert_eq!(note, expected);
    }
}
