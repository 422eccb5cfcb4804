//! What controllers make of smoltcp: goodput and queueing delay beside its own.

use std::time::Duration;

use tautline_core::units::Timestamp;
use tautline_netsim::baseline::{BoxedController, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_tcp_integration::sim::{SmoltcpFlow, connection};

use crate::sim_setup::{controller, link, lossy, outcome, scenario};

/// Goodput in Mbit/s and mean queueing delay in ms over 30 s, means of three seeds.
fn figures(name: &str, link: &LinkSpec) -> [f64; 2] {
    const SEEDS: u64 = 3;
    let scenario = scenario(link.clone(), 1, 30);
    let mut means = [0.0; 2];
    for seed in 1..=SEEDS {
        let outcome = outcome(&scenario, &[name], seed);
        assert_eq!(outcome.flows[0].failure, None, "{name}, seed {seed}");
        means[0] += outcome.link.goodput_mbps / SEEDS as f64;
        means[1] += outcome.link.queue_delay_mean_ms / SEEDS as f64;
    }
    means
}

/// The certified controller's figures beside those of one of smoltcp's own.
fn beside(name: &str, link: &LinkSpec) -> ([f64; 2], [f64; 2], String) {
    let (ours, theirs) = (figures("certified", link), figures(name, link));
    let case = format!(
        "seeds 1 to 3: {:.3} Mbit/s at {:.2} ms, {name} {:.3} Mbit/s at {:.2} ms",
        ours[0], ours[1], theirs[0], theirs[1]
    );
    (ours, theirs, case)
}

#[test]
fn the_certified_controller_fills_a_link_at_half_the_queue_of_smoltcps_own() {
    for name in ["smoltcp-reno", "smoltcp-cubic"] {
        let ([ours, our_delay], [theirs, their_delay], case) = beside(name, &link());
        // All fill it; what is left is rounding and the ends of queues.
        assert!(ours >= 0.995 * theirs, "{case}");
        assert!(our_delay < 0.6 * their_delay, "{case}");
    }
}

#[test]
fn the_certified_controller_fills_a_lossy_link_that_smoltcps_own_leave_idle() {
    for name in ["smoltcp-reno", "smoltcp-cubic"] {
        let ([ours, our_delay], [theirs, _], case) = beside(name, &lossy());
        assert!(ours > 2.5 * theirs, "{case}");
        // Below half of the queue; theirs is empty since the link is.
        assert!(our_delay < 20.0, "{case}");
    }
}

#[test]
fn reports_of_gated_connections_have_windows_and_true_round_trip_times() {
    let outcome = outcome(&scenario(link(), 1, 12), &["newreno"], 1);
    let flow = &outcome.flows[0];
    assert!((40.0..43.0).contains(&flow.rtt_min_ms), "{flow:?}");
    // Between the empty and the full queue.
    assert!((45.0..85.0).contains(&flow.rtt_mean_ms), "{flow:?}");
    assert!(outcome.link.goodput_mbps > 9.3, "{:?}", outcome.link);
}

#[test]
fn marks_of_a_queue_reach_a_controller_behind_the_gate() {
    let queue = LinkSpec {
        buffer: Buffer::BandwidthDelayProducts(4.0),
        ..link()
    };
    let queue = queue.with_queue(QueueSpec::codel());
    let [marked, dropped] = [Ecn::Ect0, Ecn::NotEct].map(|ecn| {
        let flow = SmoltcpFlow {
            controller: controller("newreno"),
            ecn,
            ..SmoltcpFlow::default()
        };
        let duration = Duration::from_secs(15);
        let flows = vec![FlowSpec::new("newreno")];
        let scenario = ValidScenario::new(queue.clone(), flows, duration).unwrap();
        let carriers = vec![connection(flow, Timestamp::ZERO, 1).unwrap().into()];
        run_carriers::<BoxedController>(&scenario, 1, carriers, &RunOptions::default(), None)
            .unwrap()
    });
    assert_eq!(marked.link.loss, 0.0, "{:?}", marked.link);
    assert!(dropped.link.loss > 0.0, "{:?}", dropped.link);
    assert!(marked.link.queue_delay_mean_ms < 15.0, "{:?}", marked.link);
    assert!(marked.link.goodput_mbps > 8.0, "{:?}", marked.link);
}

#[test]
fn connections_that_share_a_link_all_get_on() {
    const SEEDS: u64 = 5;
    for name in ["newreno", "certified"] {
        for seed in 1..=SEEDS {
            let starts = [0, flow_seed(seed, 1) % 1_000_000_000].map(Timestamp::from_nanos);
            let flows = starts.map(|start| FlowSpec::new(name).starting_at(start));
            let duration = Duration::from_mins(1);
            let scenario = ValidScenario::new(link(), flows.to_vec(), duration)
                .and_then(|scenario| scenario.with_warmup(Duration::from_secs(10)))
                .unwrap();
            let carriers = starts.iter().zip(0..).map(|(&start, flow)| {
                let setup = SmoltcpFlow {
                    controller: controller(name),
                    ..SmoltcpFlow::default()
                };
                let made = connection(setup, start, flow_seed(seed, flow));
                made.unwrap().into()
            });
            let outcome = run_carriers::<BoxedController>(
                &scenario,
                seed,
                carriers.collect(),
                &RunOptions::default(),
                None,
            )
            .unwrap();
            let goodputs = [0, 1].map(|flow| outcome.flows[flow].goodput_mbps);
            let least = goodputs[0].min(goodputs[1]);
            assert!(least > 1.0, "{name}, seed {seed}: {goodputs:?} Mbit/s");
        }
    }
}
