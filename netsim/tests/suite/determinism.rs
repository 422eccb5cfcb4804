//! Equal scenarios and seeds give equal runs.

use core::time::Duration;

use proptest::prelude::*;
use rayon::prelude::*;
use tautline_core::controller::NewReno;
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::Cubic;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

use crate::random::{controllers, outcome, scenario};

fn lossy() -> ValidScenario {
    let rate = Bandwidth::from_bits_per_sec(10_000_000);
    let link = LinkSpec::new(
        rate,
        Duration::from_millis(30),
        Buffer::Bytes(Bytes::new(40_000)),
    )
    .with_loss(0.01)
    .with_jitter(Duration::from_millis(3));
    let flows = vec![FlowSpec::new("newreno").times(3)];
    ValidScenario::new(link, flows, Duration::from_secs(3)).unwrap()
}

fn digest(seed: u64) -> u64 {
    let controllers = vec![NewReno::new(Bytes::new(1500)); 3];
    run(&lossy(), seed, controllers, &RunOptions::default())
        .unwrap()
        .digest
}

proptest! {
    #[test]
    fn what_is_recorded_does_not_change_what_happens(scenario in scenario(), seed: u64) {
        let logged = outcome(&scenario, seed);
        let options = RunOptions::default().with_timeline(Duration::from_millis(10));
        let timed = run(&scenario, seed, controllers(&scenario), &options).unwrap();
        prop_assert_eq!(logged.digest, timed.digest);
        prop_assert_eq!(logged.flows, timed.flows);
        prop_assert_eq!(logged.link, timed.link);
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| (0..32).into_par_iter().map(digest).collect::<Vec<u64>>())
    };
    let one = on_threads(1);
    assert_eq!(one, on_threads(4));
    let distinct: std::collections::BTreeSet<&u64> = one.iter().collect();
    assert_eq!(distinct.len(), 32, "seeds matter");
}

#[test]
fn a_timeline_adds_up_to_the_totals() {
    let options = RunOptions::default().with_timeline(Duration::from_millis(70));
    let controllers = vec![NewReno::new(Bytes::new(1500)); 3];
    let outcome = run(&lossy(), 5, controllers, &options).unwrap();
    let timeline = outcome.timeline.unwrap();
    assert_eq!(timeline.drops.len(), 43);
    assert_eq!(
        timeline.drops.iter().sum::<u64>(),
        outcome.link.packets.dropped
    );
    for (flow, report) in timeline.flows.iter().zip(&outcome.flows) {
        let bins = flow.goodput_mbps.iter().enumerate();
        // The last bin is 60 ms long.
        let bytes: f64 = bins
            .map(|(at, mbps)| mbps * 125.0 * if at == 42 { 60.0 } else { 70.0 })
            .sum();
        assert!(
            (bytes - report.delivered_bytes as f64).abs() < 1.0,
            "{bytes} {report:?}"
        );
        assert!(flow.window_bytes.iter().all(|&window| window > 0));
    }
}

#[test]
fn builds_and_machines_agree() {
    let controllers = vec![Cubic::new(Bytes::new(1500)); 3];
    let digest = run(&lossy(), 1, controllers, &RunOptions::default())
        .unwrap()
        .digest;
    // Changes with every deliberate change of the model, and with nothing else.
    assert_eq!(digest, 206_441_966_054_887_220);
}
