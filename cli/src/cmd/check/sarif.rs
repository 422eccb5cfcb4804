//! The report as SARIF 2.1.0: a result for each thing that was rejected.
//!
//! # Source
//! OASIS, Static Analysis Results Interchange Format 2.1.0; keys are its property names.

use std::path::{Component, Path};

use serde::Serialize;
use tautline_core::policy::Digest;

use super::{Report, SignatureReport};

/// A log with one run (§3.13).
#[derive(Serialize)]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    invocations: [Invocation; 1],
    artifacts: Vec<Artifact>,
    results: Vec<Finding>,
    column_kind: &'static str,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    name: String,
    short_description: Message,
    full_description: Message,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    location: ArtifactLocation,
    roles: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    hashes: Option<Hashes>,
}

#[derive(Serialize)]
struct Hashes {
    #[serde(rename = "sha-256")]
    sha_256: String,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    partial_fingerprints: Fingerprint,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

/// Certificates are binary; viewers want a line all the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Fingerprint {
    #[serde(rename = "tautline/v1")]
    value: String,
}

/// What was found, before it has an index among the rules.
struct Found<'a> {
    rule: &'a str,
    file: &'a Path,
    text: String,
    step: Option<&'a str>,
    claim: Option<&'a str>,
}

/// The whole document.
pub(super) fn log(report: &Report) -> Log {
    let found = findings(report);
    let mut rules: Vec<_> = RULES
        .iter()
        .map(|(id, short, full)| descriptor(id, short, full))
        .collect();
    // A rule that the checker has learned and this table has not is named all the same.
    for one in &found {
        if rules.iter().all(|rule| rule.id != one.rule) {
            let full = "See docs/certificate-format.md.";
            rules.push(descriptor(one.rule, "A proof rule does not apply.", full));
        }
    }
    let index = |id: &str| rules.iter().position(|rule| rule.id == id).unwrap_or(0);
    let results = found.iter().map(|one| one.result(index(one.rule)));
    let results = results.collect();
    let certificates = report.certificates.iter().map(|it| Artifact {
        location: location(&it.certificate),
        roles: ["analysisTarget"],
        hashes: Some(Hashes {
            sha_256: it.digest.clone(),
        }),
    });
    let model = Artifact {
        location: location(&report.model),
        roles: ["analysisTarget"],
        hashes: None,
    };
    let run = Run {
        tool: Tool {
            driver: Driver {
                name: "tautline check",
                version: env!("CARGO_PKG_VERSION"),
                rules,
            },
        },
        // The checker came to a verdict; that it may be a rejection is in the results.
        invocations: [Invocation {
            execution_successful: true,
        }],
        artifacts: std::iter::once(model).chain(certificates).collect(),
        results,
        column_kind: "unicodeCodePoints",
    };
    Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: [run],
    }
}

fn findings(report: &Report) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    if let Some(signature) = &report.model_signature {
        found.extend(bad_signature(&report.model, signature));
    }
    for certificate in &report.certificates {
        let file = certificate.certificate.as_path();
        found.extend(certificate.rejection.as_ref().map(|rejection| Found {
            rule: &rejection.rule,
            file,
            text: format!("Certificate rejected at {rejection}"),
            step: Some(&rejection.step),
            claim: rejection.claim.as_deref(),
        }));
        found.extend(certificate.partial.as_ref().map(|partial| Found {
            rule: "partial",
            file,
            text: format!("Not decided: {}", partial.summary()),
            step: None,
            claim: None,
        }));
        let signature = certificate.signature.as_ref();
        found.extend(signature.and_then(|it| bad_signature(file, it)));
    }
    let open = report.claims_files.iter().filter(|it| !it.met());
    found.extend(open.map(|file| Found {
        rule: "claims",
        file: &file.file,
        text: format!("No certificate proves claim set {}", file.digest),
        step: None,
        claim: None,
    }));
    found
}

fn bad_signature<'a>(file: &'a Path, signature: &SignatureReport) -> Option<Found<'a>> {
    let reason = signature.reason.as_ref()?;
    Some(Found {
        rule: "signature",
        file,
        text: format!("Signature rejected: {reason}"),
        step: None,
        claim: None,
    })
}

impl Found<'_> {
    fn result(&self, rule_index: usize) -> Finding {
        let file = location(self.file);
        let parts = [
            self.rule,
            &file.uri,
            self.step.unwrap_or_default(),
            self.claim.unwrap_or_default(),
        ];
        let fingerprint = Digest::of(parts.join("\0").as_bytes()).to_string();
        let logical = self.step.map(|step| LogicalLocation {
            name: self.claim.map(str::to_owned),
            fully_qualified_name: step.to_owned(),
            kind: "member",
        });
        Finding {
            rule_id: self.rule.to_owned(),
            rule_index,
            level: "error",
            message: Message {
                text: self.text.clone(),
            },
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: file,
                    region: Region { start_line: 1 },
                },
                logical_locations: logical.into_iter().collect(),
            }],
            partial_fingerprints: Fingerprint { value: fingerprint },
        }
    }
}

fn descriptor(id: &str, short: &str, full: &str) -> Descriptor {
    Descriptor {
        id: id.to_owned(),
        name: id.to_owned(),
        short_description: Message {
            text: short.to_owned(),
        },
        full_description: Message {
            text: full.to_owned(),
        },
        default_configuration: Configuration { level: "error" },
    }
}

