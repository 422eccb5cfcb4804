//! The report for people.

use std::collections::BTreeMap;
use std::fmt::{Error, Write as _};

use super::loops::SliceReport;
use super::{CertificateReport, ClaimReport, Report, SignatureReport};
use crate::words::{plain, plain_path};

/// Every certificate with what it proves or why not, a legend of the features, and the verdict.
pub(super) fn render(report: &Report) -> Result<String, Error> {
    let mut text = String::new();
    if let Some(signature) = &report.model_signature {
        writeln!(text, "{}: {}", plain_path(&report.model), signed(signature))?;
    }
    for certificate in &report.certificates {
        one(&mut text, report, certificate)?;
    }
    let open = report.claims_files.iter().filter(|it| !it.met());
    for file in open.filter(|_| !report.is_partial()) {
        let (name, digest) = (plain_path(&file.file), &file.digest);
        writeln!(
            text,
            "{name}: not proven: no certificate proves claim set {digest}"
        )?;
    }
    legend(&mut text, report)?;
    if report.is_partial() {
        writeln!(
            text,
            "not decided: what was checked holds, but not everything was checked"
        )?;
        return Ok(text);
    }
    let accepted = report.certificates.iter().filter(|it| it.accepted);
    let (accepted, all) = (accepted.count(), report.certificates.len());
    let verdict = if report.accepted {
        "accepted"
    } else {
        "rejected"
    };
    writeln!(
        text,
        "{verdict}: {accepted} of {all} certificates accepted, {} claims proven",
        report
            .certificates
            .iter()
            .map(|it| it.claims.len() + it.loops.len())
            .sum::<usize>()
    )?;
    Ok(text)
}

fn one(text: &mut String, report: &Report, certificate: &CertificateReport) -> Result<(), Error> {
    let path = plain_path(&certificate.certificate);
    if let Some(rejection) = &certificate.rejection {
        writeln!(text, "{path}: rejected at {rejection}")?;
    } else if let Some(partial) = &certificate.partial {
        writeln!(text, "{path}: {}", partial.summary())?;
        slices(text, &partial.slices)?;
    } else {
        let digest = certificate.model_digest.as_deref().unwrap_or_default();
        let but = if certificate.accepted {
            "accepted"
        } else {
            "proof accepted, signature rejected,"
        };
        writeln!(text, "{path}: {but} for model {digest}")?;
        let claims = certificate.claim_set_digest.as_deref().unwrap_or_default();
        match &certificate.claims_file {
            Some(file) => writeln!(
                text,
                "  proves exactly the claims of {} (digest {claims})",
                plain_path(file)
            )?,
            None if report.claims_files.is_empty() => writeln!(
                text,
                "  proves claims of its own choice (digest {claims}); --claims compares them with yours"
            )?,
            None => {}
        }
    }
    if let Some(signature) = &certificate.signature {
        writeln!(text, "  {}", signed(signature))?;
    }
    for claim in &certificate.claims {
        let ClaimReport {
            name,
            says,
            given,
            then,
            qc,
            leaves,
            ..
        } = claim;
        let leaves = if *leaves == 1 {
            "1 leaf".to_owned()
        } else {
            format!("{leaves} leaves")
        };
        writeln!(text, "  {}: QC {qc}, {leaves}", plain(name))?;
        writeln!(text, "      “{}”", plain(says))?;
        writeln!(text, "      where {given}")?;
        writeln!(text, "      then  {then}")?;
    }
    for claim in &certificate.loops {
        writeln!(text, "  {}: {}", plain(&claim.name), claim.shown)?;
        writeln!(text, "      “{}”", plain(&claim.says))?;
        writeln!(text, "      where {}", claim.given)?;
        writeln!(text, "      then  {}", claim.then)?;
        slices(text, &claim.slices)?;
    }
    Ok(())
}

fn slices(text: &mut String, slices: &[SliceReport]) -> Result<(), Error> {
    for slice in slices {
        let SliceReport {
            number,
            paths,
            cells,
            shown,
        } = slice;
        writeln!(
            text,
            "      slice {number}: {shown}; {paths}; {cells} cells"
        )?;
    }
    Ok(())
}

fn signed(signature: &SignatureReport) -> String {
    match (&signature.trusted_comment, &signature.reason) {
        (Some(comment), None) => format!("signed with the key given: {}", plain(comment)),
        (_, reason) => format!(
            "signature: {}",
            plain(reason.as_deref().unwrap_or("not verified"))
        ),
    }
}

/// What the features of the regions measure, each once.
fn legend(text: &mut String, report: &Report) -> Result<(), Error> {
    let claims = report.certificates.iter().flat_map(|it| &it.claims);
    let ranges = claims.flat_map(|claim| &claim.region);
    let features: BTreeMap<_, _> = ranges.map(|it| (it.feature, it.meaning)).collect();
    if !features.is_empty() {
        writeln!(text, "features, which are pure numbers:")?;
    }
    for (feature, meaning) in features {
        writeln!(text, "  {feature}: {meaning}")?;
    }
    Ok(())
}
