//! Our controllers over smoltcp beside its own, alone and sharing a bottleneck.

use core::fmt::Write as _;
use core::time::Duration;

use rayon::prelude::*;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, Pacing, TransportSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, Outcome, RunOptions, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{self as quinn, QuinnController, QuinnFlow};
use tautline_tcp_integration::sim::{self as smoltcp, SmoltcpController, SmoltcpFlow};

use crate::shipped::{CERTIFIED, Model};
use crate::table::{Section, Table, Verdict};

pub(crate) fn section() -> anyhow::Result<Section> {
    let model = Model::read()?;
    let mut outside = Vec::new();
    let mut body = String::new();
    let alone = alone(&model, &mut outside)?;
    let shared = shared(&model)?;
    write!(body, "{alone}\n{shared}")?;
    Ok(Section {
        name: "smoltcp",
        body,
        outside,
    })
}

/// What carries a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Smoltcp,
    Model,
    Quinn,
}

/// A path, and what it is called.
struct Path {
    name: &'static str,
    link: LinkSpec,
}

fn paths() -> Vec<Path> {
    let link = |rate_mbps: u64| {
        let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
        let buffer = Buffer::BandwidthDelayProducts(1.0);
        LinkSpec::new(rate, Duration::from_millis(40), buffer)
    };
    vec![
        Path {
            name: "10 Mbit/s",
            link: link(10),
        },
        Path {
            name: "10 Mbit/s, 1 % loss",
            link: link(10).with_loss(0.01),
        },
        Path {
            name: "50 Mbit/s",
            link: link(50),
        },
        Path {
            name: "50 Mbit/s, 0.1 % loss",
            link: link(50).with_loss(0.001),
        },
    ]
}

/// Means over [`RUNS`] runs.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    goodput_mbps: f64,
    delay_ms: f64,
    loss: f64,
    jain: f64,
    /// Of the first two flows.
    each_mbps: [f64; 2],
    /// Mean round-trip times of the first two flows.
    rtt_ms: [f64; 2],
}

impl Figures {
    fn add(&mut self, outcome: &Outcome<BoxedController>) {
        let share = 1.0 / RUNS as f64;
        self.goodput_mbps += outcome.link.goodput_mbps * share;
        self.delay_ms += outcome.link.queue_delay_mean_ms * share;
        self.loss += outcome.link.loss * share;
        self.jain += outcome.link.jain * share;
        for (flow, (mbps, rtt)) in outcome
            .flows
            .iter()
            .zip(self.each_mbps.iter_mut().zip(&mut self.rtt_ms))
        {
            *mbps += flow.goodput_mbps * share;
            *rtt += flow.rtt_mean_ms * share;
        }
    }

    /// As much goodput as `other` or more, at a shorter queue unless `other` leaves the link idle.
    fn beats(&self, other: &Self) -> bool {
        let idle = other.goodput_mbps < self.goodput_mbps * (1.0 - IDLE);
        self.goodput_mbps >= other.goodput_mbps * (1.0 - SAME)
            && (self.delay_ms < other.delay_ms || idle)
    }
}

