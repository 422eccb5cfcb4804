//! `tautline certify`: the prover on a model.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use tautline_abstract_interp::{
    Certification, ClaimResult, Counterexample, Evaluation, Limits, OpenRegion, Progress,
    Remaining, Replay, Verdict, Watch, certify,
};
use tautline_certificates::check;
use tautline_certificates::claim::{Claim, ClaimSet};
use tautline_core::features::FeatureTable;
use tautline_core::policy::Digest;

use super::closed_loop;
use crate::clock::Stopwatch;
use crate::exit::Exit;
use crate::interrupt::{self, Interrupted};
use crate::model::{Model, closed_loop_claims, read_claims};
use crate::output::{JsonArgs, Table};
use crate::{files, output, progress, words};

/// Prove claims about a model and write the certificate.
///
/// For every claim the prover either finds a proof that it holds for all inputs, or an input that
/// violates it (replayed on the deployed program), or gives up. A certificate is written only if
/// every claim holds and the independent checker accepts the proof.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline certify model.tlm --out certificate.tlc\n  \
    tautline certify model.tlm --claims my-claims.toml --timeout 60 --json -\n  \
    tautline certify model.tlm --closed-loop --out closed-loop.tlc --explain pictures\n\n\
    QC, the quantitative certificate, is the proven fraction of a claim's region.\n\
    Exit codes: 0 every claim holds · 1 one is violated or undecided, no certificate is written · \
    2 wrong usage, or input or output failed")]
pub(crate) struct Args {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    model: PathBuf,
    /// What to prove; the standard claims by default
    #[arg(long, value_name = "FILE.toml")]
    claims: Option<PathBuf>,
    /// Where the certificate goes; beside the model by default
    #[arg(long, value_name = "CERT.tlc")]
    out: Option<PathBuf>,
    /// Give up after this many seconds; what is open then counts as undecided
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    timeout: Option<Duration>,
    /// Give up on a constraint after this many boxes: a limit that decides the same on any machine
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_boxes)]
    max_boxes: u64,
    #[command(flatten)]
    looped: closed_loop::LoopArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    model_digest: String,
    certificate: Option<PathBuf>,
    certificate_digest: Option<String>,
    holds: bool,
    claims: Vec<ClaimReport>,
}

/// One claim with its verdict.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimReport {
    pub(crate) name: String,
    pub(crate) says: String,
    pub(crate) given: String,
    pub(crate) then: String,
    /// `holds`, `violated` or `unknown`.
    pub(crate) verdict: &'static str,
    /// Proven fraction of the region, exact.
    pub(crate) qc: String,
    /// The same, rounded.
    pub(crate) qc_rounded: f64,
    pub(crate) boxes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterexample: Option<CounterexampleReport>,
    /// What is left to prove, per constraint that was not proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remaining: Vec<RemainingReport>,
}

/// What is left of a constraint when the search for its proof ends early.
#[derive(Clone, Debug, Serialize)]
struct RemainingReport {
    constraint: String,
    open_regions: usize,
    /// Those with the largest bounds, worst first; not all of them where there are many.
    regions: Vec<RegionReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<CandidateReport>,
}

/// A region that is neither proven nor split.
#[derive(Clone, Debug, Serialize)]
struct RegionReport {
    /// The features that are not free in it; of the first input for a claim about two.
    ranges: Vec<words::FeatureRange>,
    /// For a claim about two inputs, what the second one has more, where they may differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<words::FeatureRange>>,
    /// Neurons whose phase is fixed in it.
    phases: usize,
    /// At most by how much the constraint is exceeded there, if anything is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    excess: Option<f64>,
}

/// The input, or pair of inputs, that came closest to breaking a constraint.
#[derive(Clone, Debug, Serialize)]
struct CandidateReport {
    /// By how much the constraint is exceeded; at most zero where it holds.
    excess: f64,
    /// Whether the deployed program says so.
    confirmed: bool,
    inputs: Vec<Vec<Figure>>,
}

#[derive(Clone, Debug, Serialize)]
struct CounterexampleReport {
    violated: String,
    inputs: Vec<Vec<Figure>>,
}

#[derive(Clone, Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    meaning: String,
}

