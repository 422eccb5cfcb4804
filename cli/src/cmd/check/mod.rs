//! `tautline check`: the independent checker on files.

mod arguments;
mod claims;
mod junit;
pub(crate) mod loops;
mod sarif;
mod signature;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use minisign_verify::PublicKey;
use serde::Serialize;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::Layout;
use tautline_certificates::{CheckedCertificate, Rejection, Rule, Step, check};
use tautline_core::features::FeatureTable;
use tautline_core::policy::Digest;

pub(crate) use arguments::Args;

use crate::exit::Exit;
use crate::model::{read_certificate_bytes, read_model_bytes};
use crate::{interrupt, words};
use claims::{ClaimsFileReport, WantedClaims};
use loops::{LoopOutcome, LoopReport, PartialReport, Slices};
use signature::SignatureReport;

/// The result as JSON; the other forms are made from it.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    accepted: bool,
    /// Whether the checker accepts every certificate, and every claims file asked for is proven;
    /// signatures are not asked.
    proven: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_signature: Option<SignatureReport>,
    claims_files: Vec<ClaimsFileReport>,
    certificates: Vec<CertificateReport>,
}

#[derive(Serialize)]
struct CertificateReport {
    certificate: PathBuf,
    /// Proven, and signed where a key was given.
    accepted: bool,
    /// The checker's own verdict.
    proven: bool,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_digest: Option<String>,
    /// The claim set that the file carries, where it is well-formed enough to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_set_digest: Option<String>,
    /// The file among those asked for that holds exactly this claim set.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims_file: Option<PathBuf>,
    /// The claims proven; none if rejected.
    claims: Vec<ClaimReport>,
    /// The closed-loop claims proven; none if rejected or checked in part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    loops: Vec<LoopReport>,
    /// What was checked, where only some slices were asked for: then nothing is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<PartialReport>,
    /// Names of all claims that the file carries, proven or not.
    claim_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureReport>,
}

/// An accepted claim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimReport {
    pub(crate) name: String,
    pub(crate) says: String,
    /// The region, in numbers that hold for exactly the inputs that were proven.
    pub(crate) given: String,
    /// The constraints, likewise.
    pub(crate) then: String,
    pub(crate) qc: String,
    pub(crate) leaves: u64,
    /// Range of every feature that the claim restricts.
    pub(crate) region: Vec<words::FeatureRange>,
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
    args.check()?;
    let model = read_model_bytes(&args.model)?;
    let wanted = WantedClaims::read(&args.claims)?;
    let key = args.public_key.as_deref().map(signature::read_key);
    let key = key.transpose()?;
    let mut certificates = Vec::new();
    for (number, path) in args.certificates.iter().enumerate() {
        interrupt::check()?;
        let signed = key.as_ref().map(|key| (key, args.signature_of(number)));
        certificates.push(check_one(
            &model,
            path,
            &wanted,
            signed,
            args.slices.as_ref(),
        )?);
    }
    let model_signature = key.as_ref().filter(|_| args.signed_model);
    let model_signature = model_signature
        .map(|key| signature::verify(key, &model, &signature::beside(&args.model)))
        .transpose()?;
    let claims_files = wanted.reports(&certificates);
    let proven =
        certificates.iter().all(|it| it.proven) && claims_files.iter().all(ClaimsFileReport::met);
    let signatures = certificates.iter().filter_map(|it| it.signature.as_ref());
    let signed = signatures.chain(&model_signature).all(|it| it.valid);
    let report = Report {
        model: args.model.clone(),
        accepted: proven && signed,
        proven,
        model_signature,
        claims_files,
        certificates,
    };
    let exit = match (proven, signed) {
        (true, true) => Exit::Accepted,
        (true, false) => Exit::Unsigned,
        (false, _) if report.is_partial() => Exit::Partial,
        (false, _) => Exit::Rejected,
    };
    args.write(&report)?;
    Ok(exit)
}

impl Report {
    /// Whether nothing was rejected but some certificate was only checked in part; such a check
    /// proves no claims file, so those are not asked.
    fn is_partial(&self) -> bool {
        let mut certificates = self.certificates.iter();
        certificates.all(|it| it.proven || it.partial.is_some())
            && self.certificates.iter().any(|it| it.partial.is_some())
    }
}

/// What the checker says of a file.
enum Checked {
    Decisions(CheckedCertificate),
    Loops(LoopOutcome),
}

/// Checks a file by the claims that it carries.
fn judge(
    model: &[u8],
    bytes: &[u8],
    claims: Option<&ClaimSet>,
    slices: Option<&Slices>,
) -> anyhow::Result<Result<Checked, Rejection>> {
    let layout = Layout::read(bytes).ok();
    if layout.is_some_and(|layout| !layout.claims.loops.is_empty()) {
        let outcome = loops::check(model, bytes, claims, slices)?;
        return Ok(outcome.map(Checked::Loops));
    }
    if slices.is_some() {
        bail!("--slices is for certificates of closed-loop claims, this one has none");
    }
    Ok(check(model, bytes, claims).map(Checked::Decisions))
}

