//! The whole product once, and whether it kept what it promises.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::steps::{check, say};
use crate::workspace::Workspace;

/// Runs the quick demo in `target/demo` and checks the figures in its `demo.json`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target().join("demo");
    let mut command = workspace.cargo("run");
    command
        .args(["--release", "--package", "tautline-cli", "--"])
        .args(["demo", "--quick", "--out"])
        .arg(&folder);
    check(&mut command)?;
    let path = folder.join("demo.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let demo =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    let broken = broken_promises(&demo);
    for promise in &broken {
        say(format_args!("  {promise}"))?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{}: {} promises are broken", path.display(), broken.len())
}

/// What the demo did not keep, a line each.
fn broken_promises(demo: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let claims = demo["claims"].as_array().map_or(&[][..], Vec::as_slice);
    if claims.is_empty() {
        broken.push("no claim was proven".to_owned());
    }
    for claim in claims {
        if claim["qc"] != "1/1" || claim["accepted"] != true {
            let (name, qc) = (&claim["name"], &claim["qc"]);
            broken.push(format!("claim {name} has QC {qc} or was not accepted"));
        }
    }
    if demo["tamper"]["rejected"] != true {
        broken.push("no tampered model was rejected".to_owned());
    }
    match (
        fixed_link_run(demo, "certified"),
        fixed_link_run(demo, "cubic"),
    ) {
        (Some(certified), Some(cubic)) => broken.extend(broken_figures(certified, cubic)),
        _ => broken.push(
            "no valid run of certified and cubic over the fixed link: the emulator was late; \
             repeat it on a quiet machine"
                .to_owned(),
        ),
    }
    broken
}

fn fixed_link_run<'a>(demo: &'a Value, controller: &str) -> Option<&'a Value> {
    let mut runs = demo["runs"].as_array()?.iter();
    let run = runs.find(|run| run["link"] == "fixed" && run["controller"] == controller)?;
    (run["valid"] == true).then_some(run)
}

fn broken_figures(certified: &Value, cubic: &Value) -> Vec<String> {
    // A figure that is missing keeps nothing.
    let figure = |run: &Value, name: &str| run[name].as_f64().unwrap_or(f64::NAN);
    let least = [
        ("utilisation", LEAST_UTILISATION),
        ("certified_share", LEAST_CERTIFIED_SHARE),
    ];
    let mut broken = Vec::new();
    for (name, least) in least {
        let got = figure(certified, name);
        if !(least..).contains(&got) {
            broken.push(format!(
                "certified has {name} {got}, expected {least} or more"
            ));
        }
    }
    let lateness = figure(certified, "lateness_p99_us");
    if !(..=MOST_LATENESS_US).contains(&lateness) {
        broken.push(format!(
            "certified has lateness_p99_us {lateness}, expected {MOST_LATENESS_US} or less"
        ));
    }
    let name = "queue_delay_mean_ms";
    let (delay, cubic) = (figure(certified, name), figure(cubic, name));
    if !(..cubic).contains(&delay) {
        broken.push(format!(
            "certified has {name} {delay}, expected below cubic's {cubic}"
        ));
    }
    broken
}

/// Share of the fixed link that the certified controller uses.
const LEAST_UTILISATION: f64 = 0.85;
/// Share of its decisions after startup that the policy makes.
const LEAST_CERTIFIED_SHARE: f64 = 0.95;
/// 99th percentile, at the exit of the emulator.
const MOST_LATENESS_US: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        let run = |controller: &str, delay: f64| {
            json!({
                "link": "fixed", "controller": controller, "valid": true, "utilisation": 0.93,
                "certified_share": 0.97, "queue_delay_mean_ms": delay, "lateness_p99_us": 80.0,
            })
        };
        json!({
            "claims": [{ "name": "smooth", "qc": "1/1", "accepted": true }],
            "tamper": { "rejected": true },
            "runs": [run("certified", 9.0), run("cubic", 40.0)],
        })
    }

    #[test]
    fn a_good_demo_breaks_no_promise_and_each_bad_figure_is_named() {
        assert_eq!(broken_promises(&good()), Vec::<String>::new());
        let cases = [
            ("/claims/0/qc", json!("7/8"), "smooth"),
            ("/claims/0/accepted", json!(false), "smooth"),
            ("/claims", json!([]), "no claim"),
            ("/tamper/rejected", json!(false), "tampered"),
            ("/runs/0/utilisation", json!(0.84), "utilisation 0.84"),
            (
                "/runs/0/certified_share",
                json!(null),
                "certified_share NaN",
            ),
            ("/runs/0/queue_delay_mean_ms", json!(40.0), "cubic's 40"),
            ("/runs/0/lateness_p99_us", json!(1001.0), "lateness_p99_us"),
            ("/runs/0/valid", json!(false), "late"),
            ("/runs/1/controller", json!("bbr"), "late"),
        ];
        for (place, value, complaint) in cases {
            let mut demo = good();
            *demo.pointer_mut(place).unwrap() = value;
            let broken = broken_promises(&demo);
            assert_eq!(broken.len(), 1, "{place}: {broken:?}");
            assert!(broken[0].contains(complaint), "{place}: {broken:?}");
        }
    }
}
