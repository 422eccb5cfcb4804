//! The folder with results.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::cells::Cells;
use super::job::Job;
use super::lock::LOCK;
use super::results::{Detailed, Results};
use super::written::{CELLS, PCAP, PLOTS, QLOG, Written};
use super::{csv, figures};
use crate::files::{self, Staged};
use crate::output::{self, JsonTarget};
use crate::plot::{Chart, Format};
use crate::{interrupt, progress};

/// The files of a results folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    pub(super) cells: Cells,
    /// The digest of each run.
    pub(super) keys: Vec<String>,
    /// What each run's own files are called.
    pub(super) stems: Vec<String>,
    written: Written,
}

/// Names of the files that every call writes.
const FILES: [&str; 7] = [
    "runs.json",
    "runs.csv",
    "flows.csv",
    "applications.csv",
    "links.csv",
    "matrix.csv",
    "timelines.csv",
];

/// The files that would be written into `folder`.
pub(super) fn outputs(folder: &Path) -> Vec<PathBuf> {
    let names = FILES.iter().chain([&LOCK]);
    names.map(|name| folder.join(name)).collect()
}

impl Folder {
    /// Where the runs of `jobs`, whose digests are `keys`, are kept.
    pub(super) fn open(path: &Path, jobs: &[Job<'_>], keys: Vec<String>) -> anyhow::Result<Self> {
        Ok(Self {
            cells: Cells::open(path.join(CELLS))?,
            stems: stems(jobs, &keys),
            written: Written::of(path.to_owned()),
            path: path.to_owned(),
            keys,
        })
    }

    /// Removes the cells, charts, captures and logs of earlier calls; other files stay.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        self.cells.clear()?;
        self.written.remove(&[PLOTS, PCAP, QLOG, CELLS])
    }

    /// Writes everything but the charts.
    pub(super) fn write(&self, results: &Results) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| files::write(&self.path.join(name), text.as_bytes());
        JsonTarget::File(self.path.join("runs.json")).write(results)?;
        write("runs.csv", &csv::runs(&results.runs)?)?;
        write("flows.csv", &csv::flows(&results.runs)?)?;
        write("applications.csv", &csv::applications(&results.runs)?)?;
        write("links.csv", &csv::links(&results.runs)?)?;
        write("matrix.csv", &csv::matrix(&results.matrix)?)?;
        let path = self.path.join("timelines.csv");
        let failed = || format!("cannot write {}", path.display());
        let mut timelines = Staged::create(&path)?;
        timelines
            .write_all(csv::TIMELINE_HEADER.as_bytes())
            .with_context(failed)?;
        for at in 0..results.runs.len() {
            interrupt::check()?;
            let Detailed { run, course } = self.detailed(at)?;
            if let Some(course) = course {
                let rows = csv::timeline(run.name(), &course)?;
                timelines.write_all(rows.as_bytes()).with_context(failed)?;
            }
        }
        Ok(timelines.finish()?)
    }

    /// The run number `at` with its course.
    fn detailed(&self, at: usize) -> anyhow::Result<Detailed> {
        let key = self.keys.get(at).map_or("", String::as_str);
        self.cells.load(key).with_context(|| {
            let cells = self.path.join("cells");
            format!(
                "{} changed while its results were collected",
                cells.display()
            )
        })
    }

    /// Draws the charts of `results` into `plots/` in place of earlier ones, which are not of
    /// these results.
    pub(super) fn plot(&self, results: &Results, formats: &[Format]) -> anyhow::Result<()> {
        self.written.remove(&[PLOTS])?;
        if formats.is_empty() {
            return Ok(());
        }
        let plots = Plots {
            folder: self.path.join(PLOTS),
            formats,
            written: &self.written,
        };
        files::create_folder(&plots.folder)?;
        // One seed of each: the others look alike.
        let first = results.runs.first().map_or(1, |run| run.seed);
        let shown: Vec<usize> = (0..results.runs.len())
            .filter(|&at| results.runs[at].seed == first)
            .collect();
        let scenarios =
            shown.chunk_by(|&a, &b| results.runs[a].scenario == results.runs[b].scenario);
        let scenarios: Vec<&[usize]> = scenarios.collect();
        let bar = progress::bar(shown.len() as u64, "plotting");
        let mut drawn = 0;
        for &group in scenarios.iter().take(MOST_SCENARIOS) {
            interrupt::check()?;
            let runs = group.iter().map(|&at| self.detailed(at));
            let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
            for (detailed, &at) in runs.iter().zip(group) {
                if let Some(course) = detailed.course.as_ref().filter(|_| drawn < MOST_COURSES) {
                    let chart = figures::course(&detailed.run, course);
                    plots.write(&format!("{}-timeline", self.stems[at]), &chart)?;
                    drawn += 1;
                }
                bar.inc(1);
            }
            self.plot_scenario(&plots, results, (group[0], &runs))?;
        }
        bar.finish_and_clear();
        if results.matrix.len() > 1 {
            let rows: Vec<_> = results.matrix.iter().collect();
            let title = match scenarios.len() {
                1 => format!("{}: delay and utilisation", results.matrix[0].scenario),
                _ => "All scenarios: delay and utilisation".to_owned(),
            };
            let chart = figures::trade_off(&title, &rows);
            plots.write("trade-off", &chart)?;
        }
        let all = results.runs.len();
        if drawn < all {
            output::note(&format!(
                "plots: timelines of {drawn} of {all} runs (seed {first} only, at most \
                 {MOST_COURSES}); timelines.csv has them all"
            ));
        }
        if scenarios.len() > MOST_SCENARIOS {
            output::note(&format!(
                "plots: distributions of the first {MOST_SCENARIOS} of {} scenarios",
                scenarios.len()
            ));
        }
        Ok(())
    }

    /// What compares the controllers in one scenario, whose first run is number `at`.
    fn plot_scenario(
        &self,
        plots: &Plots<'_>,
        results: &Results,
        (at, runs): (usize, &[Detailed]),
    ) -> anyhow::Result<()> {
        let Some(scenario) = runs.first().map(|detailed| detailed.run.scenario.as_str()) else {
            return Ok(());
        };
        // The same name for every controller, and another one for every scenario.
        let stem = self.stems[at].as_str();
        if let Some(chart) = figures::delay_distribution(scenario, runs) {
            plots.write(&format!("{stem}-delay-distribution"), &chart)?;
        }
        if let Some(chart) = figures::fairness(scenario, runs) {
            plots.write(&format!("{stem}-fairness"), &chart)?;
        }
        let rows = results.matrix.iter().filter(|row| row.scenario == scenario);
        let rows: Vec<_> = rows.collect();
        if rows.len() > 1 && rows.len() < results.matrix.len() {
            let title = format!("{scenario}: delay and utilisation");
            let chart = figures::trade_off(&title, &rows);
            plots.write(&format!("{stem}-trade-off"), &chart)?;
        }
        Ok(())
    }
}