fn check_one(
    model: &[u8],
    path: &Path,
    wanted: &WantedClaims,
    signed: Option<(&PublicKey, PathBuf)>,
    slices: Option<&Slices>,
) -> anyhow::Result<CertificateReport> {
    let bytes = read_certificate_bytes(path)?;
    let layout = Layout::read(&bytes).ok();
    let claim_set = layout.as_ref().map(|layout| layout.claims_digest);
    let outcome = judge(model, &bytes, wanted.compared_with(claim_set), slices);
    let outcome = outcome.with_context(|| format!("certificate {}", path.display()))?;
    let rejection = outcome.as_ref().err().map(|rejection| {
        let mut report = RejectionReport::new(rejection, &bytes);
        if rejection.rule == Rule::Claims && rejection.step == Step::Claims {
            wanted.name_all(&mut report, claim_set);
        }
        report
    });
    let (checked, looped) = match outcome {
        Ok(Checked::Decisions(checked)) => (Some(checked), None),
        Ok(Checked::Loops(looped)) => (None, Some(looped)),
        Err(_) => (None, None),
    };
    // The very bytes that were checked, whatever the file holds by now.
    let signature = signed.map(|(key, path)| signature::verify(key, &bytes, &path));
    let signature = signature.transpose()?;
    let whole = looped.as_ref().is_some_and(|it| it.partial.is_none());
    let proven = checked.is_some() || whole;
    let model = checked.as_ref().map(CheckedCertificate::model);
    let model = model.or_else(|| looped.as_ref().map(|it| it.model));
    let (loops, partial) = looped.map_or_else(Default::default, |it| (it.loops, it.partial));
    Ok(CertificateReport {
        certificate: path.to_owned(),
        accepted: proven && signature.as_ref().is_none_or(|it| it.valid),
        proven,
        digest: Digest::of(&bytes).to_string(),
        model_digest: model.map(|digest| digest.to_string()),
        claim_set_digest: claim_set.map(|digest| digest.to_string()),
        claims_file: claim_set
            .and_then(|digest| wanted.file_of(digest))
            .map(Path::to_owned),
        claims: checked.as_ref().map(accepted_claims).unwrap_or_default(),
        claim_names: layout.map_or_else(Vec::new, |layout| {
            let claims = layout.claims.claims.into_iter().map(|claim| claim.name);
            let loops = layout.claims.loops.into_iter().map(|claim| claim.name);
            let ratios = layout.claims.ratios.into_iter().map(|claim| claim.name);
            claims.chain(loops).chain(ratios).collect()
        }),
        loops,
        partial,
        rejection,
        signature,
    })
}

/// What an accepted certificate proves.
pub(crate) fn accepted_claims(checked: &CheckedCertificate) -> Vec<ClaimReport> {
    let set = checked.claim_set();
    let table = FeatureTable::by_version(set.feature_table);
    let both = checked.claims().iter().zip(&set.claims);
    let ratios = checked.claims().iter().skip(set.claims.len());
    let ratios = ratios.zip(&set.ratios).map(|(proven, claim)| ClaimReport {
        name: proven.name().to_owned(),
        says: proven.says().to_owned(),
        given: words::ratio_given(claim),
        then: words::ratio_then(claim),
        qc: proven.qc().to_owned(),
        leaves: proven.leaves(),
        region: vec![],
    });
    let reports = both.map(|(proven, claim)| ClaimReport {
        name: proven.name().to_owned(),
        says: proven.says().to_owned(),
        given: table.map_or_else(String::new, |table| words::region(claim, table)),
        then: table.map_or_else(String::new, |table| words::conclusion(claim, table)),
        qc: proven.qc().to_owned(),
        leaves: proven.leaves(),
        region: table.map_or_else(Vec::new, |table| words::ranges(claim, table)),
    });
    reports.chain(ratios).collect()
}

/// The name of a claim by its position; a file has claims of one kind.
fn name_of(claims: &ClaimSet, claim: usize) -> Option<String> {
    let decisions = claims.claims.iter().map(|claim| &claim.name);
    let loops = claims.loops.iter().map(|claim| &claim.name);
    decisions.chain(loops).nth(claim).cloned()
}

impl RejectionReport {
    /// `certificate` is looked into only for the name of the claim.
    pub(crate) fn new(rejection: &Rejection, certificate: &[u8]) -> Self {
        let claim = match rejection.step {
            Step::Section { section: claim }
            | Step::Constraint { claim, .. }
            | Step::Node { claim, .. }
            | Step::Slice { claim, .. }
            | Step::Cell { claim, .. } => Layout::read(certificate)
                .ok()
                .and_then(|layout| name_of(&layout.claims, claim)),
            Step::Ratio { claim } => Layout::read(certificate)
                .ok()
                .and_then(|layout| Some(layout.claims.ratios.get(claim)?.name.clone())),
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
            write!(f, " ({})", words::plain(claim))?;
        }
        write!(f, ", rule {}: {}", self.rule, words::plain(&self.reason))
    }
}
