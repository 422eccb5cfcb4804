//! `tautline embed`: a certified model as Rust source, for programs without files and a checker.

mod source;

use std::path::PathBuf;

use serde::Serialize;
use tautline_core::features::TABLE_1;

use crate::exit::Exit;
use crate::model::Certified;
use crate::output::JsonArgs;
use crate::{files, words};

/// Write a certified model as a Rust source file for an embedded program.
///
/// The checker must accept the certificate for exactly the claims asked for; then the file holds
/// the model's shapes and weights as constants, and what the guard may rely on, bound to the
/// model's digest. The target needs no file system, no heap and no checker: what the file says was
/// checked here, and it is as trustworthy as its way into your program.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline embed model.tlm certificate.tlc -o src/policy.rs\n  \
    tautline embed model.tlm certificate.tlc --claims my-claims.toml -o src/policy.rs\n  \
    tautline embed model.tlm certificate.tlc --closed-loop loop.tlc -o src/policy.rs\n\n\
    docs/embedded.md shows the program around it.\n\
    Exit codes: 0 the certificate is accepted and the file written · 1 the certificate is \
    rejected, nothing is written · 2 wrong usage, or input or output failed")]
pub(crate) struct Args {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    model: PathBuf,
    /// Its certificate
    #[arg(value_name = "CERT.tlc")]
    certificate: PathBuf,
    /// Claims that the certificate must prove; the standard claims by default
    #[arg(long, value_name = "FILE.toml")]
    claims: Option<PathBuf>,
    /// Certificate of closed-loop claims about the model; the guard then watches the path for
    /// evidence against what they assume
    #[arg(long, value_name = "LOOP.tlc")]
    closed_loop: Option<PathBuf>,
    /// The Rust source file
    #[arg(short, long, value_name = "FILE.rs")]
    out: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    model_digest: String,
    certificate: PathBuf,
    certificate_digest: String,
    /// Names of the claims proven.
    claims: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_loop_certificate: Option<PathBuf>,
    /// Names of the closed-loop claims proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closed_loop_claims: Vec<String>,
    parameters: usize,
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut inputs = vec![args.model.as_path(), args.certificate.as_path()];
    inputs.extend(args.claims.as_deref());
    inputs.extend(args.closed_loop.as_deref());
    let mut outputs = vec![args.out.as_path()];
    outputs.extend(args.json.path());
    files::check_apart(&outputs, &inputs)?;
    files::check_writable(&args.out)?;
    args.json.check_writable()?;
    let mut certified = Certified::load(&args.model, &args.certificate, args.claims.as_deref())?;
    if let Some(path) = &args.closed_loop {
        certified = certified.with_loop(&args.model, path)?;
    }
    let (policy, certificate) = (&certified.policy, &certified.certificate);
    let table = policy.header().feature_table;
    anyhow::ensure!(
        table == TABLE_1.version,
        "{}: the model reads feature table {table}, a controller fills table {}",
        args.model.display(),
        TABLE_1.version
    );
    let text = source::render(policy, certificate)?;
    files::write(&args.out, text.as_bytes())?;
    let report = Report {
        model: args.model.clone(),
        model_digest: certificate.model().to_string(),
        certificate: args.certificate.clone(),
        certificate_digest: certificate.certificate().to_string(),
        claims: certificate
            .claims()
            .iter()
            .map(|claim| claim.name().to_owned())
            .collect(),
        closed_loop_certificate: args.closed_loop.clone(),
        closed_loop_claims: certificate
            .closed_loop()
            .into_iter()
            .flat_map(tautline_certificates::closed_loop::CheckedLoop::claims)
            .map(|proven| proven.claim().name.clone())
            .collect(),
        parameters: policy.parameters().len(),
        file: args.out.clone(),
    };
    let line = format!(
        "{}: {} parameters of model {}, {} claims proven\n",
        words::plain_path(&report.file),
        report.parameters,
        report.model_digest,
        report.claims.len() + report.closed_loop_claims.len()
    );
    args.json.finish(&report, &line)?;
    Ok(Exit::Accepted)
}
