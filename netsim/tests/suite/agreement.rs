//! What happens is the same in every build, on every machine and on any number of threads.

use core::time::Duration;

use rayon::prelude::*;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::scenario::{
    Blacked, Blackout, CapacitySpec, CellularSpec, EcnSpec, FlowSpec, JitterSpec, LeoSpec,
    LinkSpec, LossSpec, Order, PolicerSpec, QueueSpec, RetrySpec, SizeSpec, ValidScenario,
    WifiSpec, WorkloadSpec,
};
use tautline_netsim::sim::{RunOptions, run};

use crate::graphs::{controllers, millis};
use crate::paths::{dumbbell, hop, mbps, over};

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_secs(seconds))
}

fn every_controller() -> Vec<FlowSpec> {
    let names = [
        "newreno",
        "cubic",
        "bbr",
        "copa",
        "vegas",
        "prague",
        "fixed:30000",
    ];
    names.map(FlowSpec::new).to_vec()
}

fn every_workload() -> Vec<FlowSpec> {
    let size = SizeSpec::LogNormal {
        median: Bytes::new(8000),
        sigma: 1.2,
        max: Bytes::new(400_000),
    };
    let retry = RetrySpec {
        timeout: millis(80),
        backoff: 1.5,
        jitter: 0.5,
        attempts: 4,
        budget: 0.5,
    };
    let workloads = [
        WorkloadSpec::OnOff {
            on: millis(200),
            off: millis(300),
        },
        WorkloadSpec::Web {
            every: millis(40),
            object: SizeSpec::Pareto {
                min: Bytes::new(2000),
                shape: 1.3,
                max: Bytes::new(300_000),
            },
        },
        WorkloadSpec::RequestResponse {
            request: Bytes::new(400),
            response: size,
            think: millis(15),
            deadline: millis(100),
            retry,
        },
        WorkloadSpec::RealTime {
            rate: mbps(1.5),
            frame_every: millis(20),
            deadline: millis(80),
        },
        WorkloadSpec::Video {
            chunk: millis(500),
            ladder: vec![mbps(0.5), mbps(1.0), mbps(2.0)],
            buffer: millis(6000),
        },
        WorkloadSpec::Incast {
            burst: Bytes::new(30_000),
            every: millis(250),
        },
    ];
    let flow = |workload| FlowSpec::new("cubic").with_workload(workload);
    workloads.map(flow).to_vec()
}

/// A link of each kind of capacity, queue and impairment in a row, and a way back.
fn graph() -> ValidScenario {
    let rate = Bandwidth::from_bits_per_sec(15_000_000);
    let cellular = LinkSpec {
        loss: LossSpec::GilbertElliott {
            to_bad: 0.002,
            to_good: 0.3,
            loss_good: 0.0001,
            loss_bad: 0.5,
        },
        ..hop("cellular", 15.0, 4, 80_000)
            .with_queue(QueueSpec::codel())
            .with_capacity(CapacitySpec::Cellular(CellularSpec {
                mean: rate,
                volatility: 0.4,
                outage_every: millis(2000),
                outage: millis(80),
            }))
    };
    let wifi = LinkSpec {
        jitter: JitterSpec {
            max: millis(3),
            order: Order::Free,
            held: 0.001,
            held_for: millis(9),
            ..JitterSpec::default()
        },
        ..hop("wifi", 30.0, 2, 90_000)
            .with_queue(QueueSpec::fq_codel())
            .with_capacity(CapacitySpec::Wifi(WifiSpec {
                peak: mbps(40.0),
                change_every: millis(100),
                contention: 0.3,
                pause: millis(2),
            }))
    };
    let leo = LinkSpec {
        policer: Some(PolicerSpec {
            rate: mbps(12.0),
            burst: Bytes::new(60_000),
        }),
        ..hop("leo", 20.0, 15, 100_000)
            .with_queue(QueueSpec::pie())
            .with_capacity(CapacitySpec::Leo(LeoSpec {
                mean: mbps(20.0),
                spread: 0.4,
                handover_every: millis(1500),
                gap: millis(30),
            }))
    };
    let back = LinkSpec {
        aggregation: Some(millis(5)),
        blackouts: vec![Blackout {
            at: seconds(2),
            length: millis(300),
            packets: Blacked::Held,
        }],
        ..hop("back", 2.0, 10, 20_000).with_queue(QueueSpec::red(5000, 15_000))
    };
    let flows = every_controller().into_iter().map(|flow| {
        let flow = flow.along(&["cellular", "wifi", "leo"], &["back"]);
        flow.rerouted_at(seconds(3), &["wifi", "leo"], &["back"])
    });
    over(vec![cellular, wifi, leo, back], flows.collect(), 4)
}

