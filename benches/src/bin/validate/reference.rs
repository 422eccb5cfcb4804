//! What the kernel and ns-3 did on the reference dumbbells.
//!
//! The measurements are no part of this repository; where they are absent, ours stand alone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::root;
use crate::table::{mean, span};

/// A bottleneck of the reference and its number of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dumbbell {
    pub(crate) rate_mbps: u32,
    pub(crate) flows: u32,
}

/// In the order of the tables.
pub(crate) const DUMBBELLS: [Dumbbell; 4] = [
    Dumbbell {
        rate_mbps: 10,
        flows: 1,
    },
    Dumbbell {
        rate_mbps: 10,
        flows: 8,
    },
    Dumbbell {
        rate_mbps: 100,
        flows: 1,
    },
    Dumbbell {
        rate_mbps: 100,
        flows: 8,
    },
];

/// What measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Linux 6.18 over an emulated dumbbell.
    Kernel,
    Ns337,
    Ns344,
}

/// Figures from 10 s to 60 s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) goodput_mbps: f64,
    pub(crate) delay_ms: f64,
    pub(crate) delay_p95_ms: f64,
    /// In percent.
    pub(crate) loss: f64,
    pub(crate) jain: f64,
}

#[derive(Clone, Debug)]
struct Run {
    source: Source,
    algorithm: String,
    dumbbell: Dumbbell,
    figures: Figures,
}

/// All runs that may be compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    runs: Vec<Run>,
}

impl References {
    /// Those in `$TAUTLINE_SHARED_DATA/reference`, or `../shared/data/reference` beside the
    /// workspace; none where that folder does not exist.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let folder = env::var_os("TAUTLINE_SHARED_DATA")
            .map_or_else(|| root().join("../shared/data"), PathBuf::from)
            .join("reference");
        let mut runs = Vec::new();
        if folder.is_dir() {
            for (file, source) in FILES {
                let path = folder.join(file);
                let read =
                    || -> anyhow::Result<Vec<Run>> { parse(&fs::read_to_string(&path)?, source) };
                runs.extend(read().with_context(|| path.display().to_string())?);
            }
        }
        Ok(Self { runs })
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.runs.is_empty()
    }

    /// Means over the kernel's runs.
    pub(crate) fn kernel(&self, controller: &str, dumbbell: Dumbbell) -> Option<Figures> {
        let runs = self.of(controller, dumbbell, &[Source::Kernel]);
        let mean = |figure: fn(&Figures) -> f64| mean(&runs.iter().map(figure).collect::<Vec<_>>());
        (!runs.is_empty()).then(|| Figures {
            goodput_mbps: mean(|run| run.goodput_mbps),
            delay_ms: mean(|run| run.delay_ms),
            delay_p95_ms: mean(|run| run.delay_p95_ms),
            loss: mean(|run| run.loss),
            jain: mean(|run| run.jain),
        })
    }

    /// Smallest and largest of a figure over the runs of `sources`.
    pub(crate) fn band(
        &self,
        controller: &str,
        dumbbell: Dumbbell,
        sources: &[Source],
        figure: impl Fn(&Figures) -> f64,
    ) -> Option<[f64; 2]> {
        span(self.of(controller, dumbbell, sources).iter().map(figure))
    }

    fn of(&self, controller: &str, dumbbell: Dumbbell, sources: &[Source]) -> Vec<Figures> {
        let same = algorithms(controller);
        let fits = |run: &&Run| {
            run.dumbbell == dumbbell
                && sources.contains(&run.source)
                && same.contains(&run.algorithm.as_str())
        };
        self.runs
            .iter()
            .filter(fits)
            .map(|run| run.figures)
            .collect()
    }
}

/// What others call our controllers.
fn algorithms(controller: &str) -> &'static [&'static str] {
    match controller {
        "newreno" => &["reno", "TcpNewReno", "TcpLinuxReno"],
        "cubic" => &["cubic", "TcpCubic"],
        "bbr" => &["bbr", "TcpBbr"],
        _ => &[],
    }
}