/// Where charts go.
struct Plots<'a> {
    folder: PathBuf,
    formats: &'a [Format],
    written: &'a Written,
}

impl Plots<'_> {
    fn write(&self, name: &str, chart: &Chart) -> anyhow::Result<()> {
        for format in self.formats {
            let file = format!("{name}.{}", format.extension());
            let path = self.folder.join(&file);
            self.written.add(PLOTS, [file])?;
            files::write(&path, &format.render(chart)?)?;
        }
        Ok(())
    }
}

/// `SCENARIO-CONTROLLER-SEED` in letters that every file system takes; runs that would share a
/// name have a part of their digest behind it.
fn stems(jobs: &[Job<'_>], keys: &[String]) -> Vec<String> {
    let plain = |text: &str| -> String {
        let kept = |letter: char| {
            let plain = letter.is_ascii_alphanumeric() || "._+=,".contains(letter);
            if plain { letter } else { '-' }
        };
        text.chars().map(kept).take(LONGEST_NAME).collect()
    };
    let stem = |job: &Job<'_>| {
        let name = job.name();
        let (scenario, controller) = (plain(name.scenario), plain(name.controller));
        format!("{scenario}-{controller}-{}", name.seed)
    };
    let names: Vec<String> = jobs.iter().map(stem).collect();
    let mut once = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for name in &names {
        // Names that differ in case only are one on some systems.
        if !once.insert(name.to_lowercase()) {
            twice.insert(name.to_lowercase());
        }
    }
    let unique = names.into_iter().zip(keys).map(|(name, key)| {
        if twice.contains(&name.to_lowercase()) {
            format!("{name}-{}", key.get(..8).unwrap_or(key))
        } else {
            name
        }
    });
    unique.collect()
}

const LONGEST_NAME: usize = 80;
const MOST_COURSES: usize = 24;
const MOST_SCENARIOS: usize = 24;
