//! `tautline sim`: scenarios through the simulator.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use rayon::prelude::*;
use tautline_netsim::scenario::ValidScenario;

use crate::controllers::Controllers;
use crate::exit::Exit;
use crate::model::CertifiedArgs;
use crate::output::{self, JsonArgs};
use crate::plot::Format;
use crate::{files, interrupt, progress};

mod cells;
mod csv;
mod figures;
mod folder;
mod inputs;
mod job;
mod lock;
mod matrix;
mod notes;
mod recording;
mod results;
mod table;
mod written;

use cells::Base;
use folder::Folder;
use job::{Job, Keep, jobs};
use lock::Lock;
use recording::{MOST_LOGGED_FLOWS, Recorders, Recording, Subject};
use results::{Results, Run};
use written::{CELLS, PCAP, QLOG, Written};

/// Run scenarios in the packet-level simulator and compare controllers.
///
/// Every scenario, and every cell of a scenario's sweep, runs once per controller and seed, on all
/// cores; equal arguments give equal figures, whatever the number of threads. Without
/// --controllers, the controllers named in the files are used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline sim scenarios/fixed.toml --controllers cubic,newreno --seeds 3\n  \
    tautline sim scenarios/sweep.toml --controllers cubic,bbr --seeds 10 --out results\n  \
    tautline sim scenarios/sweep.toml --controllers cubic,bbr --seeds 10 --out results --resume\n  \
    tautline sim scenarios/two-flows.toml --out results --pcap --qlog\n  \
    tautline sim scenarios/*.toml --controllers certified,cubic --model model.tlm \
    --certificate certificate.tlc --json results.json\n\n\
    docs/output.md describes every file and field.\n\n\
    Exit codes: 0 all ran · 1 the certificate was rejected · 2 wrong usage, or input or output \
    failed · 130 interrupted")]
pub(crate) struct Args {
    /// Scenario files (TOML: links, flows, duration)
    #[arg(required = true, value_name = "FILE")]
    scenarios: Vec<PathBuf>,
    /// Controllers that every flow gets in turn: newreno, cubic, bbr, copa, vegas, prague,
    /// fixed:BYTES, certified; in flows over quinn also quinn-cubic, quinn-newreno, quinn-bbr, in
    /// those over smoltcp also smoltcp-reno, smoltcp-cubic, smoltcp-none
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    controllers: Vec<String>,
    /// Run each with the seeds 1 to N
    #[arg(long, default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// Write tables, timelines and plots into DIR, and keep every finished run there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take the runs that an earlier call finished in DIR, where nothing they depend on changed
    #[arg(long, requires = "out")]
    resume: bool,
    /// Formats of the plots in DIR/plots: svg, png (both by default), or none
    #[arg(long, value_delimiter = ',', value_name = "A,B", requires = "out")]
    plots: Vec<PlotFormat>,
    /// Write a packet capture of every run into DIR/pcap, for Wireshark
    #[arg(long, requires = "out")]
    pcap: bool,
    /// Write an event log of every run and flow into DIR/qlog
    #[arg(long, requires = "out")]
    qlog: bool,
    /// Run at most N at the same time; all cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    #[command(flatten)]
    certified: CertifiedArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `--plots` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PlotFormat {
    Svg,
    Png,
    None,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let formats = formats(&args.plots)?;
    inputs::check_distinct(&args.controllers)?;
    let scenarios = inputs::scenarios(&args.scenarios)?;
    let jobs = jobs(&scenarios, &args.controllers, args.seeds);
    let controllers = Controllers::load(&args.certified)?;
    for job in jobs.iter().filter(|job| job.seed == 1) {
        job.check(&controllers)?;
    }
    check_places(args, &scenarios)?;
    let folder = args.out.as_deref();
    let _lock = folder.map(Lock::take).transpose()?;
    let folder = folder.map(|path| open_folder(args, path, &jobs));
    let folder = folder.transpose()?;
    if args.qlog && jobs.iter().any(|job| job.flows() > MOST_LOGGED_FLOWS) {
        output::note(&format!(
            "qlog: the first {MOST_LOGGED_FLOWS} flows of each run"
        ));
    }
    let work = Work {
        jobs: &jobs,
        controllers: &controllers,
        folder: folder.as_ref(),
        recorders: recorders(args)?,
        resume: args.resume,
    };
    let threads = args.jobs.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.context("cannot start threads")?;
    let runs = pool.install(|| work.run())?;
    let matrix = matrix::rows(&runs);
    let results = Results { runs, matrix };
    if let Some(folder) = &folder {
        let written = folder.write(&results);
        let written = written.and_then(|()| folder.plot(&results, &formats));
        written.map_err(|error| {
            if error.downcast_ref::<interrupt::Interrupted>().is_some() {
                let what = "all runs are finished and kept; the same command with --resume writes \
                    the files that are missing";
                return error.context(what);
            }
            error
        })?;
    }
    notes::failures(&results.runs);
    notes::idle_seeds(&results.runs);
    let shown = if args.seeds > 1 {
        matrix::table(&results.matrix)
    } else {
        table::table(&results.runs)
    };
    args.json.finish(&results, &shown)?;
    Ok(Exit::Accepted)
}

fn formats(plots: &[PlotFormat]) -> anyhow::Result<Vec<Format>> {
    let none = plots.contains(&PlotFormat::None);
    anyhow::ensure!(
        !none || plots.len() == 1,
        "--plots: expected `svg`, `png`, both, or `none` alone"
    );
    let asked = |format| plots.is_empty() || plots.contains(&format);
    let both = [
        (PlotFormat::Svg, Format::Svg),
        (PlotFormat::Png, Format::Png),
    ];
    let formats = both.into_iter().filter(|&(name, _)| asked(name));
    Ok(formats.map(|(_, format)| format).collect())
}

/// Fails where a result could not be written after the work, or would replace an input or another
/// result.
fn check_places(args: &Args, scenarios: &[ValidScenario]) -> anyhow::Result<()> {
    let mut written: Vec<PathBuf> = args.json.path().map(Path::to_owned).into_iter().collect();
    if let Some(folder) = &args.out {
        files::create_folder(folder)?;
        written.extend(folder::outputs(folder));
    }
    let written: Vec<&Path> = written.iter().map(PathBuf::as_path).collect();
    let mut inputs = args.certified.inputs();
    inputs.extend(args.scenarios.iter().map(PathBuf::as_path));
    inputs.extend(inputs::traces(scenarios));
    files::check_apart(&written, &inputs)?;
    for output in written {
        files::check_writable(output)?;
    }
    Ok(())
}

fn open_folder(args: &Args, path: &Path, jobs: &[Job<'_>]) -> anyhow::Result<Folder> {
    let base = Base::new(&args.certified.inputs())?;
    let keys = jobs.iter().map(|job| {
        interrupt::check()?;
        base.key(&job.scenario(), job.seed, &job.controller)
    });
    let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
    let folder = Folder::open(path, jobs, keys)?;
    if !args.resume {
        folder.clear()?;
    }
    Ok(folder)
}

fn recorders(args: &Args) -> anyhow::Result<Recorders> {
    let folder = |name: &str| args.out.as_ref().map(|folder| folder.join(name));
    Recorders::open(
        folder(PCAP).filter(|_| args.pcap),
        folder(QLOG).filter(|_| args.qlog),
        folder(CELLS).unwrap_or_default(),
        Written::of(args.out.clone().unwrap_or_default()),
    )
}

/// All runs of one call.
struct Work<'a> {
    jobs: &'a [Job<'a>],
    controllers: &'a Controllers,
    folder: Option<&'a Folder>,
    recorders: Recorders,
    resume: bool,
}

impl Work<'_> {
    /// The runs in the order of the jobs, on all threads of the pool.
    fn run(&self) -> anyhow::Result<Vec<Run>> {
        let bar = progress::bar(self.jobs.len() as u64, "simulating");
        let (finished, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let runs = (0..self.jobs.len()).into_par_iter().map(|at| {
            interrupt::check()?;
            let run = if let Some(run) = self.earlier(at) {
                taken.fetch_add(1, Ordering::Relaxed);
                run
            } else {
                self.run_one(at)?
            };
            finished.fetch_add(1, Ordering::Relaxed);
            bar.inc(1);
            Ok(run)
        });
        let runs = runs.collect::<anyhow::Result<Vec<_>>>();
        bar.finish_and_clear();
        let (finished, taken) = (finished.into_inner(), taken.into_inner());
        let all = self.jobs.len();
        if self.resume {
            output::note(&format!(
                "{taken} of {all} runs were finished by an earlier call"
            ));
        }
        runs.map_err(|error| {
            if self.folder.is_none() {
                return error;
            }
            error.context(format!(
                "{finished} of {all} runs are finished and kept; the same command with --resume \
                 does the others"
            ))
        })
    }

    /// The run number `at` as an earlier call left it, with all that is to be recorded of it.
    fn earlier(&self, at: usize) -> Option<Run> {
        let folder = self.folder.filter(|_| self.resume)?;
        if !self.recorders.are_complete(self.subject(folder, at)) {
            return None;
        }
        Some(folder.cells.load(&folder.keys[at])?.run)
    }

    fn subject<'f>(&self, folder: &'f Folder, at: usize) -> Subject<'f> {
        Subject {
            stem: &folder.stems[at],
            key: &folder.keys[at],
            flows: self.jobs[at].flows(),
        }
    }

    fn run_one(&self, at: usize) -> anyhow::Result<Run> {
        let job = &self.jobs[at];
        let Some(folder) = self.folder else {
            let done = job.run(self.controllers, Keep::Figures, Recording::default())?;
            return Ok(done.run);
        };
        let subject = self.subject(folder, at);
        let recording = self.recorders.start(subject, &job.scenario(), job.seed)?;
        let done = job.run(self.controllers, Keep::Course, recording)?;
        folder.cells.store(&folder.keys[at], &done)?;
        Ok(done.run)
    }
}