fn scenarios() -> Vec<(&'static str, ValidScenario)> {
    let link = |queue| dumbbell(20.0, 30, 2.0).with_queue(queue);
    let over = |link, flows| over(vec![link], flows, 4);
    let ecn = |ecn| {
        let flows = every_controller().into_iter();
        flows.map(|flow| flow.with_ecn(ecn)).collect()
    };
    let blackout = Blackout {
        at: seconds(1),
        length: millis(700),
        packets: Blacked::Lost,
    };
    let interrupted = LinkSpec {
        blackouts: vec![blackout],
        ..link(QueueSpec::DropTail).with_loss(0.005)
    };
    vec![
        (
            "controllers",
            over(link(QueueSpec::DropTail), every_controller()),
        ),
        ("interrupted", over(interrupted, every_controller())),
        (
            "classic marks",
            over(link(QueueSpec::pie()), ecn(EcnSpec::Classic)),
        ),
        ("codel", over(link(QueueSpec::codel()), ecn(EcnSpec::Off))),
        (
            "dual queue",
            over(link(QueueSpec::dual_pi2()), ecn(EcnSpec::Auto)),
        ),
        ("step", over(link(QueueSpec::step()), ecn(EcnSpec::L4s))),
        (
            "applications",
            over(link(QueueSpec::fq_codel()), every_workload()),
        ),
        (
            "red",
            over(link(QueueSpec::red(15_000, 60_000)), every_workload()),
        ),
        ("graph", graph()),
    ]
}

/// The digest, and one of the figures in the reports.
fn fingerprint((_, scenario): &(&str, ValidScenario)) -> (u64, u64) {
    let options = RunOptions::default();
    let outcome = run(scenario, 7, controllers(scenario, 7), &options).unwrap();
    let flows = outcome.flows.iter().flat_map(|flow| {
        let delays = [flow.rtt_mean_ms, flow.rtt_min_ms, flow.queue_delay_mean_ms];
        delays.into_iter().chain([flow.goodput_mbps, flow.loss])
    });
    let links = outcome.links.iter().flat_map(|link| {
        let rates = [link.capacity_mbps, link.utilisation];
        rates
            .into_iter()
            .chain([link.queue_delay_mean_ms, link.queue_delay_p95_ms])
    });
    let figures = flows.chain(links).chain([outcome.link.jain]);
    let bytes = figures.flat_map(|figure| figure.to_bits().to_le_bytes());
    // FNV-1a.
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    (outcome.digest, bytes.fold(0xCBF2_9CE4_8422_2325, fold))
}

#[test]
fn builds_machines_and_threads_agree_on_events_and_figures() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let scenarios = scenarios();
        let fingerprints = || scenarios.par_iter().map(fingerprint).collect::<Vec<_>>();
        pool.install(fingerprints)
    };
    let got = on_threads(4);
    assert_eq!(got, on_threads(1));
    let scenarios = scenarios();
    let names = scenarios.iter().map(|(name, _)| *name);
    let got: Vec<_> = names.zip(got).collect();
    // Changes with every deliberate change of the model, and with nothing else.
    assert_eq!(got, EXPECTED);
}

/// Digest and figures of each scenario.
const EXPECTED: [(&str, (u64, u64)); 9] = [
    (
        "controllers",
        (16_984_909_102_525_453_504, 1_361_722_817_694_569_096),
    ),
    (
        "interrupted",
        (11_894_737_289_885_402_963, 13_104_224_632_529_612_887),
    ),
    (
        "classic marks",
        (3_386_469_168_239_872_074, 14_229_180_445_893_875_901),
    ),
    (
        "codel",
        (14_214_532_888_710_589_174, 7_945_550_631_545_082_194),
    ),
    (
        "dual queue",
        (17_740_669_790_692_583_361, 14_644_410_977_636_701_571),
    ),
    ("step", (598_388_306_376_591_520, 9_637_294_678_941_440_507)),
    (
        "applications",
        (7_472_525_352_901_791_947, 5_160_584_043_115_805_061),
    ),
    (
        "red",
        (4_859_286_808_276_881_189, 1_460_096_597_216_698_791),
    ),
    (
        "graph",
        (1_006_347_780_190_949_589, 8_573_903_573_042_760_971),
    ),
];
