//! `tautline verify`: properties of other people's networks.

mod decide;
mod instances;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tautline_abstract_interp::float::verdict::Verdict;

use crate::exit::Exit;
use crate::interrupt::{self, Interrupted};
use crate::output::JsonArgs;
use crate::{files, output, progress};

use decide::{Question, Shapes};
use instances::Instances;
use report::Row;

/// Decide properties of neural networks in ONNX or .nnet.
///
/// A property (VNN-LIB) describes inputs and outputs that must not occur together. The verdict
/// `holds` says that none do, in single precision and in whatever order sums are taken; `violated`
/// comes with an input that was replayed; else it is `unknown`.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    tautline verify --network net.onnx --property safe.vnnlib --timeout 60\n  \
    tautline verify --instances acasxu/instances.csv --json results.json\n\n\
    Exit codes: 0 it holds; with --instances: all decided, none against expected.csv · \
    1 violated or undecided; with --instances: one is undecided or wrong · \
    2 wrong usage, or input or output failed · 130 interrupted"
)]
pub(crate) struct Args {
    /// The network: .onnx or .nnet, or either with .gz
    #[arg(long, value_name = "FILE", requires = "property")]
    network: Option<PathBuf>,
    /// What must not occur: .vnnlib, or .vnnlib.gz
    #[arg(long, value_name = "FILE", requires = "network")]
    property: Option<PathBuf>,
    /// Many of both: a line `network,property,seconds` each, paths as seen from the file. An
    /// expected.csv beside it says what should come out
    #[arg(
        long,
        value_name = "FILE.csv",
        conflicts_with_all = ["network", "property", "counterexample"],
        required_unless_present = "network"
    )]
    instances: Option<PathBuf>,
    /// Give up on a property after this many seconds; replaces those of the instances
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    timeout: Option<Duration>,
    /// Write an input that violates the property, and its outputs, as VNN-COMP does
    #[arg(long, value_name = "FILE")]
    counterexample: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    match (&args.network, &args.property, &args.instances) {
        (Some(network), Some(property), _) => one(args, network, property),
        (_, _, Some(path)) => many(args, path),
        _ => anyhow::bail!("expected --network and --property, or --instances"),
    }
}

fn one(args: &Args, network: &Path, property: &Path) -> anyhow::Result<Exit> {
    let outputs = [args.counterexample.as_deref(), args.json.path()];
    let outputs = files::named(&outputs);
    files::check_apart(&outputs, &[network, property])?;
    for output in outputs {
        files::check_writable(output)?;
    }
    let question = Question {
        network: network.to_owned(),
        property: property.to_owned(),
        timeout: args.timeout,
    };
    let spinner = progress::spinner("verifying");
    let decision = decide::decide(&question, &|line| spinner.set_message(line));
    spinner.finish_and_clear();
    let decision = decision?;
    if interrupt::requested() && matches!(decision.answer.verdict, Verdict::Unknown(_)) {
        output::note(&report::one(&decision)?);
        return Err(Interrupted.into());
    }
    if let (Some(path), Verdict::Violated(found)) = (&args.counterexample, &decision.answer.verdict)
    {
        files::write(path, report::counterexample(found)?.as_bytes())?;
    }
    let row = Row::new(
        &network.display().to_string(),
        &property.display().to_string(),
        &decision,
        None,
    );
    let holds = decision.answer.verdict == Verdict::Holds;
    args.json.finish(&[row], &report::one(&decision)?)?;
    Ok(Exit::accepted_if(holds))
}

fn many(args: &Args, path: &Path) -> anyhow::Result<Exit> {
    let instances = Instances::read(path)?;
    if let Some(output) = args.json.path() {
        let mut inputs = vec![path.to_owned()];
        for instance in &instances.list {
            inputs.extend([
                instance.question.network.clone(),
                instance.question.property.clone(),
            ]);
        }
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        files::check_apart(&[output], &inputs)?;
    }
    args.json.check_writable()?;
    let mut shapes = Shapes::default();
    for instance in &instances.list {
        let at = || format!("{}:{}", path.display(), instance.line);
        shapes.check(&instance.question).with_context(at)?;
    }

    let (rows, failure) = decide_all(&instances, args.timeout);
    // What was decided before an interrupt or a failure is worth having.
    args.json.finish(&rows, &report::many(&rows, &instances)?)?;
    if rows.len() < instances.list.len() {
        let (done, all) = (rows.len(), instances.list.len());
        output::note(&format!("{done} of {all} instances were decided"));
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Exit::accepted_if(rows.iter().all(Row::is_as_expected))),
    }
}

/// One after the other, each on all cores; what ended it early comes last.
fn decide_all(
    instances: &Instances,
    timeout: Option<Duration>,
) -> (Vec<Row>, Option<anyhow::Error>) {
    let bar = progress::bar(instances.list.len() as u64, "verifying");
    let mut rows = Vec::new();
    let mut failure = None;
    for instance in &instances.list {
        let mut question = instance.question.clone();
        question.timeout = timeout.or(question.timeout);
        let name = format!("{} {}", instance.network, instance.property);
        bar.set_message(name.clone());
        let say = |line| bar.set_message(format!("{name}: {line}"));
        let decision = match decide::decide(&question, &say) {
            Ok(decision) => decision,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        if interrupt::requested() && matches!(decision.answer.verdict, Verdict::Unknown(_)) {
            failure = Some(Interrupted.into());
            break;
        }
        let (network, property) = (&instance.network, &instance.property);
        rows.push(Row::new(network, property, &decision, instance.expected));
        bar.inc(1);
    }
    bar.finish_and_clear();
    (rows, failure)
}
