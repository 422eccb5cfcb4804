//! Every shipped scenario runs.

use std::path::Path;

use tautline_core::controller::FixedWindow;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::{Outcome, RunOptions, run};

fn outcome(name: &str) -> Outcome<BoxedController> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    let scenario = ValidScenario::from_toml(&text, name).unwrap();
    let mtu = Bytes::new(u64::from(scenario.transport().mtu_bytes));
    let controllers = scenario.flows().iter();
    let controllers = controllers.map(|flow| by_name(&flow.controller, mtu, 1).unwrap().into());
    let options = RunOptions::default().with_timeline(core::time::Duration::from_secs(1));
    run(&scenario, 1, controllers.collect(), &options)
}

#[test]
fn a_fixed_link_is_filled() {
    let link = outcome("fixed.toml").link;
    assert!(
        link.utilisation > 0.98 && link.utilisation <= 1.0001,
        "{link:?}"
    );
    assert!(
        link.queue_delay_p99_ms <= 80.5,
        "two products of 40 ms each: {link:?}"
    );
}

#[test]
fn a_varying_link_is_followed() {
    let outcome = outcome("varying.toml");
    assert!((outcome.link.capacity_mbps - 18.75).abs() < 1e-6);
    let timeline = outcome.timeline.unwrap();
    assert_eq!(timeline.capacity_mbps[15], 5.0);
    let slow = timeline.flows[0].goodput_mbps[15];
    assert!((4.5..=5.0).contains(&slow), "{slow}");
    assert!(outcome.link.utilisation > 0.8, "{:?}", outcome.link);
}

#[test]
fn flows_share_and_keep_their_own_round_trip_times() {
    let outcome = outcome("two-flows.toml");
    let rtts: Vec<f64> = outcome.flows.iter().map(|flow| flow.rtt_min_ms).collect();
    // 40 and 60 ms, a transmission of 0.6 ms, and what queue the second flow always meets.
    assert!(
        (40.6..40.7).contains(&rtts[0]) && (60.6..70.0).contains(&rtts[1]),
        "{rtts:?}"
    );
    assert!(outcome.link.jain > 0.7, "{:?}", outcome.link);
    assert!(outcome.link.utilisation > 0.98, "{:?}", outcome.link);
}

#[test]
fn random_loss_holds_newreno_back() {
    let outcome = outcome("lossy.toml");
    assert!(
        (0.005..0.02).contains(&outcome.link.loss),
        "{:?}",
        outcome.link
    );
    assert_eq!(outcome.link.packets.dropped, 0);
    // 1.22 · MSS / (RTT · sqrt(p)) is about 3.5 Mbit/s (Mathis et al. 1997).
    assert!(
        (2.0..8.0).contains(&outcome.link.goodput_mbps),
        "{:?}",
        outcome.link
    );
}

#[test]
fn a_link_with_something_to_send_never_rests() {
    let text = "version = 1\nduration_s = 5\nwarmup_s = 1\n[link]\nrate_mbps = 20\n\
                base_rtt_ms = 40\nbuffer_bdp = 2\n[[flow]]\ncontroller = \"fixed:150000\"\n";
    let scenario = ValidScenario::from_toml(text, "inline.toml").unwrap();
    let controller = FixedWindow::new(Bytes::new(150_000), Bytes::new(1500));
    let link = run(&scenario, 1, vec![controller], &RunOptions::default()).link;
    assert!((link.utilisation - 1.0).abs() < 2e-4, "{link:?}");
    assert_eq!(link.packets.dropped, 0);
    // One product is in the pipe, half of one waits: 20 ms, less the packet in transmission.
    assert!((18.0..20.0).contains(&link.queue_delay_mean_ms), "{link:?}");
}
