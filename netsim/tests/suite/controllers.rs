//! What delay-based controllers are for, end to end: full links with short queues.

use core::time::Duration;

use tautline_core::controller::Event;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, Copa, CopaMode, by_name, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

const MTU: Bytes = Bytes::new(1500);

/// A minute on 40 ms with `buffer_bdp` bandwidth-delay products of `queue`, measured from 10 s on;
/// one flow per name, each a second after the one before.
fn dumbbell(
    rate_mbps: u64,
    buffer_bdp: f64,
    queue: QueueSpec,
    names: &[&str],
) -> Outcome<BoxedController> {
    let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
    let buffer = Buffer::BandwidthDelayProducts(buffer_bdp);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer).with_queue(queue);
    let flows = names.iter().zip(0..).map(|(name, place)| {
        let start = Timestamp::from_nanos(place * 1_000_000_000);
        FlowSpec::new(*name).starting_at(start)
    });
    let scenario = ValidScenario::new(link, flows.collect(), Duration::from_mins(1))
        .and_then(|scenario| scenario.with_warmup(Duration::from_secs(10)))
        .unwrap();
    let controllers = names.iter().zip(0..);
    let controllers = controllers
        .map(|(name, flow)| by_name(name, MTU, flow_seed(1, flow)).unwrap().into())
        .collect();
    let options = RunOptions::default().with_log(0);
    let outcome = run(&scenario, 1, controllers, &options).unwrap();
    println!("{:?}", outcome.link);
    for flow in &outcome.flows {
        println!("{} Mbit/s, {} ms", flow.goodput_mbps, flow.rtt_mean_ms);
    }
    outcome
}

fn drop_tail(rate_mbps: u64, buffer_bdp: f64, names: &[&str]) -> Outcome<BoxedController> {
    dumbbell(rate_mbps, buffer_bdp, QueueSpec::DropTail, names)
}

#[test]
fn copa_fills_the_link_and_not_the_queue() {
    for rate_mbps in [10, 50] {
        for buffer_bdp in [1.0, 4.0] {
            let copa = drop_tail(rate_mbps, buffer_bdp, &["copa"]).link;
            let cubic = drop_tail(rate_mbps, buffer_bdp, &["cubic"]).link;
            assert!(copa.utilisation > 0.95, "{copa:?}");
            let limit = cubic.queue_delay_mean_ms / 3.0;
            assert!(copa.queue_delay_mean_ms < limit, "{copa:?} {limit}");
            assert_eq!(copa.packets.dropped, 0, "{copa:?}");
        }
    }
}

#[test]
fn copa_flows_share_and_keep_the_queue_short() {
    for rate_mbps in [10, 50] {
        let link = drop_tail(rate_mbps, 4.0, &["copa", "copa"]).link;
        assert!(link.jain > 0.95, "{link:?}");
        assert!(link.utilisation > 0.95, "{link:?}");
        // The whole queue would be 160 ms.
        assert!(link.queue_delay_mean_ms < 10.0, "{link:?}");
    }
}

/// The part of flow 0's acknowledgements that a Copa with its events took in competitive mode.
fn competitive_part(outcome: &Outcome<BoxedController>) -> f64 {
    let mut copa = Copa::new(MTU);
    let (mut acks, mut competitive) = (0_u32, 0_u32);
    for (now, event) in outcome.log.iter().flatten() {
        event.replay(*now, &mut copa);
        if matches!(event, Event::AckEnd(_)) {
            acks += 1;
            competitive += u32::from(copa.mode() != CopaMode::Default);
        }
    }
    f64::from(competitive) / f64::from(acks)
}

#[test]
fn copa_competes_where_somebody_fills_the_queue_and_only_there() {
    let alone = drop_tail(10, 1.0, &["copa"]);
    let part = competitive_part(&alone);
    assert!(part < 0.05, "{part}");
    for rate_mbps in [10, 50] {
        for other in ["cubic", "newreno"] {
            let outcome = drop_tail(rate_mbps, 1.0, &["copa", other]);
            let part = competitive_part(&outcome);
            assert!(part > 0.5, "{part}");
            let fair = outcome.link.goodput_mbps / 2.0;
            let copa = outcome.flows[0].goodput_mbps / fair;
            assert!(
                (0.6..1.5).contains(&copa),
                "{rate_mbps} Mbit/s, {other}: {copa}"
            );
        }
    }
}

#[test]
fn vegas_keeps_two_to_four_packets_in_the_queue() {
    for rate_mbps in [10, 50] {
        for buffer_bdp in [1.0, 4.0] {
            let link = drop_tail(rate_mbps, buffer_bdp, &["vegas"]).link;
            assert!(link.utilisation > 0.99, "{link:?}");
            let packets = link.queue_delay_mean_ms * rate_mbps as f64 / 12.0;
            assert!((1.5..=4.5).contains(&packets), "{packets}: {link:?}");
            assert_eq!(link.packets.dropped, 0, "{link:?}");
        }
    }
}

#[test]
fn vegas_gives_way_to_cubic() {
    // The reason why nobody deploys it (Mo et al., INFOCOM 1999).
    let outcome = drop_tail(10, 4.0, &["vegas", "cubic"]);
    let vegas = outcome.flows[0].goodput_mbps;
    assert!(vegas < 0.2 * outcome.link.goodput_mbps, "{vegas}");
}

#[test]
fn prague_without_marks_behaves_like_reno() {
    let prague = drop_tail(10, 1.0, &["prague"]).link;
    let reno = drop_tail(10, 1.0, &["newreno"]).link;
    let ratio = prague.queue_delay_mean_ms / reno.queue_delay_mean_ms;
    assert!((0.8..1.25).contains(&ratio), "{prague:?} {reno:?}");
    assert!(prague.utilisation > 0.97, "{prague:?}");
}

#[test]
fn prague_keeps_an_l4s_queue_around_its_step() {
    for rate_mbps in [10, 50] {
        let link = dumbbell(rate_mbps, 4.0, QueueSpec::dual_pi2(), &["prague"]).link;
        assert!(link.utilisation > 0.95, "{link:?}");
        // The step is 1 ms, or two packets at 10 Mbit/s.
        assert!(link.queue_delay_mean_ms < 1.0, "{link:?}");
        assert!(link.queue_delay_p99_ms < 3.0, "{link:?}");
        assert_eq!(link.packets.dropped, 0, "{link:?}");
    }
}

#[test]
fn prague_flows_share_an_l4s_queue() {
    let link = dumbbell(50, 4.0, QueueSpec::dual_pi2(), &["prague", "prague"]).link;
    assert!(link.jain > 0.95, "{link:?}");
    assert!(link.utilisation > 0.95, "{link:?}");
    assert!(link.queue_delay_mean_ms < 1.0, "{link:?}");
}

#[test]
fn prague_and_cubic_share_coupled_queues_and_only_cubic_waits() {
    for rate_mbps in [10, 50] {
        let outcome = dumbbell(rate_mbps, 4.0, QueueSpec::dual_pi2(), &["prague", "cubic"]);
        let [prague, cubic] = &outcome.flows[..] else {
            panic!("two flows");
        };
        let part = prague.goodput_mbps / outcome.link.goodput_mbps;
        // RFC 9332 aims at equal windows: the flow with less delay has the higher rate.
        assert!((0.4..0.75).contains(&part), "{part}");
        assert!(prague.rtt_mean_ms < 43.0, "{}", prague.rtt_mean_ms);
        assert!(cubic.rtt_mean_ms > 50.0, "{}", cubic.rtt_mean_ms);
    }
}
