//! `tautline train`: a new model.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use tautline_trainer::network::LayoutError;
use tautline_trainer::{Checkpoint, Outcome, Params, ParamsError, Report, ValidParams};

use crate::exit::Exit;
use crate::interrupt::{self, Interrupted};
use crate::model::{Model, key_on, line_of, read_claims};
use crate::output::{JsonArgs, Table};
use crate::training::{self, Saving};
use crate::{files, output};

/// Train a controller in simulation.
///
/// Three phases: clone a hand-written law, improve it by evolution strategies over random
/// networks while a differentiable bound keeps the claims provable, and repair what is left. The
/// same preset, claims and seed give the same bytes on any number of cores. Prove the result with
/// `tautline certify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline train --preset quick --out model.tlm\n  \
    tautline train --preset full --seed 7 --out model.tlm --checkpoint run.tltc\n  \
    tautline train --preset full --seed 7 --out model.tlm --resume run.tltc\n  \
    tautline train --preset steady --set closed_loop.hinge_weight=0 --out model.tlm\n\n\
    Ctrl-C leaves a checkpoint; --resume goes on from it to the same bytes.\n\
    Exit codes: 0 trained · 2 wrong usage, or input or output failed · 130 interrupted")]
pub(crate) struct Args {
    /// How much to train: quick (seconds), demo (a minute), full (the shipped recipe)
    #[arg(long, value_enum, default_value_t = Preset::Demo)]
    preset: Preset,
    /// Take all parameters from FILE in place of a preset
    #[arg(long, value_name = "FILE.toml", conflicts_with = "preset")]
    params: Option<PathBuf>,
    /// Set one parameter of the preset or file, by its dotted key; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Claims to train for; the standard claims by default
    #[arg(long, value_name = "FILE.toml")]
    claims: Option<PathBuf>,
    /// Seed of everything random; the one of the preset or file by default
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where the model goes
    #[arg(long, value_name = "MODEL.tlm", default_value = "model.tlm")]
    out: PathBuf,
    /// Where the checkpoint goes; beside the model, as .tltc, by default
    #[arg(long, value_name = "FILE.tltc")]
    checkpoint: Option<PathBuf>,
    /// Go on from a checkpoint of the same preset, claims and seed
    #[arg(long, value_name = "FILE.tltc")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
}

/// A named set of training parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Preset {
    /// Seconds
    Quick,
    /// About a minute on two cores
    Demo,
    /// The recipe of the shipped models: several minutes
    Full,
    /// A policy for closed-loop claims: under a minute on two cores
    Steady,
    /// The same for jitter of 20 %; takes claims/standard-20.toml
    #[value(name = "steady-20")]
    Steady20,
}

impl Preset {
    /// Its parameters.
    pub(crate) fn params(self) -> Params {
        match self {
            Self::Quick => Params::quick(),
            Self::Demo => Params::demo(),
            Self::Full => Params::full(),
            Self::Steady => Params::steady(),
            Self::Steady20 => Params::steady_20(),
        }
    }
}

/// The result as JSON.
#[derive(Serialize)]
struct Summary {
    model: PathBuf,
    model_digest: String,
    shape: String,
    parameters: usize,
    seed: u64,
    params_digest: String,
    claims_digest: String,
    clone_error: f64,
    rewards: Vec<Reward>,
    final_reward: f64,
    repair_rounds: u64,
    certified: Vec<Certified>,
}

#[derive(Serialize)]
struct Reward {
    generation: u64,
    reward: f64,
}

#[derive(Serialize)]
struct Certified {
    claim: String,
    proven: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let checkpoint = checkpoint(args)?;
    let params = params(args)?;
    let claims = read_claims(args.claims.as_deref())?;
    let resume = args.resume.as_deref().map(load_checkpoint).transpose()?;

    output::note(&format!(
        "training; Ctrl-C leaves a checkpoint in {}",
        checkpoint.display()
    ));
    let saving = Saving::to(&checkpoint);
    let trained = match training::run(&params, &claims, resume, saving)? {
        Outcome::Trained(trained) => trained,
        Outcome::Interrupted(state) => {
            files::write(&checkpoint, &state.encode())?;
            output::note(&format!(
                "stopped in phase {} at step {}; go on with --resume {}",
                state.phase().name(),
                state.step(),
                checkpoint.display()
            ));
            return Err(Interrupted.into());
        }
    };
    let model = Model::of_parts(&trained.header, &trained.parameters)?;
    files::write(&args.out, &model.bytes)?;
    if args.checkpoint.is_none() && !resumes_from(args, &checkpoint) {
        // Nobody asked for it, this run made it, and the model is done.
        files::remove(&checkpoint)?;
    }
    let seed = params.params().seed;
    let summary = summary(&args.out, &model, seed, &trained.report);
    args.json.finish(&summary, &text(&summary)?)?;
    Ok(Exit::Accepted)
}

