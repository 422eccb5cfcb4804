//! What holds on any graph of links, with any queues, impairments, applications and controllers.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rayon::prelude::*;
use tautline_core::controller::{Controller as _, Event};
use tautline_core::units::Timestamp;
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::{FlowSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, Observer, Outcome, RunOptions, run, run_carriers};
use tautline_netsim::workload::ApplicationReport;

mod network;
mod reduced;
mod witness;
mod workloads;

pub(crate) use network::{controllers, link, millis};

use network::graph;
use witness::Witness;

fn outcome(scenario: &ValidScenario, seed: u64) -> Outcome<BoxedController> {
    let options = RunOptions::default();
    run(scenario, seed, controllers(scenario, seed), &options).unwrap()
}

fn watched(
    scenario: &ValidScenario,
    seed: u64,
    observer: &mut dyn Observer,
) -> Outcome<BoxedController> {
    let carriers = controllers(scenario, seed).into_iter();
    let carriers = carriers.map(Carrier::Model).collect();
    let options = RunOptions::default();
    run_carriers(scenario, seed, carriers, &options, Some(observer)).unwrap()
}

proptest! {
    #[test]
    fn every_packet_is_somewhere(scenario in graph(), seed: u64) {
        let outcome = outcome(&scenario, seed);
        for packets in outcome.flows.iter().map(|flow| &flow.packets) {
            let gone = packets.dropped + packets.random_lost;
            let accounted = packets.delivered + gone + packets.in_network;
            prop_assert_eq!(packets.sent, accounted, "{:?}", packets);
        }
        for (link, spec) in outcome.links.iter().zip(scenario.links()) {
            let packets = &link.packets;
            let gone = packets.dropped + packets.random_lost;
            let accounted = packets.delivered + gone + packets.in_network;
            prop_assert_eq!(packets.sent, accounted, "{:?}", link);
            if spec.queue == QueueSpec::DropTail {
                prop_assert_eq!(link.marked, 0);
            }
        }
    }

    #[test]
    fn watching_changes_nothing_and_what_is_seen_adds_up(scenario in graph(), seed: u64) {
        let mut witness = Witness::new(&scenario);
        let seen = watched(&scenario, seed, &mut witness);
        for (flow, number) in seen.flows.iter().zip(0..) {
            prop_assert_eq!(flow.packets.in_network, witness.in_network(number));
            let arrived = witness.arrived_bytes(number as usize);
            prop_assert_eq!(flow.delivered_bytes, arrived, "{:?}", flow);
            prop_assert!(arrived <= witness.sent_bytes(number as usize));
        }
        for (link, gone) in seen.links.iter().zip(&witness.gone) {
            prop_assert_eq!(link.packets.dropped + link.packets.random_lost, *gone);
        }
        let plain = outcome(&scenario, seed);
        prop_assert_eq!(&plain.flows, &seen.flows);
        prop_assert_eq!(&plain.links, &seen.links);
        prop_assert_eq!(plain.digest, seen.digest);
    }

    #[test]
    fn figures_stay_within_what_is_possible(
        scenario in graph(),
        seed: u64,
        warmup_ms in 0_u64..1500,
    ) {
        let scenario = scenario.with_warmup(millis(warmup_ms)).unwrap();
        let outcome = outcome(&scenario, seed);
        let window_s = scenario.duration().as_secs_f64() - scenario.warmup().as_secs_f64();
        let packet_mb = 1504.0 * 8e-6;
        for link in &outcome.links {
            let most = 1.0 + packet_mb / (link.capacity_mbps * window_s).max(1e-9);
            prop_assert!(link.utilisation <= most, "{:?}", link);
            prop_assert!(link.queue_delay_p95_ms <= link.queue_delay_p99_ms, "{:?}", link);
        }
        prop_assert!(outcome.link.jain <= 1.0 + 1e-9, "{:?}", outcome.link);
        for (flow, spec) in outcome.flows.iter().zip(scenario.flows()) {
            let least = least_rtt(&scenario, spec).as_secs_f64() * 1e3;
            prop_assert!(flow.rtt_min_ms == 0.0 || flow.rtt_min_ms >= least - 1e-6, "{:?}", flow);
            prop_assert!((0.0..=1.0).contains(&flow.loss), "{:?}", flow);
            if let Some(report) = &flow.application {
                check_application(report, window_s);
            }
        }
        let options = RunOptions::default().with_timeline(millis(50));
        let timed = run(&scenario, seed, controllers(&scenario, seed), &options).unwrap();
        prop_assert_eq!(timed.digest, outcome.digest);
        prop_assert_eq!(timed.flows, outcome.flows);
    }

    #[test]
    fn only_probes_exceed_the_window(scenario in graph(), seed: u64) {
        let flow = scenario.flows().len() - 1;
        let mut replayed = controllers(&scenario, seed).swap_remove(flow);
        let options = RunOptions::default().with_log(flow);
        let outcome = run(&scenario, seed, controllers(&scenario, seed), &options).unwrap();
        let mut beyond = 0;
        let mut last = Timestamp::ZERO;
        let mut times_sent = BTreeMap::new();
        for (now, event) in outcome.log.unwrap() {
            prop_assert!(now >= last);
            last = now;
            match event {
                Event::PacketSent(packet) => {
                    let decision = replayed.decision();
                    let cap = decision.buffer_cap.min(scenario.transport().receive_window);
                    let window = decision.congestion_window.min(cap);
                    beyond += u64::from(packet.bytes_in_flight > window);
                    times_sent.insert(packet.number, now);
                }
                Event::PacketAcked(packet) => {
                    let sent = times_sent.remove(&packet.number);
                    prop_assert_eq!(sent, Some(packet.time_sent));
                }
                _ => {}
            }
            event.replay(now, &mut replayed);
        }
        let sender = &outcome.flows[flow].sender;
        prop_assert!(beyond <= sender.probe_packets, "{} {:?}", beyond, sender);
        prop_assert_eq!(replayed.decision(), outcome.controllers[flow].decision());
    }
}

