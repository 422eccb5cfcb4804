//! `tautline check`: the independent checker on files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::Layout;
use tautline_certificates::{CheckedCertificate, Rejection, Step, check};
use tautline_core::features::FeatureTable;
use tautline_core::policy::Digest;

use crate::exit::Exit;
use crate::model::{read_certificate_bytes, read_claims, read_model_bytes};
use crate::output::JsonArgs;
use crate::{files, interrupt, words};

/// Check certificates against a model, without trusting who made them.
///
/// The checker derives every bound again in exact integers from the model's bytes. It shares no
/// arithmetic with the trainer and the prover, and whatever it does not understand it rejects.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline check model.tlm certificate.tlc\n  \
    tautline check model.tlm certificate.tlc --claims claims/standard.toml --json -\n\n\
    Exit codes: 0 every certificate is accepted · 1 one is rejected · 2 wrong usage, or input or \
    output failed")]
pub(crate) struct Args {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    model: PathBuf,
    /// Certificates about it
    #[arg(required = true, value_name = "CERT.tlc")]
    certificates: Vec<PathBuf>,
    /// Accept only proofs of exactly these claims; by default a certificate's own are reported
    #[arg(long, value_name = "FILE.toml")]
    claims: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    accepted: bool,
    certificates: Vec<CertificateReport>,
}

#[derive(Serialize)]
struct CertificateReport {
    certificate: PathBuf,
    accepted: bool,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_digest: Option<String>,
    claims: Vec<ClaimReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionReport>,
}

/// An accepted claim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimReport {
    pub(crate) name: String,
    pub(crate) says: String,
    pub(crate) given: String,
    pub(crate) then: String,
    pub(crate) qc: String,
    pub(crate) leaves: u64,
}

/// Where, by which rule and why a certificate was refused.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RejectionReport {
    /// The claim at work, where the file is well-formed enough to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<String>,
    pub(crate) step: String,
    pub(crate) rule: String,
    pub(crate) reason: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let model = read_model_bytes(&args.model)?;
    let claims = args.claims.as_deref();
    let claims = claims.map(|path| read_claims(Some(path))).transpose()?;
    let mut inputs = vec![Some(args.model.as_path()), args.claims.as_deref()];
    inputs.extend(args.certificates.iter().map(|path| Some(path.as_path())));
    files::check_apart(&files::named(&[args.json.path()]), &files::named(&inputs))?;
    args.json.check_writable()?;
    let mut certificates = Vec::new();
    for path in &args.certificates {
        interrupt::check()?;
        certificates.push(check_one(&model, path, claims.as_ref())?);
    }
    let report = Report {
        model: args.model.clone(),
        accepted: certificates.iter().all(|it| it.accepted),
        certificates,
    };
    args.json.finish(&report, &text(&report)?)?;
    Ok(Exit::accepted_if(report.accepted))
}

fn check_one(
    model: &[u8],
    path: &Path,
    claims: Option<&ClaimSet>,
) -> anyhow::Result<CertificateReport> {
    let bytes = read_certificate_bytes(path)?;
    let outcome = check(model, &bytes, claims);
    let rejection = outcome.as_ref().err();
    let rejection = rejection.map(|it| RejectionReport::new(it, &bytes));
    let checked = outcome.ok();
    Ok(CertificateReport {
        certificate: path.to_owned(),
        accepted: checked.is_some(),
        digest: Digest::of(&bytes).to_string(),
        model_digest: checked.as_ref().map(|it| it.model().to_string()),
        claims: checked.as_ref().map(accepted_claims).unwrap_or_default(),
        rejection,
    })
}

/// What an accepted certificate proves.
pub(crate) fn accepted_claims(checked: &CheckedCertificate) -> Vec<ClaimReport> {
    let set = checked.claim_set();
    let table = FeatureTable::by_version(set.feature_table);
    let both = checked.claims().iter().zip(&set.claims);
    let reports = both.map(|(proven, claim)| ClaimReport {
        name: proven.name().to_owned(),
        says: proven.says().to_owned(),
        given: table.map_or_else(String::new, |table| words::region(claim, table)),
        then: table.map_or_else(String::new, |table| words::conclusion(claim, table)),
        qc: proven.qc().to_owned(),
        leaves: proven.leaves(),
    });
    reports.collect()
}

impl RejectionReport {
    /// `certificate` is looked into only for the name of the claim.
    pub(crate) fn new(rejection: &Rejection, certificate: &[u8]) -> Self {
        let claim = match rejection.step {
            Step::Section { section: claim }
            | Step::Constraint { claim, .. }
            | Step::Node { claim, .. } => Layout::read(certificate)
                .ok()
                .and_then(|layout| Some(layout.claims.claims.get(claim)?.name.clone())),
            _ => None,
        };
        Self {
            claim,
            step: rejection.step.to_string(),
            rule: rejection.rule.to_string(),
            reason: rejection.reason.to_string(),
        }
    }
}

impl std::fmt::Display for RejectionReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(claim) = &self.claim {
            write!(f, " ({claim})")?;
        }
        write!(f, ", rule {}: {}", self.rule, self.reason)
    }
}

fn text(report: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for certificate in &report.certificates {
        let path = certificate.certificate.display();
        if let Some(rejection) = &certificate.rejection {
            writeln!(text, "{path}: rejected at {rejection}")?;
            continue;
        }
        let digest = certificate.model_digest.as_deref().unwrap_or_default();
        writeln!(text, "{path}: accepted for model {digest}")?;
        for claim in &certificate.claims {
            let ClaimReport {
                name,
                given,
                then,
                qc,
                leaves,
                ..
            } = claim;
            writeln!(text, "  {name}: QC {qc}, {leaves} leaves")?;
            writeln!(text, "      where {given}")?;
            writeln!(text, "      then  {then}")?;
        }
    }
    Ok(text)
}
