//! Random graphs of links with flows over them.

use core::time::Duration;
use std::io::Write as _;

use proptest::prelude::*;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name, flow_seed};
use tautline_netsim::scenario::{
    Blacked, Blackout, Buffer, CapacitySpec, CellularSpec, EcnSpec, FlowSpec, JitterLaw,
    JitterSpec, LeoSpec, LinkSpec, LossSpec, Order, Pacing, PolicerSpec, QueueSpec, REVERSE,
    RateStep, TraceSpec, TransportSpec, ValidScenario, WifiSpec,
};

use super::workloads::workload;

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(time_ms: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(millis(time_ms))
}

fn rate() -> impl Strategy<Value = Bandwidth> {
    let usual = 400_000_u64..20_000_000;
    let rates = prop_oneof![18 => usual, 1 => 1000_u64..400_000, 1 => 20_000_000_u64..200_000_000];
    rates.prop_map(Bandwidth::from_bits_per_sec)
}

/// A trace with an opportunity at each of the times that the gaps in milliseconds make.
fn trace(gaps_ms: &[u64]) -> TraceSpec {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut time_ms = 1;
    for gap_ms in gaps_ms {
        time_ms += gap_ms;
        writeln!(file, "{time_ms}").unwrap();
    }
    TraceSpec::load(file.path()).unwrap()
}

fn capacity() -> impl Strategy<Value = CapacitySpec> {
    let rates = prop::collection::vec(rate(), 1..5).prop_map(|rates| {
        let steps = rates.into_iter().zip(0..);
        let steps = steps.map(|(rate, index)| RateStep {
            at: at(index * 450),
            rate,
        });
        CapacitySpec::Rates(steps.collect())
    });
    let traced = prop::collection::vec(prop_oneof![9 => 0_u64..4, 1 => 0_u64..200], 1..300)
        .prop_map(|gaps| CapacitySpec::Trace(trace(&gaps)));
    let cellular = (rate(), 0.0..2.0, 0_u64..1500, 0_u64..300).prop_map(
        |(mean, volatility, outage_every, outage)| {
            CapacitySpec::Cellular(CellularSpec {
                mean,
                volatility,
                outage_every: millis(outage_every),
                outage: millis(outage),
            })
        },
    );
    let wifi = (rate(), 1_u64..400, 0.0..0.9, 1_u64..60).prop_map(
        |(peak, change_every, contention, pause)| {
            CapacitySpec::Wifi(WifiSpec {
                peak,
                change_every: millis(change_every),
                contention,
                pause: millis(pause),
            })
        },
    );
    let leo = (rate(), 0.0..0.9, 100_u64..900, 0_u64..50).prop_map(
        |(mean, spread, handover_every, gap)| {
            CapacitySpec::Leo(LeoSpec {
                mean,
                spread,
                handover_every: millis(handover_every),
                gap: millis(gap),
            })
        },
    );
    prop_oneof![3 => rates, 1 => traced, 1 => cellular, 1 => wifi, 1 => leo]
}

fn queue() -> impl Strategy<Value = QueueSpec> {
    prop_oneof![
        2 => Just(QueueSpec::DropTail),
        1 => Just(QueueSpec::codel()),
        1 => Just(QueueSpec::fq_codel()),
        // So few buckets that flows share them.
        1 => (256_u32..4000, 1_u32..4).prop_map(|(quantum, flows)| QueueSpec::FqCoDel {
            target: millis(5),
            interval: millis(100),
            quantum,
            flows,
        }),
        1 => Just(QueueSpec::pie()),
        1 => (3000_u64..30_000, 3000_u64..60_000)
            .prop_map(|(min, more)| QueueSpec::red(min, min + more)),
        1 => Just(QueueSpec::dual_pi2()),
        1 => (0_u64..20).prop_map(|threshold| QueueSpec::Step {
            threshold: millis(threshold),
        }),
    ]
}

