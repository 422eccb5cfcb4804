//! `tautline export-smt2`: claims about a model as SMT-LIB 2, for any other solver.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::opinion::Question;
use tautline_abstract_interp::opinion::smtlib::{self, Title};
use tautline_abstract_interp::problem::Problem;
use tautline_certificates::claim::{Claim, ClaimKind};

use crate::exit::Exit;
use crate::files;
use crate::model::{Model, read_claims};
use crate::output::JsonArgs;

/// Write claims about a model as SMT-LIB 2 files, one per constraint, for any other solver.
///
/// Every file asks for an input that breaks one constraint: `unsat` means that it holds for every
/// input, `sat` gives an input that breaks it. The text defines the whole integer program and
/// contains nothing that this program proved. Claims about two inputs are not written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline export-smt2 model.tlm --out questions\n  \
    z3 -T:60 questions/00-backs-off-on-marks.0.smt2\n\n\
    Logic QF_LIA; all values count 2^-16. Most solvers decide nets of up to some dozen neurons.\n\
    Exit codes: 0 written · 2 wrong usage, or input or output failed")]
pub(crate) struct Args {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    model: PathBuf,
    /// What to write; the standard claims by default
    #[arg(long, value_name = "FILE.toml")]
    claims: Option<PathBuf>,
    /// The folder that receives the files; created where it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    model_digest: String,
    files: Vec<Exported>,
    /// Claims about two inputs.
    skipped: Vec<String>,
}

#[derive(Serialize)]
struct Exported {
    claim: String,
    constraint: usize,
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    args.json.check_writable()?;
    let model = Model::read(&args.model)?;
    let claims = read_claims(args.claims.as_deref())?;
    let expected = model.policy.header().feature_table;
    anyhow::ensure!(
        claims.feature_table == expected,
        "the claims are about feature table {}, the model reads table {expected}",
        claims.feature_table
    );
    let network = Network::new(&model.policy);
    let digest = model.policy.digest().to_string();
    let mut report = Report {
        model: args.model.clone(),
        model_digest: digest.clone(),
        files: vec![],
        skipped: vec![],
    };
    files::create_folder(&args.out)?;
    for (number, claim) in claims.claims.iter().enumerate() {
        if claim.kind != ClaimKind::Point {
            report.skipped.push(claim.name.clone());
            continue;
        }
        let problems = Problem::of_claim(&network, claim);
        let problems =
            problems.with_context(|| format!("claim `{}` does not fit the model", claim.name))?;
        for (constraint, problem) in problems.iter().enumerate() {
            let title = Title {
                model: &digest,
                claim: &claim.name,
                constraint,
            };
            let file = args.out.join(file_name(number, claim, constraint));
            let text = smtlib::write(&Question::from(problem), title);
            files::write(&file, text.as_bytes())?;
            report.files.push(Exported {
                claim: claim.name.clone(),
                constraint,
                file,
            });
        }
    }
    args.json.finish(&report, &text(&report)?)?;
    Ok(Exit::Accepted)
}

/// `00-name.0.smt2`; whatever a file name should not contain becomes a hyphen.
fn file_name(number: usize, claim: &Claim, constraint: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = claim.name.chars().map(plain).collect();
    format!("{number:02}-{name}.{constraint}.smt2")
}

fn text(report: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for exported in &report.files {
        writeln!(text, "{}", exported.file.display())?;
    }
    for name in &report.skipped {
        writeln!(text, "{name}: about two inputs, not written")?;
    }
    Ok(text)
}
