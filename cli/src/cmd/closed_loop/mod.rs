//! `tautline certify --closed-loop`: ranks for the loop of policy, guard and path.

mod kept;
mod picture;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, bail};
use tautline_abstract_interp::closed_loop::{
    ClosedLoopError, LoopProgress, LoopResult, LoopWatch, ModelRate, Tuning, prove_loop,
};
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::Slice;
use tautline_certificates::format::{Certificate, Section};
use tautline_core::policy::Digest;

use crate::exit::Exit;
use crate::interrupt::{self, Interrupted};
use crate::model::Model;
use crate::output::JsonArgs;
use crate::plot::Format;
use crate::{cmd, files, output, progress, words};
use kept::Kept;
use report::{ClaimReport, Report};

/// What `--closed-loop` adds to the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct LoopArgs {
    /// Prove claims about the closed loop of policy, guard and path; by default the shipped ones
    #[arg(long, conflicts_with_all = ["timeout", "max_boxes"])]
    pub(crate) closed_loop: bool,
    /// Where pictures of slices that could not be proven go
    #[arg(long, value_name = "FOLDER", requires = "closed_loop")]
    explain: Option<PathBuf>,
    /// Go on from the finished slices that an interrupted run left
    #[arg(long, value_name = "FILE.tlr", requires = "closed_loop")]
    resume: Option<PathBuf>,
    /// Threads; by default as many as there are cores. The result does not depend on it
    #[arg(long, value_name = "COUNT", requires = "closed_loop", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// A search with all it needs.
struct Run<'a> {
    args: &'a LoopArgs,
    model: &'a Model,
    claims: &'a ClaimSet,
    kept: Kept,
}

/// Runs the command.
pub(crate) fn run(
    args: &LoopArgs,
    model: (&Path, &Model),
    claims: &ClaimSet,
    out: &Path,
    json: &JsonArgs,
) -> anyhow::Result<Exit> {
    let (path, model) = model;
    if !claims.claims.is_empty() {
        bail!(
            "claims: {} is no closed-loop claim; --closed-loop expects claims of kind \"loop\" only",
            words::plain(&claims.claims[0].name)
        );
    }
    let kept = kept(args, model, claims, out)?;
    let run = Run {
        args,
        model,
        claims,
        kept,
    };
    let results = match run.prove_all() {
        Err(error) if interrupt::requested() => return Err(run.left(error)),
        results => results?,
    };
    let certificate = run.certificate(&results)?;
    let mut reports = vec![];
    for (claim, result) in claims.loops.iter().zip(&results) {
        let pictures = run.pictures(&claim.name, result)?;
        reports.push(ClaimReport::new(claim, result, &pictures));
    }
    if let Some(bytes) = &certificate {
        files::write(out, bytes)?;
        run.kept.remove()?;
    }
    let report = Report {
        model: path.to_owned(),
        model_digest: model.policy.digest().to_string(),
        certificate: certificate.is_some().then(|| out.to_owned()),
        certificate_digest: certificate.as_ref().map(|it| Digest::of(it).to_string()),
        certificate_bytes: certificate.as_ref().map(Vec::len),
        holds: certificate.is_some(),
        claims: reports,
    };
    json.finish(&report, &report::text(&report, out)?)?;
    Ok(Exit::accepted_if(report.holds))
}

/// Where finished slices go, with those of an earlier run.
fn kept(args: &LoopArgs, model: &Model, claims: &ClaimSet, out: &Path) -> anyhow::Result<Kept> {
    let path = args.resume.clone();
    let path = path.unwrap_or_else(|| out.with_extension("tlr"));
    if args.resume.is_none() && path.exists() {
        bail!(
            "{} holds finished slices; go on from them with --resume, or remove it",
            path.display()
        );
    }
    files::check_apart(&[&path], &[out])?;
    files::check_writable(&path)?;
    let kept = Kept::new(path, model.policy.digest(), claims.digest()?);
    if let Some(path) = &args.resume {
        kept.read(path)?;
    }
    if let Some(folder) = &args.explain {
        files::create_folder(folder)?;
    }
    Ok(kept)
}

