//! Packets per second of processor time, and memory.

use core::time::Duration;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;
use tautline_core::controller::{Controller, NewReno};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, Cubic, by_name};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, RunOptions, run, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{QuinnController, QuinnFlow, connection};

use crate::clock::processor_time;
use crate::switches::QUIC;
use crate::table::{Section, Table, Verdict};

/// A shared link: 40 ms, one bandwidth-delay product of drop-tail queue.
#[derive(Clone, Copy)]
struct Load {
    flows: u32,
    rate_mbps: u64,
    seconds: u64,
}

impl Load {
    fn scenario(self) -> anyhow::Result<ValidScenario> {
        let rate = Bandwidth::from_bits_per_sec(self.rate_mbps * 1_000_000);
        let buffer = Buffer::BandwidthDelayProducts(1.0);
        let link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
        let flows = vec![FlowSpec::new("").times(self.flows)];
        Ok(ValidScenario::new(
            link,
            flows,
            Duration::from_secs(self.seconds),
        )?)
    }

    fn name(self) -> String {
        let flows = if self.flows == 1 { "flow" } else { "flows" };
        format!(
            "{} {flows}, {} Mbit/s, {} s",
            self.flows, self.rate_mbps, self.seconds
        )
    }
}

pub(crate) fn section() -> anyhow::Result<Section> {
    let mut rows = Rows::new();
    rows.speeds()?;
    rows.timelines()?;
    rows.memory()?;
    let mut body = rows.table.to_string();
    for note in &rows.notes {
        write!(body, "\n* {note}")?;
    }
    body.push('\n');
    Ok(Section {
        name: "speed",
        body,
        outside: rows.outside,
    })
}

struct Rows {
    table: Table,
    notes: Vec<String>,
    outside: Vec<String>,
}

impl Rows {
    fn new() -> Self {
        Self {
            table: Table::new(&["load", "", "M data packets per CPU second", "limit"]),
            notes: Vec::new(),
            outside: Vec::new(),
        }
    }

    fn speeds(&mut self) -> anyhow::Result<()> {
        let plain = [RunOptions::default()];
        for (load, least) in [(ONE, 5e6), (CROWD, 3e6), (MULTITUDE, 1e6)] {
            let newreno = best(load, &plain, || NewReno::new(MTU))?;
            self.add(load, "NewReno", newreno[0], Some(least));
            let cubic = best(load, &plain, || Cubic::new(MTU))?;
            self.add(load, "CUBIC", cubic[0], Some(least));
        }
        let short = Load { seconds: 10, ..ONE };
        self.add(
            short,
            "NewReno inside quinn-proto",
            best_quinn(short)?,
            None,
        );
        for (name, anchor) in ANCHORS {
            let cells = [*name, "", *anchor, ""];
            self.table.row(cells.map(str::to_owned));
        }
        Ok(())
    }

    fn timelines(&mut self) -> anyhow::Result<()> {
        let without = RunOptions::default();
        let with = without.with_timeline(Duration::from_millis(100));
        for load in [ONE, CROWD] {
            let speeds = best(load, &[without, with], || NewReno::new(MTU))?;
            let cost = 100.0 * (speeds[0] / speeds[1] - 1.0);
            let line = format!(
                "Timelines with bins of 100 ms cost {cost:.1} % ({}); limit 15 %",
                load.name()
            );
            self.note(&line, Verdict::of(cost < 15.0));
        }
        Ok(())
    }

    /// A byte kept per packet would be four MiB.
    fn memory(&mut self) -> anyhow::Result<()> {
        let [short, long] = [peak_kib(10)?, peak_kib(60)?].map(|kib| kib / 1024.0);
        let line = format!(
            "Most memory of the whole process, 64 flows over 1 Gbit/s: {short:.1} MiB in 10 s, \
             {long:.1} MiB in 60 s of simulated time, 4 million packets later; limit 1 MiB more"
        );
        self.note(&line, Verdict::of(long - short < 1.0));
        Ok(())
    }

    fn note(&mut self, line: &str, verdict: Verdict) {
        self.notes.push(format!("{line}{}", verdict.mark()));
        self.judge(line, verdict);
    }