/// One flow over each path, under each controller and over each stack.
fn alone(model: &Model, outside: &mut Vec<String>) -> anyhow::Result<String> {
    let paths = paths();
    let cells: Vec<(usize, &str, Stack)> = (0..paths.len())
        .flat_map(|path| {
            let own = OWN.map(|name| (path, name, Stack::Smoltcp));
            let ours = OURS.iter().flat_map(move |&name| {
                [Stack::Smoltcp, Stack::Model, Stack::Quinn].map(|stack| (path, name, stack))
            });
            ours.chain(own)
        })
        .collect();
    let measured = cells
        .par_iter()
        .with_max_len(1)
        .map(|&(path, name, stack)| measured(&paths[path], &[(name, stack)], model))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let of = |path: usize, name: &str, stack: Stack| {
        let wanted = (path, name, stack);
        let at = cells.iter().position(|&cell| cell == wanted);
        at.map(|at| measured[at])
    };
    let mut table = Table::new(&[
        "path",
        "controller",
        "goodput Mbit/s",
        "queueing delay ms",
        "loss %",
    ]);
    for (number, path) in paths.iter().enumerate() {
        for name in OURS.iter().chain(&OWN) {
            let stacks = [Stack::Smoltcp, Stack::Model, Stack::Quinn];
            let found: Vec<Figures> = stacks
                .iter()
                .filter_map(|&stack| of(number, name, stack))
                .collect();
            let verdict = verdict(name, |name| of(number, name, Stack::Smoltcp));
            if verdict == Verdict::Outside {
                outside.push(format!(
                    "{}: {name} over smoltcp does not beat smoltcp's own controllers",
                    path.name
                ));
            }
            let list = |figure: fn(&Figures) -> String| {
                let cells: Vec<String> = found.iter().map(figure).collect();
                cells.join(" · ")
            };
            table.row([
                path.name.to_owned(),
                format!("{name}{}", verdict.mark()),
                list(|figures| format!("{:.3}", figures.goodput_mbps)),
                list(|figures| format!("{:.2}", figures.delay_ms)),
                list(|figures| format!("{:.3}", figures.loss * 100.0)),
            ]);
        }
    }
    Ok(table.to_string())
}

/// The certified controller has to beat both of smoltcp's.
fn verdict(name: &str, of: impl Fn(&str) -> Option<Figures>) -> Verdict {
    if name != CERTIFIED {
        return Verdict::Open;
    }
    let (Some(ours), Some(reno), Some(cubic)) =
        (of(CERTIFIED), of("smoltcp-reno"), of("smoltcp-cubic"))
    else {
        return Verdict::Open;
    };
    Verdict::of(ours.beats(&reno) && ours.beats(&cubic))
}

