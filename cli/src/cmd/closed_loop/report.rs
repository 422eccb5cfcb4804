//! What a search for closed-loop proofs says: tables, reasons, JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tautline_abstract_interp::closed_loop::{Failure, LoopResult, Settled, Trouble};
use tautline_certificates::closed_loop::{LoopClaim, Slice};

use crate::output::Table;
use crate::words;

/// The result as JSON.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) model: PathBuf,
    pub(super) model_digest: String,
    pub(super) certificate: Option<PathBuf>,
    pub(super) certificate_digest: Option<String>,
    pub(super) certificate_bytes: Option<usize>,
    pub(super) holds: bool,
    pub(super) claims: Vec<ClaimReport>,
}

/// One claim with its verdict.
#[derive(Serialize)]
pub(super) struct ClaimReport {
    name: String,
    says: String,
    given: String,
    /// What is assumed beside A1 to A5 of docs/closed-loop.md.
    assumes: &'static [&'static str],
    then: String,
    /// `holds` or `unknown`: that no ranks are found is no proof that the loop misbehaves.
    verdict: &'static str,
    slices: Vec<SliceReport>,
    failures: Vec<FailureReport>,
}

#[derive(Serialize)]
struct SliceReport {
    log_bdp: String,
    buffer: String,
    cells: usize,
    #[serde(flatten)]
    settled: Figures,
}

#[derive(Serialize)]
struct FailureReport {
    slice: SliceReport,
    troubles: Vec<String>,
    /// Cells that block the proof.
    blocking: usize,
    /// How many of them were looked at for the features.
    examined: usize,
    features: Vec<FeatureReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<PathBuf>,
}

#[derive(Serialize)]
struct FeatureReport {
    name: &'static str,
    /// Examined cells that would not block if this feature were known.
    cells: usize,
    /// Share of the cells that they lead to which would fall away.
    share: f64,
}

#[derive(Clone, Copy, Serialize)]
struct Figures {
    utilisation: f64,
    queue: f64,
    rounds: u8,
}

impl Figures {
    fn new(settled: &Settled) -> Self {
        // Rounded so that they say no more than the units do.
        Self {
            utilisation: (settled.utilisation as f64 / ONE * 1e4).floor() / 1e4,
            queue: (settled.queue as f64 / ONE * 1e4).ceil() / 1e4,
            rounds: settled.rounds,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            utilisation: self.utilisation.min(other.utilisation),
            queue: self.queue.max(other.queue),
            rounds: self.rounds.max(other.rounds),
        }
    }
}

impl ClaimReport {
    /// `pictures` are where the failures' pictures went, in their order.
    pub(super) fn new(claim: &LoopClaim, result: &LoopResult, pictures: &[PathBuf]) -> Self {
        let failures = result.failures.iter().enumerate();
        let failures = failures.map(|(at, it)| FailureReport::new(it, pictures.get(at).cloned()));
        let proven = result.proven.iter();
        Self {
            name: claim.name.clone(),
            says: claim.says.clone(),
            given: words::family(claim),
            assumes: claim.losses.names(),
            then: words::bounds(claim),
            verdict: if result.failures.is_empty() {
                "holds"
            } else {
                "unknown"
            },
            slices: proven.map(|it| slice(&it.slice, &it.settled)).collect(),
            failures: failures.collect(),
        }
    }
}

fn slice(slice: &Slice, settled: &Settled) -> SliceReport {
    SliceReport {
        log_bdp: words::bdp(slice.log_bdp),
        buffer: words::buffer(slice.buffer),
        cells: slice.ranks.len(),
        settled: Figures::new(settled),
    }
}

impl FailureReport {
    fn new(failure: &Failure, picture: Option<PathBuf>) -> Self {
        let found = &failure.explanation;
        let features = found.features.iter().map(|feature| FeatureReport {
            name: feature.name,
            cells: feature.cells,
            share: (1e4 * feature.share).round() / 1e4,
        });
        Self {
            slice: SliceReport {
                log_bdp: words::bdp(failure.part.log_bdp),
                buffer: words::buffer(failure.part.buffer),
                cells: failure.part.grid.cells().unwrap_or_default(),
                settled: Figures::new(&failure.settled),
            },
            troubles: failure.troubles.iter().map(trouble).collect(),
            blocking: found.blocking,
            examined: found.examined,
            features: features.collect(),
            picture,
        }
    }
}

