//! What each discipline is for, with controllers that answer it.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

use super::QueueSpec;
use crate::baseline::{BoxedController, by_name};
use crate::report::FlowReport;
use crate::scenario::{Buffer, EcnSpec, FlowSpec, LinkSpec, ValidScenario};
use crate::sim::{Outcome, RunOptions, run};

/// 30 s of `flows` over a 40 ms path of `mbps` with a buffer of twenty bandwidth-delay products.
fn outcome(queue: QueueSpec, mbps: u64, flows: &[(&str, EcnSpec)]) -> Outcome<BoxedController> {
    let rate = Bandwidth::from_bits_per_sec(mbps * 1_000_000);
    let buffer = Buffer::BandwidthDelayProducts(20.0);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer).with_queue(queue);
    let specs = flows
        .iter()
        .map(|&(name, ecn)| FlowSpec::new(name).with_ecn(ecn));
    let scenario = ValidScenario::new(link, specs.collect(), Duration::from_secs(30)).unwrap();
    let controllers = flows
        .iter()
        .map(|&(name, _)| BoxedController::from(by_name(name, Bytes::new(1500), 1).unwrap()));
    run(&scenario, 1, controllers.collect(), &RunOptions::default()).unwrap()
}

fn mean(flows: &[FlowReport], figure: impl Fn(&FlowReport) -> f64) -> f64 {
    flows.iter().map(figure).sum::<f64>() / flows.len() as f64
}

#[test]
fn codel_keeps_one_flow_near_its_target() {
    let outcome = outcome(QueueSpec::codel(), 10, &[("cubic", EcnSpec::Off)]);
    assert!(outcome.link.queue_delay_mean_ms < 10.0);
    assert!(outcome.link.utilisation > 0.85);
}

#[test]
fn pie_holds_its_target_under_several_flows() {
    for ecn in [EcnSpec::Off, EcnSpec::Classic] {
        let outcome = outcome(QueueSpec::pie(), 10, &[("newreno", ecn); 8]);
        let delay_ms = outcome.link.queue_delay_mean_ms;
        assert!((10.0..25.0).contains(&delay_ms), "{delay_ms}");
        assert!(outcome.link.utilisation > 0.95);
        assert_eq!(outcome.links[0].marked > 0, ecn == EcnSpec::Classic);
    }
}

#[test]
fn red_keeps_the_queue_between_its_thresholds() {
    let outcome = outcome(
        QueueSpec::red(12_500, 37_500),
        10,
        &[("newreno", EcnSpec::Off); 8],
    );
    // 12,500 bytes take 10 ms, and the gentle region ends at 60 ms.
    let delay_ms = outcome.link.queue_delay_mean_ms;
    assert!((5.0..60.0).contains(&delay_ms), "{delay_ms}");
    assert!(outcome.link.utilisation > 0.9);
}

// A window of 500,000 bytes alone would take 400 ms of 10 Mbit/s for itself.
#[test]
fn fq_codel_protects_a_flow_from_one_that_does_not_yield() {
    let flows = [("newreno", EcnSpec::Off), ("fixed:500000", EcnSpec::Off)];
    let fair = outcome(QueueSpec::fq_codel(), 10, &flows);
    let unfair = outcome(QueueSpec::DropTail, 10, &flows);
    assert!(fair.flows[0].goodput_mbps > 3.5);
    assert!(fair.flows[0].queue_delay_mean_ms < 20.0);
    assert!(unfair.flows[0].queue_delay_mean_ms > 300.0);
}

// RFC 9332 §2: window fairness between the two classes, and delays of their own.
#[test]
fn dual_pi2_couples_the_classes_and_separates_their_delays() {
    let flows = [("prague", EcnSpec::L4s), ("cubic", EcnSpec::Off)];
    let outcome = outcome(QueueSpec::dual_pi2(), 100, &[flows, flows].concat());
    let (low_latency, classic): (Vec<_>, Vec<_>) = outcome
        .flows
        .into_iter()
        .partition(|flow| flow.controller == "prague");
    let delay_ms = |flows| mean(flows, |flow| flow.queue_delay_mean_ms);
    assert!(delay_ms(&low_latency) < 1.0, "{}", delay_ms(&low_latency));
    let classic_ms = delay_ms(&classic);
    assert!((7.0..25.0).contains(&classic_ms), "{classic_ms}");
    let rate = |flows| mean(flows, |flow| flow.goodput_mbps);
    let ratio = rate(&low_latency) / rate(&classic);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    assert!(outcome.link.utilisation > 0.95);
}

#[test]
fn a_step_keeps_a_scalable_sender_at_the_threshold() {
    let outcome = outcome(QueueSpec::step(), 100, &[("prague", EcnSpec::L4s)]);
    assert!(outcome.link.queue_delay_mean_ms < 1.5);
    assert!(outcome.link.utilisation > 0.9);
}