/// Where the checkpoint goes, after a look at every place that will be written.
///
/// # Errors
/// When an output is an input or another output, would replace a checkpoint that nobody named, or
/// cannot be written.
fn checkpoint(args: &Args) -> anyhow::Result<PathBuf> {
    let by_default = || args.out.with_extension("tltc");
    let checkpoint = args.checkpoint.clone().unwrap_or_else(by_default);
    let continued = resumes_from(args, &checkpoint);
    // Going on in the same checkpoint is what --resume is for.
    let resume = args.resume.as_deref().filter(|_| !continued);
    let inputs = [args.params.as_deref(), args.claims.as_deref(), resume];
    let outputs = [
        Some(args.out.as_path()),
        Some(checkpoint.as_path()),
        args.json.path(),
    ];
    files::check_apart(&files::named(&outputs), &files::named(&inputs))
        .context("choose other places with --out and --checkpoint")?;
    if args.checkpoint.is_none() && !continued && checkpoint.exists() {
        bail!(
            "{} exists, perhaps of an interrupted training: go on from it with --resume, remove \
             it, or choose another place with --checkpoint",
            checkpoint.display()
        );
    }
    files::check_writable(&args.out)?;
    files::check_writable(&checkpoint)?;
    args.json.check_writable()?;
    Ok(checkpoint)
}

/// True if `checkpoint` is the file that the run goes on from.
fn resumes_from(args: &Args, checkpoint: &Path) -> bool {
    let resume = args.resume.as_deref();
    resume.is_some_and(|resume| files::check_apart(&[checkpoint], &[resume]).is_err())
}

fn params(args: &Args) -> anyhow::Result<ValidParams> {
    let mut text = String::new();
    let mut params = args.preset.params();
    if let Some(path) = &args.params {
        text = files::read_text("training parameters", path)?;
        params = Params::from_toml(&text, &path.display().to_string())
            .map_err(|error| with_field(error, &text))?;
    }
    for setting in &args.set {
        params = params.with(setting).context("--set")?;
    }
    if let Some(seed) = args.seed {
        params.seed = seed;
    }
    params.check().map_err(|error| {
        let place = match (field(&error), &args.params) {
            (Some("seed"), _) if args.seed.is_some() => "--seed".to_owned(),
            (Some(field), _) if args.set.iter().any(|it| sets(it, field)) => "--set".to_owned(),
            (field, Some(path)) => match field.and_then(|field| line_of(&text, field)) {
                Some(line) => format!("{}:{line}", path.display()),
                None => path.display().to_string(),
            },
            (_, None) => "training parameters".to_owned(),
        };
        anyhow::Error::new(error).context(place)
    })
}

/// True if `setting` is of `field`.
fn sets(setting: &str, field: &str) -> bool {
    let key = setting.split_once('=').map(|(key, _)| key.trim());
    key == Some(field)
}

/// The dotted key of the field that is wrong.
fn field(error: &ParamsError) -> Option<&'static str> {
    match error {
        ParamsError::Count { field, .. } | ParamsError::Real { field, .. } => Some(field),
        ParamsError::UnknownHead { .. } => Some("network.heads"),
        ParamsError::Layout(layout) => Some(match layout {
            LayoutError::Layers { .. } | LayoutError::Width { .. } => "network.hidden",
            LayoutError::Heads { .. } => "network.heads",
            LayoutError::Shift { .. } => "network.weight_shift",
            _ => "network",
        }),
        _ => None,
    }
}

/// The same error with the key of its line, where it has one.
fn with_field(error: ParamsError, text: &str) -> ParamsError {
    match error {
        ParamsError::Syntax {
            file,
            line,
            message,
        } => ParamsError::Syntax {
            message: match key_on(text, line) {
                Some(key) => format!("{key}: {message}"),
                None => message,
            },
            file,
            line,
        },
        other => other,
    }
}

fn load_checkpoint(path: &Path) -> anyhow::Result<Checkpoint> {
    let bytes = files::read("checkpoint", path, MOST_CHECKPOINT)?;
    Checkpoint::decode(&bytes).with_context(|| {
        format!(
            "cannot use checkpoint {}: expected a .tltc file that `tautline train` wrote",
            path.display()
        )
    })
}

fn summary(path: &Path, model: &Model, seed: u64, report: &Report) -> Summary {
    let rewards = report.rewards.iter();
    let certified = report.certified.iter();
    Summary {
        model: path.to_owned(),
        model_digest: model.policy.digest().to_string(),
        shape: model.shape(),
        parameters: model.policy.parameters().len(),
        seed,
        params_digest: report.params.to_string(),
        claims_digest: report.claims.to_string(),
        clone_error: report.clone_error,
        rewards: rewards
            .map(|&(generation, reward)| Reward { generation, reward })
            .collect(),
        final_reward: report.final_reward,
        repair_rounds: report.repair_rounds,
        certified: certified
            .map(|(claim, proven)| Certified {
                claim: claim.clone(),
                proven: *proven,
            })
            .collect(),
    }
}

fn text(summary: &Summary) -> anyhow::Result<String> {
    let mut table = Table::new(1, ["claim", "proven while training"]);
    for Certified { claim, proven } in &summary.certified {
        table.row([claim.clone(), format!("{proven:.4}")]);
    }
    let mut text = table.to_string();
    let path = summary.model.display();
    writeln!(
        text,
        "\nmodel {path} ({}, {} parameters, validation reward {:.4})",
        summary.shape, summary.parameters, summary.final_reward
    )?;
    writeln!(text, "next: tautline certify {path}")?;
    Ok(text)
}

/// Above any checkpoint of a network that the model format can describe.
const MOST_CHECKPOINT: u64 = 256 << 20;