/// Runs with an acknowledgement per two segments, as ours; ns-3 was also run with one per segment.
fn parse(text: &str, source: Source) -> anyhow::Result<Vec<Run>> {
    let mut lines = text.lines().enumerate();
    let (_, head) = lines
        .next()
        .context("line 1: expected names of columns, got nothing")?;
    let names: Vec<&str> = head.split(',').collect();
    let mut runs = Vec::new();
    for (number, line) in lines {
        let row = Row {
            names: &names,
            cells: line.split(',').collect(),
        };
        let run = row
            .run(source)
            .with_context(|| format!("line {}", number + 1))?;
        runs.extend(run);
    }
    Ok(runs)
}

struct Row<'a> {
    names: &'a [&'a str],
    cells: Vec<&'a str>,
}

impl Row<'_> {
    /// None where acknowledgements came as ours do not.
    fn run(&self, source: Source) -> anyhow::Result<Option<Run>> {
        let algorithm = match source {
            Source::Kernel => self.cell("cc")?,
            Source::Ns337 | Source::Ns344 => self.cell("algo")?,
        };
        if source != Source::Kernel && self.cell("delack")? != "2" {
            return Ok(None);
        }
        Ok(Some(Run {
            source,
            algorithm: algorithm.to_owned(),
            dumbbell: Dumbbell {
                rate_mbps: self.number("rate")? as u32,
                flows: self.number("n")? as u32,
            },
            figures: Figures {
                goodput_mbps: self.number("goodput_10_60_mbps")?,
                delay_ms: self.number("qdelay_mean_10_60_ms")?,
                delay_p95_ms: self.number("qdelay_p95_10_60_ms")?,
                loss: self.number("loss_pct_10_60")?,
                jain: self.number("jain_10_60")?,
            },
        }))
    }

    fn number(&self, name: &str) -> anyhow::Result<f64> {
        let cell = self.cell(name)?;
        match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => bail!("column `{name}`: expected a number, got `{cell}`"),
        }
    }

    fn cell(&self, name: &str) -> anyhow::Result<&str> {
        let place = self.names.iter().position(|&found| found == name);
        let cell = place.and_then(|place| self.cells.get(place));
        cell.copied()
            .with_context(|| format!("expected a column `{name}`, got none"))
    }
}

const FILES: [(&str, Source); 3] = [
    ("kernel-6.18.csv", Source::Kernel),
    ("ns3.37.csv", Source::Ns337),
    ("ns3.44.csv", Source::Ns344),
];

/// The file of a dumbbell, relative to the workspace.
pub(crate) fn file_of(dumbbell: Dumbbell) -> PathBuf {
    let Dumbbell { rate_mbps, flows } = dumbbell;
    Path::new("scenarios/reference").join(format!("{rate_mbps}mbps-{flows}flow.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "algo,rate,n,delack,goodput_10_60_mbps,jain_10_60,qdelay_mean_10_60_ms,\
                        qdelay_p95_10_60_ms,loss_pct_10_60\n";

    #[test]
    fn runs_are_found_by_controller_and_acknowledgements() {
        let text =
            format!("{HEAD}TcpCubic,10,1,2,9.6,1,30,39,0.04\nTcpCubic,10,1,1,9.7,1,31,39,0.05\n");
        let runs = parse(&text, Source::Ns337).unwrap();
        let references = References { runs };
        let band = |sources: &[Source]| {
            references.band("cubic", DUMBBELLS[0], sources, |run| run.goodput_mbps)
        };
        assert_eq!(band(&[Source::Ns337]), Some([9.6, 9.6]));
        assert_eq!(band(&[Source::Kernel]), None);
        assert_eq!(references.kernel("cubic", DUMBBELLS[0]), None);
    }

    #[test]
    fn a_broken_cell_names_line_and_column() {
        let text = format!("{HEAD}TcpCubic,10,x,2,9.6,1,30,39,0.04\n");
        let error = format!("{:#}", parse(&text, Source::Ns344).unwrap_err());
        assert_eq!(error, "line 2: column `n`: expected a number, got `x`");
        let error = format!(
            "{:#}",
            parse("algo\nTcpCubic\n", Source::Ns344).unwrap_err()
        );
        assert_eq!(error, "line 2: expected a column `delack`, got none");
    }
}