/// Propagation on the shortest ways there and back.
fn least_rtt(scenario: &ValidScenario, flow: &FlowSpec) -> Duration {
    let links = scenario.links();
    let length = |way: &Vec<u16>| -> Duration {
        way.iter()
            .map(|&place| links[usize::from(place)].delay)
            .sum()
    };
    let routes = scenario.routes(flow);
    let there = routes.iter().map(|route| length(&route.forward)).min();
    let (ahead, _) = scenario.one_way_delays(flow);
    let back = routes.iter().zip(scenario.ways_back(flow));
    let back = back.map(|(route, behind)| length(&route.backward) + behind);
    there.unwrap() + ahead + back.min().unwrap()
}

/// What holds for the figures of every application.
fn check_application(report: &ApplicationReport, window_s: f64) {
    let adds_up = match report {
        ApplicationReport::Bulk(_) => true,
        ApplicationReport::OnOff(on_off) => on_off.on_s <= window_s + 1e-9,
        ApplicationReport::Web(web) => {
            web.completed <= web.objects && web.completion.count == web.completed
        }
        ApplicationReport::RequestResponse(asked) => {
            let settled = asked.completed + asked.failed;
            (settled..=settled + 1).contains(&asked.requests)
                && asked.missed_deadlines >= asked.failed.min(1)
                && asked.missed_deadlines <= asked.requests
                && asked.response.count == asked.completed
        }
        ApplicationReport::RealTime(frames) => {
            frames.delivered <= frames.frames
                && frames.late <= frames.frames
                && (0.0..=1.0).contains(&frames.late_fraction)
        }
        ApplicationReport::Video(video) => {
            video.completed <= video.chunks && video.played_s + video.rebuffer_s <= window_s + 1e-9
        }
        ApplicationReport::Incast(incast) => incast.completed <= incast.bursts,
    };
    assert!(adds_up, "{report:?}");
}

#[test]
fn graphs_give_equal_runs_on_any_number_of_threads() {
    let mut runner = TestRunner::deterministic();
    let scenarios: Vec<ValidScenario> = (0..24)
        .map(|_| graph().new_tree(&mut runner).unwrap().current())
        .collect();
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let run = |scenario| {
            let outcome = outcome(scenario, 3);
            (outcome.digest, outcome.flows, outcome.links)
        };
        pool.install(|| scenarios.par_iter().map(run).collect::<Vec<_>>())
    };
    let one = on_threads(1);
    assert_eq!(one, on_threads(4));
    let digests: std::collections::BTreeSet<u64> = one.iter().map(|run| run.0).collect();
    assert_eq!(digests.len(), scenarios.len());
}
