//! What happens to flows behind impaired links.

use core::time::Duration;
use std::collections::BTreeMap;

use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::scenario::{
    Blacked, Blackout, FlowSpec, JitterSpec, LinkSpec, LossSpec, Order, PolicerSpec, ValidScenario,
};
use tautline_netsim::sim::{
    Carrier, Content, DropCause, Observation, Observer, RunOptions, run_carriers,
};

use crate::graphs::{controllers, millis};
use crate::paths::{dumbbell, hop, mbps, outcome, over};

/// Keeps what is lost on the way and when acknowledgements arrive.
#[derive(Default)]
struct Notes {
    lost: Vec<u64>,
    sent: u64,
    acknowledged: BTreeMap<u64, u64>,
}

impl Observer for Notes {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        match observation {
            Observation::Sent(_, Content::Data { .. }) => self.sent += 1,
            Observation::Dropped {
                packet,
                cause: DropCause::Path,
                ..
            } => self.lost.push(packet.number),
            Observation::Received(_, Content::Ack(_)) => {
                *self.acknowledged.entry(now_ns).or_default() += 1;
            }
            _ => {}
        }
    }
}

fn notes(scenario: &ValidScenario) -> Notes {
    let carriers = controllers(scenario, 1).into_iter().map(Carrier::Model);
    let (carriers, options) = (carriers.collect(), RunOptions::default());
    let mut notes = Notes::default();
    run_carriers(scenario, 1, carriers, &options, Some(&mut notes)).unwrap();
    notes
}

/// Lost packets, and those of them that follow no other lost packet.
fn bursts(loss: LossSpec) -> (f64, f64, f64) {
    let link = LinkSpec {
        loss,
        ..dumbbell(50.0, 20, 4.0)
    };
    let notes = notes(&over(vec![link], vec![FlowSpec::new("fixed:100000")], 10));
    let follow = notes.lost.windows(2).filter(|pair| pair[1] == pair[0] + 1);
    let bursts = notes.lost.len() - follow.count();
    (notes.sent as f64, notes.lost.len() as f64, bursts as f64)
}

#[test]
fn gilbert_elliott_loses_in_bursts_what_bernoulli_loses_alone() {
    // A fiftieth of the packets finds the bad state, for five packets on average.
    let (sent, lost, bursts_of_five) = bursts(LossSpec::GilbertElliott {
        to_bad: 0.2 / 49.0,
        to_good: 0.2,
        loss_good: 0.0,
        loss_bad: 1.0,
    });
    assert!(sent > 20_000.0);
    assert!((0.015..0.025).contains(&(lost / sent)), "{lost} of {sent}");
    let length = lost / bursts_of_five;
    assert!((4.0..6.0).contains(&length), "{length}");
    let (sent, lost, alone) = bursts(LossSpec::Bernoulli(0.02));
    assert!((0.017..0.023).contains(&(lost / sent)), "{lost} of {sent}");
    let length = lost / alone;
    assert!((1.0..1.05).contains(&length), "{length}");
}

#[test]
fn reordering_looks_like_loss_and_leaves_the_stream_whole() {
    let limit = Bytes::new(4_000_000);
    let reordered = |jitter| {
        let link = LinkSpec {
            jitter,
            ..dumbbell(20.0, 40, 4.0)
        };
        let flow = FlowSpec::new("fixed:100000").limited_to(limit);
        let scenario = over(vec![link], vec![flow], 20).with_warmup(Duration::ZERO);
        outcome(&scenario.unwrap()).flows.remove(0)
    };
    let free = JitterSpec {
        max: millis(15),
        order: Order::Free,
        ..JitterSpec::default()
    };
    let held = JitterSpec {
        held: 0.01,
        held_for: millis(30),
        ..JitterSpec::default()
    };
    for jitter in [free, held] {
        let flow = reordered(jitter);
        assert_eq!(flow.packets.dropped + flow.packets.random_lost, 0);
        assert!(flow.sender.lost_packets > 20, "{flow:?}");
        assert_eq!(flow.sender.retransmitted_packets, flow.sender.lost_packets);
        assert_eq!(flow.delivered_bytes, limit.as_u64());
        assert!(flow.completed_s.is_some(), "{flow:?}");
    }
    let kept = reordered(JitterSpec {
        order: Order::Kept,
        ..free
    });
    assert_eq!(kept.sender.lost_packets, 0, "{kept:?}");
    assert_eq!(kept.delivered_bytes, limit.as_u64());
}

