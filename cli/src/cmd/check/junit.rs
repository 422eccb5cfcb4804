//! The report as JUnit XML: a suite per certificate, a case per claim.

use std::fmt::{self, Write as _};

use super::{CertificateReport, ClaimsFileReport, RejectionReport, Report, SignatureReport};

/// A test case.
struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed {
        system_out: String,
    },
    Failed {
        kind: String,
        message: String,
        text: String,
    },
    Skipped {
        message: String,
    },
}

/// The whole document.
pub(super) fn render(report: &Report) -> Result<String, fmt::Error> {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    if let Some(signature) = &report.model_signature {
        let model = report.model.display().to_string();
        suites.push((model.clone(), vec![signature_case(model, signature)]));
    }
    for certificate in &report.certificates {
        let name = certificate.certificate.display().to_string();
        let cases = cases(&name, certificate);
        suites.push((name, cases));
    }
    if !report.claims_files.is_empty() {
        let files = report.claims_files.iter().map(claims_case).collect();
        suites.push(("claims files".to_owned(), files));
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    writeln!(
        text,
        "<testsuites name=\"tautline check\" {}>",
        counts(all())
    )?;
    for (name, cases) in &suites {
        let name = escape(name);
        let counts = counts(cases.iter());
        writeln!(text, "  <testsuite name=\"{name}\" {counts}>")?;
        for case in cases {
            text.push_str(&case.xml());
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    Ok(text)
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut skipped) = (0, 0, 0);
    for case in cases {
        tests += 1;
        match case.outcome {
            Outcome::Passed { .. } => {}
            Outcome::Failed { .. } => failures += 1,
            Outcome::Skipped { .. } => skipped += 1,
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"")
}

/// A case per claim; a rejection that is about none of them has one of its own.
fn cases(class: &str, certificate: &CertificateReport) -> Vec<Case> {
    let case = |name: &str, outcome| Case {
        class: class.to_owned(),
        name: name.to_owned(),
        outcome,
    };
    let mut cases = Vec::new();
    if let Some(rejection) = &certificate.rejection {
        let at_work = rejection.claim.as_deref();
        if at_work.is_none() {
            cases.push(case("certificate", failed(rejection)));
        }
        for name in &certificate.claim_names {
            let outcome = if at_work == Some(name) {
                failed(rejection)
            } else {
                // One step that is no proof, and nothing of the certificate counts.
                Outcome::Skipped {
                    message: format!("not proven: rejected at {rejection}"),
                }
            };
            cases.push(case(name, outcome));
        }
    }
    if let Some(partial) = &certificate.partial {
        for name in &certificate.claim_names {
            let message = partial.summary();
            cases.push(case(name, Outcome::Skipped { message }));
        }
    }
    for claim in &certificate.loops {
        let (shown, given, then) = (&claim.shown, &claim.given, &claim.then);
        let mut lines = vec![format!("{shown}\nwhere {given}\nthen {then}")];
        lines.extend(claim.slices.iter().map(|slice| {
            let (number, shown, paths) = (slice.number, &slice.shown, &slice.paths);
            format!("slice {number}: {shown}; {paths}")
        }));
        let system_out = lines.join("\n");
        cases.push(case(&claim.name, Outcome::Passed { system_out }));
    }
    for claim in &certificate.claims {
        let system_out = format!(
            "QC {}, {} leaves\nwhere {}\nthen {}",
            claim.qc, claim.leaves, claim.given, claim.then
        );
        cases.push(case(&claim.name, Outcome::Passed { system_out }));
    }
    if let Some(signature) = &certificate.signature {
        cases.push(signature_case(class.to_owned(), signature));
    }
    cases
}

fn failed(rejection: &RejectionReport) -> Outcome {
    Outcome::Failed {
        kind: rejection.rule.clone(),
        message: format!("{}: {}", rejection.step, rejection.reason),
        text: format!(
            "step: {}\nrule: {}\nreason: {}",
            rejection.step, rejection.rule, rejection.reason
        ),
    }
}

fn signature_case(class: String, signature: &SignatureReport) -> Case {
    let outcome = match (&signature.trusted_comment, &signature.reason) {
        (Some(comment), None) => Outcome::Passed {
            system_out: format!("trusted comment: {comment}"),
        },
        (_, reason) => Outcome::Failed {
            kind: "signature".to_owned(),
            message: reason.clone().unwrap_or_default(),
            text: format!("signature file: {}", signature.file.display()),
        },
    };
    Case {
        class,
        name: "signature".to_owned(),
        outcome,
    }
}

fn claims_case(file: &ClaimsFileReport) -> Case {
    let outcome = if file.met() {
        let proofs = file.proven_by.iter().map(|it| it.display().to_string());
        Outcome::Passed {
            system_out: format!("proven by {}", proofs.collect::<Vec<_>>().join(", ")),
        }
    } else {
        Outcome::Failed {
            kind: "claims".to_owned(),
            message: format!("no certificate proves claim set {}", file.digest),
            text: "every claims file asked for must be proven by a certificate".to_owned(),
        }
    };
    Case {
        class: "claims files".to_owned(),
        name: file.file.display().to_string(),
        outcome,
    }
}

impl Case {
    fn xml(&self) -> String {
        let (class, name) = (escape(&self.class), escape(&self.name));
        let inner = match &self.outcome {
            Outcome::Passed { system_out } => {
                format!("<system-out>{}</system-out>", escape(system_out))
            }
            Outcome::Failed {
                kind,
                message,
                text,
            } => format!(
                "<failure type=\"{}\" message=\"{}\">{}</failure>",
                escape(kind),
                escape(message),
                escape(text)
            ),
            Outcome::Skipped { message } => format!("<skipped message=\"{}\"/>", escape(message)),
        };
        format!("    <testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>\n")
    }
}

/// Text for element content and attributes alike. What XML 1.0 cannot hold at all is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_letters_become_harmless_ones() {
        let escaped = escape("]]><a b='\"'>&\u{1b}[0m\0\n\u{ffff}é");
        assert_eq!(
            escaped,
            "]]&gt;&lt;a b=&apos;&quot;&apos;&gt;&amp;\u{fffd}[0m\u{fffd}&#10;\u{fffd}é"
        );
    }
}