impl Args {
    fn limits(&self) -> Limits {
        Limits {
            max_boxes: self.max_boxes,
            ..Limits::default()
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let model = Model::read(&args.model)?;
    let claims = match &args.claims {
        None if args.looped.closed_loop => closed_loop_claims()?,
        path => read_claims(path.as_deref())?,
    };
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| args.model.with_extension("tlc"));
    let inputs = [Some(args.model.as_path()), args.claims.as_deref()];
    let outputs = [Some(out.as_path()), args.json.path()];
    files::check_apart(&files::named(&outputs), &files::named(&inputs))?;
    files::check_writable(&out)?;
    args.json.check_writable()?;
    if args.looped.closed_loop {
        let model = (args.model.as_path(), &model);
        return closed_loop::run(&args.looped, model, &claims, &out, &args.json);
    }
    if let Some(claim) = claims.loops.first() {
        let name = words::plain(&claim.name);
        bail!("claims: {name} is about the closed loop; prove such claims with --closed-loop");
    }

    let (certification, reports) = prove(&model, &claims, args.limits(), args.timeout)?;
    let mut certificate = certification.certificate;
    if let Some(bytes) = &certificate {
        // The prover is not trusted: what the checker refuses does not leave this program.
        if let Err(rejection) = check(&model.bytes, bytes, Some(&claims)) {
            output::note(&format!("the checker refuses the proof: {rejection}"));
            certificate = None;
        }
    }
    if let Some(bytes) = &certificate {
        files::write(&out, bytes)?;
    }
    let report = Report {
        model: args.model.clone(),
        model_digest: model.policy.digest().to_string(),
        certificate: certificate.is_some().then(|| out.clone()),
        certificate_digest: certificate.as_ref().map(|it| Digest::of(it).to_string()),
        holds: certificate.is_some(),
        claims: reports,
    };
    args.json.finish(&report, &text(&report, &out)?)?;
    Ok(Exit::accepted_if(report.holds))
}

/// Decides every claim, with progress.
pub(crate) fn prove(
    model: &Model,
    claims: &ClaimSet,
    limits: Limits,
    timeout: Option<Duration>,
) -> anyhow::Result<(Certification, Vec<ClaimReport>)> {
    let spinner = progress::spinner("certifying");
    let show = |at: Progress<'_>| {
        let proven = 100.0 * at.proven;
        spinner.set_message(format!(
            "{}: {} boxes, {} open, {proven:.1} % proven",
            at.claim, at.boxes, at.open
        ));
    };
    let watch = Stopwatch::start();
    let over = || timeout.is_some_and(|timeout| watch.elapsed() >= timeout);
    let certification = certify(
        &model.policy,
        claims,
        &limits,
        Watch {
            progress: &show,
            stop: &|| interrupt::requested() || over(),
        },
    );
    spinner.finish_and_clear();
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    let certification = certification.context("these claims cannot be proven about this model")?;
    let both = claims.claims.iter().zip(&certification.results);
    let reports = both.map(|(claim, result)| ClaimReport::new(model, claim, result));
    let reports = reports.collect();
    Ok((certification, reports))
}

impl ClaimReport {
    fn new(model: &Model, claim: &Claim, result: &ClaimResult) -> Self {
        let table = model.policy.table();
        let found = |found: &Counterexample| CounterexampleReport {
            violated: constraint_text(claim, found.constraint, table),
            inputs: figures(model, &found.inputs),
        };
        let (reason, counterexample) = match &result.verdict {
            Verdict::Holds(_) => (None, None),
            Verdict::Violated(counterexample) => (None, Some(found(counterexample))),
            Verdict::Unknown(reason) => (Some(reason.to_string()), None),
        };
        // Rounded down, so that only a whole proof reads as one.
        let millionths = result.qc.numer() * 1_000_000_u32 / result.qc.denom();
        Self {
            name: claim.name.clone(),
            says: claim.says.clone(),
            given: words::region(claim, table),
            then: words::conclusion(claim, table),
            verdict: result.verdict.name(),
            qc: format!("{}/{}", result.qc.numer(), result.qc.denom()),
            qc_rounded: millionths.to_string().parse().unwrap_or(0.0) / 1e6,
            boxes: result.boxes,
            reason,
            counterexample,
            remaining: result
                .remaining
                .iter()
                .map(|remaining| RemainingReport::new(model, claim, remaining))
                .collect(),
        }
    }
}

impl RemainingReport {
    fn new(model: &Model, claim: &Claim, remaining: &Remaining) -> Self {
        let table = model.policy.table();
        let constraint = claim.constraints.get(remaining.constraint);
        // As the constraint is shown: with one as its first coefficient.
        let scale = constraint.map_or(1, |it| {
            let heads = it.heads.first().map(|&(_, c)| c);
            let features = || it.features.first().map(|&(_, d)| d);
            heads.or_else(features).unwrap_or(1)
        });
        let shown = |excess: f64| excess / (scale.abs() as f64) / ONE;
        let region = |open: &OpenRegion| RegionReport {
            ranges: words::ranges_of(&open.bounds, table),
            changes: open
                .changes
                .as_ref()
                .map(|changes| words::changes_of(changes, table)),
            phases: open.phases,
            excess: open.excess.map(|excess| shown(excess as f64)),
        };
        Self {
            constraint: constraint_text(claim, remaining.constraint, table),
            open_regions: remaining.count,
            regions: remaining.regions.iter().map(region).collect(),
            candidate: remaining.candidate.as_ref().map(|it| CandidateReport {
                excess: shown(it.excess as f64),
                confirmed: it.replay == Replay::Confirmed,
                inputs: figures(model, &it.inputs),
            }),
        }
    }
}