impl Run<'_> {
    /// Every claim, on as many threads as asked for.
    fn prove_all(&self) -> anyhow::Result<Vec<LoopResult>> {
        let rate = ModelRate::new(&self.model.policy)
            .context("closed-loop claims cannot be proven about this model")?;
        let threads = self.args.jobs.map_or(0, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().context("cannot start threads")?;
        let numbers = 0..self.claims.loops.len();
        numbers
            .map(|claim| pool.install(|| self.prove(&rate, claim)))
            .collect()
    }

    fn prove(&self, rate: &ModelRate, number: usize) -> anyhow::Result<LoopResult> {
        let claim = &self.claims.loops[number];
        let finished = self.kept.of_claim(number)?;
        let spinner = progress::spinner("certifying");
        let failed: Mutex<Option<anyhow::Error>> = Mutex::new(None);
        let show = |at: LoopProgress<'_>| match at {
            LoopProgress::Imaged { part, cells } => {
                let (name, paths) = (words::plain(&claim.name), words::bdp(part.log_bdp));
                spinner.set_message(format!("{name}: {paths}, {cells} cells"));
            }
            LoopProgress::Proven(proven) => {
                let kept = self.kept.add(number, &proven.slice);
                if let (Err(error), Ok(mut failed)) = (kept, failed.lock()) {
                    failed.get_or_insert(error);
                }
            }
            LoopProgress::Failed {
                part,
                troubles,
                instead,
            } => {
                let first = troubles.first().map(report::trouble).unwrap_or_default();
                let paths = words::bdp(part.log_bdp);
                spinner.println(format!("{paths}: {first}; trying {instead} slices instead"));
            }
        };
        let broken = || failed.lock().is_ok_and(|failed| failed.is_some());
        let watch = LoopWatch {
            progress: &show,
            stop: &|| interrupt::requested() || broken(),
        };
        let result = prove_loop(rate, claim, &Tuning::for_rate(rate), &finished, watch);
        spinner.finish_and_clear();
        if let Ok(Some(error)) = failed.into_inner() {
            return Err(error.context("cannot keep a finished slice"));
        }
        match result {
            Err(ClosedLoopError::Stopped) => Err(Interrupted.into()),
            result => result.with_context(|| format!("claim {}", words::plain(&claim.name))),
        }
    }

    /// The file, where every claim is proven and the checker accepts it: the prover is not trusted.
    fn certificate(&self, results: &[LoopResult]) -> anyhow::Result<Option<Vec<u8>>> {
        let mut sections = vec![];
        for (number, result) in results.iter().enumerate() {
            let Some(slices) = result.slices() else {
                return Ok(None);
            };
            let slices = slices.iter().map(Slice::encode);
            sections.push(Section::RankGrid {
                claim: u16::try_from(number)?,
                slices: slices.collect::<Result<_, _>>()?,
            });
        }
        let certificate = Certificate {
            model: self.model.policy.digest(),
            claims: self.claims.clone(),
            sections,
        };
        let bytes = certificate.encode()?;
        let checked = cmd::check::loops::check(&self.model.bytes, &bytes, Some(self.claims), None)?;
        Ok(match checked {
            Ok(_) => Some(bytes),
            Err(rejection) => {
                output::note(&format!("the checker refuses the proof: {rejection}"));
                None
            }
        })
    }

    /// Writes a picture per failure, if asked for.
    fn pictures(&self, claim: &str, result: &LoopResult) -> anyhow::Result<Vec<PathBuf>> {
        let mut paths = vec![];
        let Some(folder) = &self.args.explain else {
            return Ok(paths);
        };
        let letters = claim.chars();
        let stem: String = letters
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        for (number, failure) in result.failures.iter().enumerate() {
            let chart = picture::chart(claim, failure);
            let path = folder.join(format!("{stem}-{number}.svg"));
            for format in [Format::Png, Format::Svg] {
                let path = path.with_extension(format.extension());
                files::write(&path, &format.render(&chart)?)?;
            }
            paths.push(path);
        }
        Ok(paths)
    }

    /// Says what an interrupted run leaves.
    fn left(&self, error: anyhow::Error) -> anyhow::Error {
        let (count, path) = (self.kept.count(), self.kept.path());
        if count > 0 {
            output::note(&format!(
                "{count} slices are finished; go on with --resume {}",
                path.display()
            ));
        }
        error
    }
}