/// A path as a URI reference: relative to the working folder where it lies below it.
fn location(path: &Path) -> ArtifactLocation {
    let below = std::env::current_dir().ok();
    let below = below.and_then(|folder| path.strip_prefix(folder).ok());
    ArtifactLocation {
        uri: uri(below.unwrap_or(path)),
    }
}

fn uri(path: &Path) -> String {
    let mut text = String::new();
    for component in path.components() {
        match component {
            Component::RootDir => text.push_str("file:///"),
            Component::CurDir => {}
            other => {
                if !text.is_empty() && !text.ends_with('/') {
                    text.push('/');
                }
                for &byte in other.as_os_str().as_encoded_bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        text.push(char::from(byte));
                    } else {
                        text.extend(['%', hex(byte >> 4), hex(byte & 15)]);
                    }
                }
            }
        }
    }
    text
}

fn hex(digit: u8) -> char {
    let digit = char::from_digit(digit.into(), 16);
    digit.map_or('0', |digit| digit.to_ascii_uppercase())
}

/// Name, what a result under it means, and what the rule is. Proof rules are those of
/// docs/certificate-format.md §4.
const RULES: [(&str, &str, &str); 21] = [
    (
        "format",
        "The file is not a whole certificate of this version.",
        "Magic, version, lengths, digests, canonical encoding and limits (docs/certificate-format.md §2).",
    ),
    (
        "model",
        "The certificate is about another model, or the model is not a valid program.",
        "The digest in the certificate must be that of the model's bytes.",
    ),
    (
        "claims",
        "Other claims than those asked for, or claims that nothing proves.",
        "Every certificate must prove exactly the claims of one of the files given, and every file must be proven.",
    ),
    (
        "relaxation",
        "A leaf's linear relaxation does not prove its constraint.",
        "Exact backward bounds with the leaf's slopes and multipliers (docs/certificate-format.md §4).",
    ),
    (
        "split",
        "A split does not cut its box in two.",
        "The cut must leave something on both sides (docs/certificate-format.md §4).",
    ),
    (
        "phase split",
        "A phase split does not name a neuron that is free.",
        "Value before the ReLU at most 0, or at least 1 (docs/certificate-format.md §4).",
    ),
    (
        "corner",
        "A corner is not allowed here.",
        "Features whose effect has one sign are fixed at their worse end (docs/certificate-format.md §4).",
    ),
    (
        "empty",
        "A box that is said to be empty is not shown to be.",
        "A fact cannot hold anywhere in the box (docs/certificate-format.md §4).",
    ),
    (
        "interval",
        "Intervals do not prove the constraint.",
        "Interval propagation over the box (docs/certificate-format.md §4).",
    ),
    (
        "sign",
        "Signs of weights do not prove the pair claim.",
        "No step of a raised feature may raise the sum (docs/certificate-format.md §4).",
    ),
    (
        "difference",
        "A leaf's bounds of differences do not prove its pair constraint.",
        "Exact bounds of what two inputs' values differ by (docs/certificate-format.md §4).",
    ),
    (
        "ratio",
        "The claims named do not prove the ratio of two flows.",
        "A bound on the ratio of throughputs follows from claims about pairs (docs/certificate-format.md).",
    ),
    (
        "powers",
        "An entry of the table of powers of two is wrong.",
        "Each entry is squared up to a whole power (docs/closed-loop.md §5).",
    ),
    (
        "cover",
        "The slices leave out paths of the claim's family.",
        "Bandwidth-delay products and buffers must be covered without a gap (docs/closed-loop.md §4).",
    ),
    (
        "grid",
        "The cells of a slice do not fit the model or the claim.",
        "Widths, reach and range of the cells, and the clamps of the window (docs/closed-loop.md §4).",
    ),
    (
        "start",
        "A cell that meets the start set has no rank.",
        "Every start must be on its way (docs/closed-loop.md §4).",
    ),
    (
        "rank",
        "A step leads to a cell whose rank is too low.",
        "From rank r to r + 1 or the largest (docs/closed-loop.md §4).",
    ),
    (
        "drain",
        "A drain does not empty the queue, or ends outside the ranked cells.",
        "From every settled cell (docs/closed-loop.md §4).",
    ),
    (
        "settled",
        "A settled cell misses the claim's bounds.",
        "Utilisation, queue and rounds (docs/closed-loop.md §4).",
    ),
    (
        "partial",
        "Only some slices of a closed-loop certificate were checked.",
        "The slices asked for hold; a proof needs all of them.",
    ),
    (
        "signature",
        "A signature is missing or does not verify.",
        "With a public key, every certificate needs a minisign signature as well as a proof.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_without_letters_that_mean_something_there() {
        assert_eq!(
            uri(Path::new("./a b/c:d?e#f.tlc")),
            "a%20b/c%3Ad%3Fe%23f.tlc"
        );
        assert_eq!(uri(Path::new("/tmp/%/é.tlc")), "file:///tmp/%25/%C3%A9.tlc");
        assert_eq!(uri(Path::new("../x.tlc")), "../x.tlc");
    }

    #[test]
    fn rules_have_names_of_their_own() {
        let mut names: Vec<_> = RULES.iter().map(|(name, ..)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }
}