    fn add(&mut self, load: Load, what: &str, speed: f64, least: Option<f64>) {
        let load = load.name();
        let verdict = least.map_or(Verdict::Open, |least| Verdict::of(speed >= least));
        let limit = least.map_or_else(String::new, |least| format!("≥ {}", least / 1e6));
        let decimals = if speed < 1e6 { 3 } else { 2 };
        let shown = format!("{:.decimals$}{}", speed / 1e6, verdict.mark());
        self.table
            .row([load.clone(), what.to_owned(), shown, limit]);
        self.judge(
            &format!("speed of {what}, {load}: {:.2} M/s", speed / 1e6),
            verdict,
        );
    }

    fn judge(&mut self, line: &str, verdict: Verdict) {
        if verdict == Verdict::Outside {
            self.outside.push(line.to_owned());
        }
    }
}

/// The best of several runs with each of `options`, in turns so that a busy machine slows all alike.
fn best<C: Controller>(
    load: Load,
    options: &[RunOptions],
    controller: impl Fn() -> C,
) -> anyhow::Result<Vec<f64>> {
    let scenario = load.scenario()?;
    let mut speeds = vec![0.0; options.len()];
    for _ in 0..RUNS {
        for (options, best) in options.iter().zip(&mut speeds) {
            let controllers = (0..load.flows).map(|_| controller()).collect();
            let start = processor_time();
            let outcome = run(&scenario, 1, controllers, options)?;
            let taken = processor_time().saturating_sub(start).as_secs_f64();
            *best = f64::max(*best, outcome.data_packets as f64 / taken);
        }
    }
    Ok(speeds)
}

/// The same with quinn-proto at both ends.
fn best_quinn(load: Load) -> anyhow::Result<f64> {
    let scenario = load.scenario()?.with_transport(QUIC)?;
    let mut best = 0.0;
    for _ in 0..RUNS {
        let flow = QuinnFlow {
            controller: QuinnController::Ours(by_name("newreno", QUIC.max_datagram_size(), 1)?),
            ecn: Ecn::NotEct,
            ..QuinnFlow::default()
        };
        let carrier: Carrier<BoxedController> = connection(flow, Timestamp::ZERO, 1)?.into();
        let start = processor_time();
        let outcome = run_carriers(&scenario, 1, vec![carrier], &RunOptions::default(), None)?;
        let taken = processor_time().saturating_sub(start).as_secs_f64();
        best = f64::max(best, outcome.data_packets as f64 / taken);
    }
    Ok(best)
}

/// Peak memory of a process of its own, whose earlier runs cannot hide anything.
fn peak_kib(seconds: u64) -> anyhow::Result<f64> {
    let mut command = Command::new(env::current_exe()?);
    let output = command.args(["--memory", &seconds.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| {
        format!(
            "expected a number of KiB, got `{text}`{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Runs 64 flows, then gives the most memory of this process so far, in KiB.
pub(crate) fn memory_of(seconds: u64) -> anyhow::Result<u64> {
    let load = Load {
        flows: 64,
        rate_mbps: 1000,
        seconds,
    };
    let controllers = (0..load.flows).map(|_| NewReno::new(MTU)).collect();
    run(&load.scenario()?, 1, controllers, &RunOptions::default())?;
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmHWM in /proc/self/status")?.parse()?)
}

const MTU: Bytes = Bytes::new(1500);
const RUNS: u32 = 5;
const ONE: Load = Load {
    flows: 1,
    rate_mbps: 100,
    seconds: 60,
};
const CROWD: Load = Load {
    flows: 64,
    rate_mbps: 1000,
    seconds: 10,
};
const MULTITUDE: Load = Load {
    flows: 4096,
    rate_mbps: 10_000,
    seconds: 4,
};
/// Measured elsewhere on this kind of machine; see the sources below the table.
const ANCHORS: &[(&str, &str)] = &[
    (
        "ns-3.37 without logging: 1 and 8 flows, 10 and 100 Mbit/s",
        "0.034–0.047",
    ),
    (
        "htsim: 1 flow at 100 Mbit/s, 64 flows over 1 Gbit/s",
        "4.1–4.4",
    ),
];
