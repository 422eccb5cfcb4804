//! `tautline sim`: scenarios through the simulator.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::report::Timeline;
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::{self, Outcome, RunOptions};

use crate::controllers::Controllers;
use crate::exit::Exit;
use crate::model::CertifiedArgs;
use crate::output::{JsonArgs, Table};
use crate::{clock, files, interrupt, output, progress};

/// Run scenarios in the packet-level simulator and compare controllers.
///
/// Every scenario runs once per controller and seed, on all cores; equal arguments give equal
/// figures. Without --controllers, the controllers named in the files are used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline sim scenarios/fixed.toml --controllers cubic,newreno --seeds 3\n  \
    tautline sim scenarios/*.toml --controllers certified,cubic --model model.tlm \
    --certificate certificate.tlc --json results.json\n\n\
    Exit codes: 0 all ran · 1 the certificate was rejected · 2 wrong usage, or input or output \
    failed")]
pub(crate) struct Args {
    /// Scenario files (TOML: links, flows, duration)
    #[arg(required = true, value_name = "FILE")]
    scenarios: Vec<PathBuf>,
    /// Controllers that every flow gets in turn: newreno, cubic, copa, vegas, prague, fixed:BYTES,
    /// certified
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    controllers: Vec<String>,
    /// Run each with the seeds 1 to N
    #[arg(long, default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// Write runs.json, runs.csv and timelines.csv into DIR
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    certified: CertifiedArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// One run to do.
struct Job<'a> {
    scenario: &'a ValidScenario,
    controller: String,
    /// Every flow keeps the controller that the file names.
    as_written: bool,
    seed: u64,
}

/// Everything that is written as JSON.
#[derive(Serialize)]
struct Results {
    runs: Vec<Run>,
}

/// One run as reported.
#[derive(Serialize)]
struct Run {
    scenario: String,
    controller: String,
    seed: u64,
    duration_s: f64,
    cpu_s: f64,
    data_packets: u64,
    flows: Vec<Flow>,
    link: Link,
    jain: f64,
    /// Fingerprint of every departure, delivery, drop and acknowledgement.
    digest: String,
    #[serde(skip)]
    timeline: Option<Timeline>,
}

#[derive(Serialize)]
struct Flow {
    controller: String,
    goodput_mbps: f64,
    loss: f64,
    rtt_mean_ms: f64,
    decisions: u64,
    certified_decisions: u64,
    guard_interventions: u64,
}

#[derive(Serialize)]
struct Link {
    utilisation: f64,
    queue_delay_mean_ms: f64,
    queue_delay_p95_ms: f64,
    loss: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let scenarios = args.scenarios.iter().map(|path| read_scenario(path));
    let scenarios = scenarios.collect::<anyhow::Result<Vec<_>>>()?;
    let jobs = jobs(args, &scenarios);
    let names = jobs.iter().flat_map(Job::controller_names);
    let controllers = Controllers::load(&args.certified, names)?;
    let places = args.out.as_deref().map(Places::in_folder);
    check_places(args, places.as_ref())?;
    let bar = progress::bar(jobs.len() as u64, "simulating");
    let keep_timelines = args.out.is_some();
    let runs = jobs.par_iter().map(|job| {
        interrupt::check()?;
        let run = job.run(&controllers, keep_timelines)?;
        bar.inc(1);
        Ok(run)
    });
    let runs = runs.collect::<anyhow::Result<Vec<_>>>();
    bar.finish_and_clear();
    let results = Results { runs: runs? };
    if let Some(places) = &places {
        write_folder(places, &results)?;
    }
    args.json.finish(&results, &table(&results))?;
    Ok(Exit::Accepted)
}

/// The files of a results folder.
struct Places {
    folder: PathBuf,
    json: PathBuf,
    runs: PathBuf,
    timelines: PathBuf,
}

impl Places {
    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            json: folder.join("runs.json"),
            runs: folder.join("runs.csv"),
            timelines: folder.join("timelines.csv"),
        }
    }
}

/// Fails where a result could not be written after the work, or would replace an input or another
/// result.
fn check_places(args: &Args, places: Option<&Places>) -> anyhow::Result<()> {
    let mut outputs: Vec<_> = args.json.path().into_iter().collect();
    if let Some(places) = places {
        files::create_folder(&places.folder)?;
        outputs.extend([&*places.json, &*places.runs, &*places.timelines]);
    }
    let mut inputs = args.certified.inputs();
    inputs.extend(args.scenarios.iter().map(PathBuf::as_path));
    files::check_apart(&outputs, &inputs)?;
    for output in outputs {
        files::check_writable(output)?;
    }
    Ok(())
}

fn read_scenario(path: &Path) -> anyhow::Result<ValidScenario> {
    let text = files::read_text("scenario", path)?;
    let scenario = ValidScenario::from_toml(&text, &path.display().to_string())?;
    if !scenario.name().is_empty() {
        return Ok(scenario);
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(scenario.named(stem.into_owned()))
}

fn jobs<'a>(args: &Args, scenarios: &'a [ValidScenario]) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for scenario in scenarios {
        let as_written = [label(scenario)];
        let controllers = if args.controllers.is_empty() {
            &as_written[..]
        } else {
            &args.controllers[..]
        };
        for controller in controllers {
            jobs.extend((1..=args.seeds).map(|seed| Job {
                scenario,
                controller: controller.clone(),
                as_written: args.controllers.is_empty(),
                seed,
            }));
        }
    }
    jobs
}

/// The distinct controllers of a scenario's flows, in order of appearance: `cubic+newreno`.
fn label(scenario: &ValidScenario) -> String {
    let mut names: Vec<&str> = Vec::new();
    for flow in scenario.flows() {
        if !names.contains(&flow.controller.as_str()) {
            names.push(&flow.controller);
        }
    }
    names.join("+")
}

impl Job<'_> {
    /// What its flows need.
    fn controller_names(&self) -> Vec<&str> {
        if self.as_written {
            let flows = self.scenario.flows().iter();
            flows.map(|flow| flow.controller.as_str()).collect()
        } else {
            vec![&self.controller]
        }
    }

    fn run(&self, controllers: &Controllers, keep_timeline: bool) -> anyhow::Result<Run> {
        let scenario = if self.as_written {
            self.scenario.clone()
        } else {
            self.scenario.clone().with_controller(&self.controller)
        };
        let datagram = Bytes::new(scenario.transport().mtu_bytes.into());
        let flows = scenario.flows().iter();
        let made = flows.map(|flow| controllers.make(&flow.controller, datagram, self.seed));
        let made = made.collect::<anyhow::Result<Vec<_>>>()?;
        let options = if keep_timeline {
            RunOptions::default().with_timeline(TIMELINE_BIN)
        } else {
            RunOptions::default()
        };
        let started = clock::processor_time();
        let outcome = sim::run(&scenario, self.seed, made, &options)?;
        let cpu = clock::processor_time().saturating_sub(started);
        Ok(self.report(&scenario, outcome, cpu))
    }

    fn report(
        &self,
        scenario: &ValidScenario,
        outcome: Outcome<BoxedController>,
        cpu: Duration,
    ) -> Run {
        let flows = outcome.flows.iter().map(|flow| Flow {
            controller: flow.controller.clone(),
            goodput_mbps: flow.goodput_mbps,
            loss: flow.loss,
            rtt_mean_ms: flow.rtt_mean_ms,
            decisions: flow.counters.decisions,
            certified_decisions: flow.counters.certified_decisions,
            guard_interventions: flow.counters.guard_interventions,
        });
        let link = &outcome.link;
        Run {
            scenario: scenario.name().to_owned(),
            controller: self.controller.clone(),
            seed: self.seed,
            duration_s: scenario.duration().as_secs_f64(),
            cpu_s: cpu.as_secs_f64(),
            data_packets: outcome.data_packets,
            flows: flows.collect(),
            link: Link {
                utilisation: link.utilisation,
                queue_delay_mean_ms: link.queue_delay_mean_ms,
                queue_delay_p95_ms: link.queue_delay_p95_ms,
                loss: link.loss,
            },
            jain: link.jain,
            digest: format!("{:016x}", outcome.digest),
            timeline: outcome.timeline,
        }
    }
}

impl Run {
    fn goodput_mbps(&self) -> f64 {
        self.flows.iter().map(|flow| flow.goodput_mbps).sum()
    }
}

fn table(results: &Results) -> String {
    let header = [
        "scenario",
        "controller",
        "seed",
        "flows",
        "goodput Mbit/s",
        "utilisation",
        "queue mean ms",
        "queue p95 ms",
        "loss",
        "Jain",
    ];
    let mut table = Table::new(2, header);
    for run in &results.runs {
        table.row([
            run.scenario.clone(),
            run.controller.clone(),
            run.seed.to_string(),
            run.flows.len().to_string(),
            format!("{:.2}", run.goodput_mbps()),
            format!("{:.1} %", 100.0 * run.link.utilisation),
            format!("{:.1}", run.link.queue_delay_mean_ms),
            format!("{:.1}", run.link.queue_delay_p95_ms),
            format!("{:.2} %", 100.0 * run.link.loss),
            format!("{:.3}", run.jain),
        ]);
    }
    table.to_string()
}

fn write_folder(places: &Places, results: &Results) -> anyhow::Result<()> {
    output::JsonTarget::File(places.json.clone()).write(results)?;
    let mut runs = "scenario,controller,seed,duration_s,data_packets,flows,goodput_mbps,\
        utilisation,queue_delay_mean_ms,queue_delay_p95_ms,loss,jain,digest\n"
        .to_owned();
    let mut timelines = "scenario,controller,seed,flow,at_s,goodput_mbps,window_bytes,\
        queue_delay_mean_ms,drops,capacity_mbps\n"
        .to_owned();
    for run in &results.runs {
        let (name, link) = (quoted(&run.scenario), &run.link);
        writeln!(
            runs,
            "{name},{},{},{},{},{},{},{},{},{},{},{},{}",
            quoted(&run.controller),
            run.seed,
            run.duration_s,
            run.data_packets,
            run.flows.len(),
            run.goodput_mbps(),
            link.utilisation,
            link.queue_delay_mean_ms,
            link.queue_delay_p95_ms,
            link.loss,
            run.jain,
            run.digest,
        )?;
        if let Some(timeline) = &run.timeline {
            let key = format!("{name},{},{}", quoted(&run.controller), run.seed);
            write_timeline(&mut timelines, &key, timeline)?;
        }
    }
    files::write(&places.runs, runs.as_bytes())?;
    files::write(&places.timelines, timelines.as_bytes())?;
    Ok(())
}

fn write_timeline(text: &mut String, key: &str, timeline: &Timeline) -> std::fmt::Result {
    for (number, flow) in timeline.flows.iter().enumerate() {
        let bins = flow.goodput_mbps.iter().zip(&flow.window_bytes);
        let bins = bins.zip(&timeline.queue_delay_mean_ms).zip(&timeline.drops);
        let bins = bins.zip(&timeline.capacity_mbps).enumerate();
        for (bin, ((((goodput, window), delay), drops), capacity)) in bins {
            let at_s = timeline.bin.as_secs_f64() * bin as f64;
            writeln!(
                text,
                "{key},{number},{at_s:.3},{goodput:.6},{window},{delay:.6},{drops},{capacity:.6}"
            )?;
        }
    }
    Ok(())
}

/// A CSV field (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

const TIMELINE_BIN: Duration = Duration::from_millis(100);