/// Two flows on one bottleneck.
fn shared(model: &Model) -> anyhow::Result<String> {
    let paths = paths();
    let cells: Vec<(usize, Stack, [&str; 2])> = (0..SHARED_PATHS)
        .flat_map(|path| PAIRS.map(|(stack, pair)| (path, stack, pair)))
        .collect();
    let measured = cells
        .par_iter()
        .with_max_len(1)
        .map(|&(path, stack, pair)| {
            let flows = pair.map(|name| (name, stack));
            measured(&paths[path], &flows, model)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut table = Table::new(&[
        "path",
        "over",
        "first",
        "second",
        "goodput Mbit/s",
        "share of the first %",
        "Jain",
        "mean RTT ms",
        "queueing delay ms",
        "loss %",
    ]);
    for ((path, stack, [first, second]), figures) in cells.iter().zip(&measured) {
        let [a, b] = figures.each_mbps;
        let [rtt_a, rtt_b] = figures.rtt_ms;
        table.row([
            paths[*path].name.to_owned(),
            format!("{stack:?}").to_lowercase(),
            (*first).to_owned(),
            (*second).to_owned(),
            format!("{a:.3} · {b:.3}"),
            format!("{:.1}", a / (a + b) * 100.0),
            format!("{:.3}", figures.jain),
            format!("{rtt_a:.1} · {rtt_b:.1}"),
            format!("{:.2}", figures.delay_ms),
            format!("{:.3}", figures.loss * 100.0),
        ]);
    }
    Ok(table.to_string())
}

/// Means over the seeds from one on.
fn measured(path: &Path, flows: &[(&str, Stack)], model: &Model) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for seed in 1..=RUNS {
        let starts = (0_u32..).map(|flow| start(seed, flow));
        let specs = flows
            .iter()
            .zip(starts.clone())
            .map(|((name, _), start)| FlowSpec::new(*name).starting_at(start));
        let duration = Duration::from_mins(1);
        let scenario = ValidScenario::new(path.link.clone(), specs.collect(), duration)?
            .with_transport(TCP)?
            .with_warmup(Duration::from_secs(10))?;
        let carriers = flows
            .iter()
            .zip(starts)
            .zip(0..)
            .map(|((&(name, stack), start), flow)| {
                carrier((name, stack), model, start, flow_seed(seed, flow))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let outcome = run_carriers(&scenario, seed, carriers, &RunOptions::default(), None)?;
        for flow in &outcome.flows {
            if let Some(failure) = &flow.failure {
                anyhow::bail!("{}, seed {seed}: {failure}", path.name);
            }
        }
        figures.add(&outcome);
    }
    Ok(figures)
}

/// The first flow starts at once, every other within the first second.
fn start(seed: u64, flow: u32) -> Timestamp {
    match flow {
        0 => Timestamp::ZERO,
        _ => Timestamp::from_nanos(flow_seed(seed, flow) % 1_000_000_000),
    }
}

fn carrier(
    (name, stack): (&str, Stack),
    model: &Model,
    start: Timestamp,
    seed: u64,
) -> anyhow::Result<Carrier<BoxedController>> {
    Ok(match stack {
        Stack::Model => {
            let size = TCP.max_datagram_size();
            Carrier::Model(model.controller(name, size, seed)?)
        }
        Stack::Quinn => {
            let controller = model.controller(name, QUIC_PAYLOAD, seed)?;
            let flow = QuinnFlow {
                controller: QuinnController::Ours(Box::new(controller)),
                ecn: Ecn::NotEct,
                ..QuinnFlow::default()
            };
            quinn::connection(flow, start, seed)?.into()
        }
        Stack::Smoltcp => {
            let mut flow = SmoltcpFlow::default();
            flow.controller = match name {
                "smoltcp-reno" => SmoltcpController::Reno,
                "smoltcp-cubic" => SmoltcpController::Cubic,
                "smoltcp-none" => SmoltcpController::None,
                _ => {
                    let controller = model.controller(name, flow.max_segment(), seed)?;
                    SmoltcpController::Ours(Box::new(controller))
                }
            };
            smoltcp::connection(flow, start, seed)?.into()
        }
    })
}

/// Packets and acknowledgements as smoltcp's, for the transport model: controllers count payload,
/// as nearly as the model can.
const TCP: TransportSpec = TransportSpec {
    mtu_bytes: 1500,
    overhead_bytes: 40,
    header_bytes: 39,
    ack_every: 2,
    max_ack_delay: Duration::from_millis(10),
    receive_window: Bytes::new(4 << 20),
    ack_bytes: 40,
    pacing: Pacing::Controller,
};
/// UDP payload of quinn's packets.
const QUIC_PAYLOAD: Bytes = Bytes::new(1472);
const OURS: [&str; 3] = [CERTIFIED, "newreno", "cubic"];
const OWN: [&str; 3] = ["smoltcp-reno", "smoltcp-cubic", "smoltcp-none"];
const PAIRS: [(Stack, [&str; 2]); 8] = [
    (Stack::Smoltcp, [CERTIFIED, "smoltcp-cubic"]),
    (Stack::Smoltcp, ["smoltcp-cubic", CERTIFIED]),
    (Stack::Model, [CERTIFIED, "cubic"]),
    (Stack::Smoltcp, [CERTIFIED, "smoltcp-reno"]),
    (Stack::Smoltcp, [CERTIFIED, CERTIFIED]),
    (Stack::Model, [CERTIFIED, CERTIFIED]),
    (Stack::Smoltcp, ["smoltcp-cubic", "smoltcp-cubic"]),
    (Stack::Smoltcp, ["newreno", "newreno"]),
];
/// Of the paths, those on which flows share.
const SHARED_PATHS: usize = 3;
/// Runs per mean, with seeds from 1 on.
const RUNS: u64 = 5;
/// Goodputs this near, in proportion, are the same.
const SAME: f64 = 0.005;
/// Who carries less than the other by this proportion leaves the link idle.
const IDLE: f64 = 0.05;