fn buffer() -> impl Strategy<Value = Buffer> {
    prop_oneof![
        (1500_u64..120_000).prop_map(|bytes| Buffer::Bytes(Bytes::new(bytes))),
        (1_u32..120).prop_map(Buffer::Packets),
    ]
}

fn loss() -> impl Strategy<Value = LossSpec> {
    prop_oneof![
        3 => Just(LossSpec::default()),
        1 => (0.0..0.2).prop_map(LossSpec::Bernoulli),
        1 => (0.0..0.05, 0.05..0.5, 0.0..0.01, 0.2..1.0).prop_map(
            |(to_bad, to_good, loss_good, loss_bad)| LossSpec::GilbertElliott {
                to_bad,
                to_good,
                loss_good,
                loss_bad,
            }
        ),
    ]
}

fn jitter() -> impl Strategy<Value = JitterSpec> {
    let order = prop_oneof![Just(Order::Kept), Just(Order::Free)];
    let jittered = (1_u64..15, order, 0.0..0.1, 0_u64..30).prop_map(|(max, order, held, ms)| {
        JitterSpec {
            max: millis(max),
            order,
            law: JitterLaw::Uniform,
            // A share of packets that is held back needs a time for it.
            held: if ms < 15 { 0.0 } else { held },
            held_for: millis(ms),
        }
    });
    prop_oneof![2 => Just(JitterSpec::default()), 1 => jittered]
}

fn blackouts() -> impl Strategy<Value = Vec<Blackout>> {
    let packets = prop_oneof![Just(Blacked::Lost), Just(Blacked::Held)];
    let blackout = (0_u64..600, 1_u64..300, packets);
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(blackout, 1..3).prop_map(|blackouts| {
            let blackouts = blackouts.into_iter().zip(0..);
            let blackout = |((start, length, packets), index): ((u64, u64, Blacked), u64)| Blackout {
                at: at(index * 900 + start),
                length: millis(length),
                packets,
            };
            blackouts.map(blackout).collect()
        }),
    ]
}

fn policer() -> impl Strategy<Value = Option<PolicerSpec>> {
    let some = (rate(), 1500_u64..60_000).prop_map(|(rate, burst)| PolicerSpec {
        rate,
        burst: Bytes::new(burst),
    });
    prop::option::weighted(0.2, some)
}

/// Any link, without a name.
pub(crate) fn link() -> impl Strategy<Value = LinkSpec> {
    let aggregation = prop::option::weighted(0.2, (1_u64..20).prop_map(millis));
    let passing = (capacity(), buffer(), queue(), 0_u64..40);
    let impaired = (loss(), jitter(), blackouts(), policer(), aggregation);
    (passing, impaired).prop_map(
        |((capacity, buffer, queue, delay), (loss, jitter, blackouts, policer, aggregation))| {
            LinkSpec {
                policer,
                loss,
                jitter,
                blackouts,
                aggregation,
                ..LinkSpec::between("", capacity.nominal(), millis(delay), buffer)
                    .with_capacity(capacity)
                    .with_queue(queue)
            }
        },
    )
}

fn controller() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("newreno".to_owned()),
        Just("cubic".to_owned()),
        Just("bbr".to_owned()),
        Just("copa".to_owned()),
        Just("vegas".to_owned()),
        Just("prague".to_owned()),
        (1000_u64..90_000).prop_map(|window| format!("fixed:{window}")),
    ]
}

/// Places of links, taken modulo their number, there and back.
type Way = (Vec<usize>, Vec<usize>);

fn way() -> impl Strategy<Value = Way> {
    let back = prop_oneof![Just(Vec::new()), prop::collection::vec(0_usize..60, 1..3),];
    (prop::collection::vec(0_usize..60, 1..5), back)
}

fn ecn() -> impl Strategy<Value = EcnSpec> {
    prop_oneof![
        2 => Just(EcnSpec::Auto),
        1 => Just(EcnSpec::Off),
        1 => Just(EcnSpec::Classic),
        1 => Just(EcnSpec::L4s),
    ]
}