/// How a slice misses its claim, in words.
pub(super) fn trouble(trouble: &Trouble) -> String {
    let share = |units: i64| words::decimal(units as f64 / ONE);
    match *trouble {
        Trouble::Leaves { cells } => format!("{cells} cells can leave the grid"),
        Trouble::Utilisation { got } => format!("utilisation is only {}", share(got)),
        Trouble::Queue { got } => format!("the queue reaches {} base RTT", share(got)),
        Trouble::Bursts { short } => format!(
            "a burst may overflow the buffer, which is {} BDP too shallow for a proof without A6",
            share(short)
        ),
        Trouble::DrainTooWide { got } => {
            format!("a drain leaves {} BDP, which keeps a queue", share(got))
        }
        Trouble::DrainLost { cells } => {
            format!("drains from {cells} settled cells end where nothing is known")
        }
    }
}

/// Tables of slices, then why claims failed.
pub(super) fn text(report: &Report, out: &Path) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for claim in &report.claims {
        writeln!(text, "{}: {}", words::plain(&claim.name), claim.verdict)?;
        writeln!(text, "  where {}", claim.given)?;
        writeln!(text, "  then  {}", claim.then)?;
        writeln!(text, "{}", table(claim))?;
        for failure in &claim.failures {
            text.push_str(&reasons(failure)?);
        }
    }
    match (&report.certificate_digest, report.certificate_bytes) {
        (Some(digest), Some(bytes)) => {
            writeln!(
                text,
                "certificate {} ({digest}, {bytes} bytes)",
                out.display()
            )?;
        }
        _ => writeln!(text, "no certificate was written")?,
    }
    Ok(text)
}

fn table(claim: &ClaimReport) -> Table {
    let mut table = Table::new(
        3,
        ["paths", "buffer", "slice", "U ≥", "Q ≤", "K ≤", "cells"],
    );
    let mut row = |slice: &SliceReport, verdict: &str| {
        let Figures {
            utilisation,
            queue,
            rounds,
        } = slice.settled;
        table.row([
            slice.log_bdp.clone(),
            slice.buffer.clone(),
            verdict.to_owned(),
            format!("{utilisation:.4}"),
            format!("{queue:.4}"),
            rounds.to_string(),
            slice.cells.to_string(),
        ]);
    };
    for slice in &claim.slices {
        row(slice, "holds");
    }
    for failure in &claim.failures {
        row(&failure.slice, "unknown");
    }
    let figures = claim.slices.iter().map(|slice| slice.settled);
    if let (Some(settled), true) = (figures.reduce(Figures::or), claim.failures.is_empty()) {
        let cells = claim.slices.iter().map(|slice| slice.cells).sum();
        let total = SliceReport {
            log_bdp: "all".to_owned(),
            buffer: String::new(),
            cells,
            settled,
        };
        row(&total, "holds");
    }
    table
}

fn reasons(failure: &FailureReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let slice = &failure.slice;
    writeln!(text, "{}, {}:", slice.log_bdp, slice.buffer)?;
    for trouble in &failure.troubles {
        writeln!(text, "  {trouble}")?;
    }
    writeln!(text, "  {} cells block the proof", failure.blocking)?;
    for feature in failure.features.iter().take(FEATURES_SHOWN) {
        let (name, cells, of) = (feature.name, feature.cells, failure.examined);
        let share = 100.0 * feature.share;
        writeln!(
            text,
            "  if {name} were known exactly, {cells} of {of} would not, and they would lead to \
             {share:.0} % fewer cells"
        )?;
    }
    if let Some(picture) = &failure.picture {
        writeln!(text, "  picture: {}", picture.display())?;
    }
    Ok(text)
}

/// Features that the text names; JSON has more.
const FEATURES_SHOWN: usize = 3;
/// Units of 2⁻¹⁶ in one.
const ONE: f64 = 65_536.0;
