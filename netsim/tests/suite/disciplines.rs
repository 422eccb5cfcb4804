//! What queue disciplines do to flows, within the ranges that their specifications promise.

use tautline_core::units::Bytes;
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::{EcnSpec, FlowSpec, QueueSpec};
use tautline_netsim::sim::Outcome;

use crate::paths::{dumbbell, outcome, over};

/// Flows for 20 s over 10 Mbit/s and 40 ms with ten products of buffer.
fn through(queue: QueueSpec, flows: Vec<FlowSpec>) -> Outcome<BoxedController> {
    let link = dumbbell(10.0, 40, 10.0).with_queue(queue);
    outcome(&over(vec![link], flows, 20))
}

fn cubic(ecn: EcnSpec) -> FlowSpec {
    FlowSpec::new("cubic").with_ecn(ecn)
}

#[test]
fn delay_based_disciplines_keep_short_the_queue_that_drop_tail_fills() {
    let full = through(QueueSpec::DropTail, vec![cubic(EcnSpec::Off)]).link;
    assert!(full.queue_delay_mean_ms > 150.0, "{full:?}");
    let cases = [
        (QueueSpec::codel(), 12.0),
        (QueueSpec::fq_codel(), 12.0),
        (QueueSpec::pie(), 22.0),
    ];
    for (queue, most_ms) in cases {
        let link = through(queue, vec![cubic(EcnSpec::Off)]).link;
        assert!(
            (1.0..most_ms).contains(&link.queue_delay_mean_ms),
            "{queue:?} {link:?}"
        );
        assert!(link.utilisation > 0.9, "{queue:?} {link:?}");
        assert!(link.packets.dropped > 0, "{queue:?} {link:?}");
    }
}

#[test]
fn fq_codel_keeps_a_greedy_flow_from_the_others() {
    let flows = || vec![FlowSpec::new("fixed:1000000"), cubic(EcnSpec::Off)];
    let mixed = through(QueueSpec::DropTail, flows());
    let apart = through(QueueSpec::fq_codel(), flows());
    assert!(mixed.flows[1].goodput_mbps < 2.0, "{:?}", mixed.flows);
    let polite = &apart.flows[1];
    assert!(
        (4.0..5.2).contains(&polite.goodput_mbps),
        "{:?}",
        apart.flows
    );
    assert!(polite.queue_delay_mean_ms < 15.0, "{polite:?}");
    assert!(
        apart.flows[0].queue_delay_mean_ms > 20.0,
        "{:?}",
        apart.flows
    );
    assert!(apart.link.utilisation > 0.99, "{:?}", apart.link);
}

#[test]
fn red_holds_the_mean_queue_between_its_thresholds() {
    let flows = vec![FlowSpec::new("newreno").times(8)];
    let outcome = through(QueueSpec::red(30_000, 90_000), flows);
    // 30 and 90 kB are 24 and 72 ms.
    assert!(
        (24.0..72.0).contains(&outcome.link.queue_delay_mean_ms),
        "{:?}",
        outcome.link
    );
    assert!(outcome.link.utilisation > 0.98, "{:?}", outcome.link);
}

#[test]
fn classic_marks_replace_drops() {
    let queues = [
        QueueSpec::codel(),
        QueueSpec::fq_codel(),
        QueueSpec::pie(),
        QueueSpec::red(30_000, 90_000),
        QueueSpec::dual_pi2(),
    ];
    for queue in queues {
        let marked = through(queue, vec![cubic(EcnSpec::Classic)]);
        let (link, sender) = (&marked.links[0], &marked.flows[0].sender);
        assert!(
            link.marked > 0 && sender.marked_packets > 0,
            "{queue:?} {marked:?}"
        );
        // PIE drops what it would mark with more than one in ten, as in the first seconds.
        assert_eq!(link.measured.dropped, 0, "{queue:?} {link:?}");
        assert_eq!((sender.lost_packets, sender.retransmitted_packets), (0, 0));
        assert!(link.utilisation > 0.9, "{queue:?} {link:?}");
        assert!(link.queue_delay_mean_ms < 60.0, "{queue:?} {link:?}");
        let dropped = through(queue, vec![cubic(EcnSpec::Off)]);
        assert_eq!(dropped.links[0].marked, 0);
        assert!(dropped.links[0].packets.dropped > 0, "{queue:?}");
    }
}

#[test]
fn every_mark_that_arrives_is_reported_back() {
    let flow = FlowSpec::new("prague").limited_to(Bytes::new(10_000_000));
    let link = dumbbell(10.0, 20, 4.0).with_queue(QueueSpec::step());
    let scenario = over(vec![link], vec![flow], 15);
    let outcome = outcome(&scenario.with_warmup(core::time::Duration::ZERO).unwrap());
    let flow = &outcome.flows[0];
    assert!(
        flow.completed_s.is_some() && flow.packets.dropped == 0,
        "{flow:?}"
    );
    assert!(outcome.links[0].marked > 0);
    assert_eq!(outcome.links[0].marked, flow.sender.marked_packets);
}

#[test]
fn a_scalable_flow_fills_a_step_marked_link_with_little_queue() {
    let link = dumbbell(40.0, 20, 4.0).with_queue(QueueSpec::step());
    let link = outcome(&over(vec![link], vec![FlowSpec::new("prague")], 20)).link;
    assert!(link.utilisation > 0.9, "{link:?}");
    assert!(
        link.queue_delay_mean_ms < 1.5 && link.queue_delay_p99_ms < 4.0,
        "{link:?}"
    );
    assert_eq!(link.packets.dropped, 0, "{link:?}");
}

#[test]
fn dual_pi2_lets_scalable_and_classic_flows_share_with_a_queue_each() {
    let link = dumbbell(40.0, 20, 10.0).with_queue(QueueSpec::dual_pi2());
    let flows = vec![FlowSpec::new("prague"), cubic(EcnSpec::Off)];
    let outcome = outcome(&over(vec![link], flows, 30));
    let [scalable, classic] = &outcome.flows[..] else {
        panic!("two flows");
    };
    assert!(outcome.link.utilisation > 0.95, "{:?}", outcome.link);
    assert!(outcome.link.jain > 0.8, "{:?}", outcome.flows);
    assert!(scalable.queue_delay_mean_ms < 2.0, "{scalable:?}");
    assert!(
        (4.0..25.0).contains(&classic.queue_delay_mean_ms),
        "{classic:?}"
    );
    assert_eq!(scalable.packets.dropped, 0, "{scalable:?}");
}