fn flow() -> impl Strategy<Value = (FlowSpec, Vec<Way>)> {
    let stop = prop_oneof![Just(Timestamp::MAX), (700_u64..1500).prop_map(at)];
    let limit = prop_oneof![3 => Just(Bytes::MAX), 1 => (1_u64..300_000).prop_map(Bytes::new)];
    let times = (0_u64..600, stop, limit);
    let rtts = (0_u64..30, prop::option::weighted(0.2, 320_u64..400));
    let kind = (controller(), workload(), ecn());
    (kind, times, rtts, prop::collection::vec(way(), 0..4)).prop_map(
        |((controller, workload, ecn), (start, stop, limit), (extra, base_rtt), ways)| {
            let spec = FlowSpec {
                limit,
                base_rtt: base_rtt.map(millis),
                ..FlowSpec::new(controller)
                    .starting_at(at(start))
                    .stopping_at(stop)
                    .with_workload(workload)
                    .with_ecn(ecn)
                    .with_extra_one_way_delay(millis(extra))
            };
            (spec, ways)
        },
    )
}

/// The names of the places, each once.
fn names<'a>(places: &[usize], links: &'a [LinkSpec]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for place in places {
        let name = links[place % links.len()].name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn transport() -> impl Strategy<Value = TransportSpec> {
    let windows = prop_oneof![4 => Just(256_u64 << 20), 1 => 3000_u64..60_000];
    let sizes = prop_oneof![Just((1500, 52)), (200_u32..1501, 1_u32..100)];
    let pacing = prop_oneof![3 => Just(Pacing::Controller), 1 => Just(Pacing::Off)];
    let acks = (1_u32..17, 0_u64..40, 1_u32..200);
    (acks, sizes, windows, pacing).prop_map(
        |((ack_every, max_ack_delay, ack_bytes), sizes, receive_window, pacing)| TransportSpec {
            mtu_bytes: sizes.0,
            overhead_bytes: sizes.1,
            ack_every,
            max_ack_delay: millis(max_ack_delay),
            receive_window: Bytes::new(receive_window),
            ack_bytes,
            pacing,
            ..TransportSpec::default()
        },
    )
}

/// Graphs of one to five links under one to five flows, for 2 s, measured from the start. Flows
/// without routes take the first link, and in half of the graphs the last one back.
pub(crate) fn graph() -> impl Strategy<Value = ValidScenario> {
    let links = prop::collection::vec(link(), 1..6);
    let flows = prop::collection::vec(flow(), 1..6);
    (links, flows, transport()).prop_map(|(mut links, flows, transport)| {
        for (place, link) in links.iter_mut().enumerate() {
            link.name = format!("link-{place}");
        }
        if links.len().is_multiple_of(2)
            && let Some(last) = links.last_mut()
        {
            REVERSE.clone_into(&mut last.name);
        }
        let flows = flows.into_iter().map(|(spec, ways)| {
            let ways = ways.iter().zip(0..);
            ways.fold(spec, |spec, ((there, back), index)| {
                let (there, back) = (names(there, &links), names(back, &links));
                spec.rerouted_at(at(index * 700), &there, &back)
            })
        });
        let flows = flows.collect();
        ValidScenario::over(links, flows, millis(2000))
            .and_then(|scenario| scenario.with_transport(transport))
            .unwrap()
    })
}

/// The controllers that the scenario names, for a run with `seed`.
pub(crate) fn controllers(scenario: &ValidScenario, seed: u64) -> Vec<BoxedController> {
    let mtu = Bytes::new(u64::from(scenario.transport().mtu_bytes));
    let flows = scenario.flows().iter().zip(0..);
    flows
        .map(|(flow, number)| {
            let seed = flow_seed(seed, number);
            by_name(&flow.controller, mtu, seed).unwrap().into()
        })
        .collect()
}
