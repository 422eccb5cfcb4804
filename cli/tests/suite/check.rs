//! `tautline check`.

use std::sync::Arc;

use tautline_core::policy::{self, Policy};

use crate::run::{Fixture, file, run, text};

#[test]
fn an_accepted_certificate_lists_what_it_proves() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let said = run(["check", text(&model), text(&certificate)]).exits(0);
    for part in [
        "accepted for model",
        "smooth",
        "everywhere",
        "rate − 0.5·last_step ≤ 0.6",
        "1/1",
    ] {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
    let report = run(["check", text(&model), text(&certificate), "--json", "-"])
        .exits(0)
        .json();
    assert_eq!(report["accepted"], true);
    let claims = report["certificates"][0]["claims"].as_array().unwrap();
    assert!(
        claims.iter().all(|claim| claim["qc"] == "1/1"),
        "{claims:?}"
    );
}

#[test]
fn a_flipped_byte_or_a_cut_is_rejected_with_step_rule_and_reason() {
    let fixture = Fixture::shared();
    let model = fixture.model();
    let bytes = std::fs::read(fixture.certificate()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    let mut version = bytes.clone();
    version[4] = 9;
    let cases = [
        ("flipped.tlc", flipped, "corrupt"),
        ("cut.tlc", bytes[..bytes.len() / 2].to_vec(), ""),
        ("version.tlc", version, "version 9"),
        ("text.tlc", b"not one".to_vec(), "not a certificate"),
    ];
    for (name, content, reason) in cases {
        let path = file(&folder, name, content);
        let said = run(["check", text(&model), text(&path), "--json", "-"]).exits(1);
        let rejection = said.json()["certificates"][0]["rejection"].clone();
        assert_eq!(rejection["rule"], "format", "{name}: {rejection}");
        assert_eq!(rejection["step"], "file", "{name}: {rejection}");
        let said_reason = rejection["reason"].as_str().unwrap();
        assert!(said_reason.contains(reason), "{name}: {said_reason}");
    }
}

#[test]
fn a_certificate_of_another_model_is_rejected() {
    let fixture = Fixture::shared();
    let bytes = std::fs::read(fixture.model()).unwrap();
    let (header, parameters) = policy::decode(&bytes).unwrap();
    let mut parameters: Vec<i16> = parameters.iter().collect();
    parameters[0] ^= 1;
    let other = Policy::new(header, Arc::<[i16]>::from(parameters)).unwrap();
    let mut encoded = Vec::new();
    policy::encode(&header, other.parameters(), |piece| {
        encoded.extend_from_slice(piece);
    });
    let folder = tempfile::tempdir().unwrap();
    let other = file(&folder, "other.tlm", encoded);
    let certificate = fixture.certificate();
    let said = run(["check", text(&other), text(&certificate)]).exits(1);
    assert!(
        said.stdout
            .contains("rule model: certificate is about model"),
        "{}",
        said.stdout
    );
}

#[test]
fn one_rejected_certificate_among_accepted_ones_rejects_all() {
    let fixture = Fixture::shared();
    let (model, good) = (fixture.model(), fixture.certificate());
    let folder = tempfile::tempdir().unwrap();
    let bad = file(&folder, "bad.tlc", "bad");
    let report = run([
        "check",
        text(&model),
        text(&good),
        text(&bad),
        "--json",
        "-",
    ]);
    let report = report.exits(1).json();
    assert_eq!(report["accepted"], false);
    assert_eq!(report["certificates"][0]["accepted"], true);
    assert_eq!(report["certificates"][1]["accepted"], false);
}

#[test]
fn a_certificate_of_fewer_claims_than_asked_for_is_rejected() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let standard = concat!(env!("CARGO_MANIFEST_DIR"), "/../claims/standard.toml");
    run([
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        standard,
    ])
    .exits(0);
    let folder = tempfile::tempdir().unwrap();
    let stricter = std::fs::read_to_string(standard)
        .unwrap()
        .replace("<= 0.6", "<= 0.5");
    let stricter = file(&folder, "stricter.toml", stricter);
    let said = run([
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        text(&stricter),
    ]);
    let said = said.exits(1);
    assert!(said.stdout.contains("rule claims"), "{}", said.stdout);
}

#[test]
fn files_that_cannot_be_read_are_no_verdict() {
    let fixture = Fixture::shared();
    let model = fixture.model();
    run(["check", text(&model), "missing.tlc"])
        .exits(2)
        .complains_of(&["missing.tlc", "expected a certificate (.tlc)"]);
    run(["check", text(&model)]).exits(2);
    // The next argument would be taken for the place of the JSON.
    let certificate = fixture.certificate();
    run(["check", "--json", text(&model), text(&certificate)])
        .exits(2)
        .complains_of(&["looks like an input"]);
}