fn constraint_text(claim: &Claim, number: usize, table: &FeatureTable) -> String {
    claim
        .constraints
        .get(number)
        .map_or_else(String::new, |one| {
            words::constraint(one, &claim.kind, table)
        })
}

fn figures(model: &Model, inputs: &[Evaluation]) -> Vec<Vec<Figure>> {
    let figure = |(name, value, meaning)| Figure {
        name,
        value,
        meaning,
    };
    let inputs = inputs.iter().map(|input| {
        let values = words::evaluation(input, model.policy.header());
        values.into_iter().map(figure).collect()
    });
    inputs.collect()
}

/// The claims as a table.
pub(crate) fn table(claims: &[ClaimReport]) -> Table {
    let mut table = Table::new(2, ["claim", "verdict", "QC", "boxes"]);
    for claim in claims {
        let qc = if claim.qc == "1/1" {
            claim.qc.clone()
        } else {
            format!("{:.6}", claim.qc_rounded)
        };
        table.row([
            claim.name.clone(),
            claim.verdict.to_owned(),
            qc,
            claim.boxes.to_string(),
        ]);
    }
    table
}

fn text(report: &Report, out: &Path) -> anyhow::Result<String> {
    let mut text = table(&report.claims).to_string();
    text.push_str(&failures(&report.claims)?);
    match &report.certificate_digest {
        Some(digest) => writeln!(text, "\ncertificate {} ({digest})", out.display())?,
        None => writeln!(text, "\nno certificate was written")?,
    }
    Ok(text)
}

/// Why claims failed: reasons and counterexamples.
pub(crate) fn failures(claims: &[ClaimReport]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for claim in claims {
        if let Some(reason) = &claim.reason {
            writeln!(text, "\n{}: undecided: {reason}", claim.name)?;
            write!(text, "{}", left(claim)?)?;
        }
        let Some(found) = &claim.counterexample else {
            continue;
        };
        writeln!(text, "\n{}: violated: {}", claim.name, found.violated)?;
        writeln!(text, "  where {}", claim.given)?;
        text.push_str(&inputs(&found.inputs)?);
    }
    Ok(text)
}

/// What is left to prove of an undecided claim.
fn left(claim: &ClaimReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "  proven of the region: {} (QC)", claim.qc)?;
    for remaining in &claim.remaining {
        let open = remaining.open_regions;
        let regions = if open == 1 { "region" } else { "regions" };
        writeln!(text, "  {}: {open} {regions} open", remaining.constraint)?;
        for region in remaining.regions.iter().take(REGIONS_SHOWN) {
            let excess = region.excess.map_or_else(
                || "not bounded yet".to_owned(),
                |excess| format!("exceeded by at most {}", words::decimal(excess)),
            );
            let phases = match region.phases {
                0 => String::new(),
                count => format!(", {count} phases fixed"),
            };
            writeln!(text, "    {excess}{phases} in {}", place(region))?;
        }
        let listed = remaining.regions.len().min(REGIONS_SHOWN);
        if open > listed {
            writeln!(text, "    and {} more", open - listed)?;
        }
        if let Some(candidate) = &remaining.candidate {
            let by = words::decimal(candidate.excess);
            let mark = if candidate.confirmed {
                "confirmed by the deployed program"
            } else {
                "unconfirmed"
            };
            let what = match candidate.inputs.len() {
                2 => "pair of inputs",
                _ => "input",
            };
            writeln!(text, "  closest {what} so far, excess {by}, {mark}:")?;
            text.push_str(&inputs(&candidate.inputs)?);
        }
    }
    Ok(text)
}

/// Where a region is: the ranges of its features, then those of what a second input has more.
fn place(region: &RegionReport) -> String {
    let range = |it: &words::FeatureRange| {
        let (low, high) = (words::decimal(it.low), words::decimal(it.high));
        format!("{} {low} to {high}", it.feature)
    };
    let changes = region.changes.iter().flatten();
    let changes = changes.map(|it| format!("change of {}", range(it)));
    let parts: Vec<_> = region.ranges.iter().map(range).chain(changes).collect();
    if parts.is_empty() {
        return "the whole region".to_owned();
    }
    parts.join(", ")
}

fn inputs(inputs: &[Vec<Figure>]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (number, input) in inputs.iter().enumerate() {
        if inputs.len() > 1 {
            writeln!(text, "  input {}:", number + 1)?;
        }
        for Figure {
            name,
            value,
            meaning,
        } in input
        {
            writeln!(text, "    {name:<16} {value:>10.5}  {meaning}")?;
        }
    }
    Ok(text)
}

/// Open regions that the text names per constraint; JSON has more.
const REGIONS_SHOWN: usize = 3;
/// Units of 2⁻¹⁶ in one.
const ONE: f64 = 65_536.0;