#[test]
fn an_aggregating_way_back_brings_acknowledgements_in_bursts() {
    let back = |aggregation| LinkSpec {
        aggregation,
        ..hop("up", 10.0, 10, 60_000)
    };
    let times = |aggregation| {
        let links = vec![hop("down", 20.0, 10, 200_000), back(aggregation)];
        let flow = FlowSpec::new("fixed:60000").along(&["down"], &["up"]);
        notes(&over(links, vec![flow], 4)).acknowledged
    };
    let bursts = times(Some(millis(20)));
    // 50 per second, each 10 ms of propagation behind a multiple of 20 ms.
    assert!((180..=200).contains(&bursts.len()), "{}", bursts.len());
    assert!(
        bursts
            .keys()
            .all(|time_ns| time_ns % 20_000_000 == 10_000_000)
    );
    let most = bursts.values().max().unwrap();
    assert!((10..=40).contains(most), "{most}");
    assert!(times(None).values().all(|&together| together == 1));
}

#[test]
fn a_policer_caps_the_rate_without_a_queue() {
    let link = LinkSpec {
        policer: Some(PolicerSpec {
            rate: mbps(5.0),
            burst: Bytes::new(30_000),
        }),
        ..dumbbell(50.0, 20, 2.0)
    };
    for name in ["newreno", "cubic", "bbr"] {
        let scenario = over(vec![link.clone()], vec![FlowSpec::new(name)], 20);
        let link = outcome(&scenario).link;
        // The burst is another 16 kbit/s in 15 s.
        assert!(link.goodput_mbps <= 4.85, "{name} {link:?}");
        assert!(link.goodput_mbps > 3.0, "{name} {link:?}");
        assert!(
            link.queue_delay_p99_ms < 10.0 && link.packets.dropped > 0,
            "{name} {link:?}"
        );
    }
}

fn interrupted(packets: Blacked, controller: &str) -> ValidScenario {
    let blackout = Blackout {
        at: Timestamp::from_nanos(2_000_000_000),
        length: Duration::from_secs(2),
        packets,
    };
    let link = LinkSpec {
        blackouts: vec![blackout],
        ..dumbbell(10.0, 40, 2.0)
    };
    over(vec![link], vec![FlowSpec::new(controller)], 16)
}

#[test]
fn flows_recover_from_blackouts_by_probes() {
    for controller in ["newreno", "cubic", "bbr", "copa", "vegas", "prague"] {
        for packets in [Blacked::Lost, Blacked::Held] {
            let scenario = interrupted(packets, controller);
            let scenario = scenario.with_warmup(Duration::ZERO).unwrap();
            let whole = outcome(&scenario);
            let sender = &whole.flows[0].sender;
            assert!(sender.timeouts >= 2, "{controller} {sender:?}");
            assert!(sender.probe_packets <= 2 * sender.timeouts, "{sender:?}");
            let lost = whole.link.packets.random_lost;
            assert_eq!(lost > 0, packets == Blacked::Lost, "{lost}");
            // Two seconds behind its end at the latest, the link is full again.
            let late = outcome(&scenario.with_warmup(Duration::from_secs(6)).unwrap());
            assert!(
                late.link.utilisation > 0.8,
                "{controller} {packets:?} {:?}",
                late.link
            );
        }
    }
}
