//! `tautline certify --closed-loop` and `tautline check` of what it writes.

mod rejections;
mod reports;
mod resume;

use std::path::PathBuf;
use std::sync::OnceLock;

use tautline_certificates::closed_loop::Slice;
use tautline_certificates::format::{Certificate, Section};
use tempfile::TempDir;

use crate::check_reports::shipped;
use crate::run::{file, names_in, run, text};

/// Two slices, half an octave and an eighth.
const CLAIMS: &str = r#"version = 1
feature_table = 1

[[claim]]
name = "settles"
kind = "loop"
says = "It settles."
assume = ["A6"]
given = { jitter = "0.05", log_bdp = ["5", "5.625"], buffer = ["1", "inf"], start = ["-0.75", "1.125"] }
then = ["utilisation >= 0.97", "queue <= 1.1", "rounds <= 100"]
"#;

fn model() -> PathBuf {
    shipped("models/steady/model.tlm")
}

/// A certificate of [`CLAIMS`] about models/steady, made once.
struct Fixture {
    folder: TempDir,
    claims: PathBuf,
}

impl Fixture {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Fixture> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let claims = file(&folder, "narrow.toml", CLAIMS);
            let fixture = Self { folder, claims };
            let (model, out) = (model(), fixture.certificate());
            let args = ["certify", text(&model), "--closed-loop"];
            let args = args.into_iter().chain(["--claims", text(&fixture.claims)]);
            let report = run(args.chain(["--out", text(&out), "--json", "-"]))
                .exits(0)
                .json();
            assert_eq!(report["holds"], true);
            assert_eq!(report["claims"][0]["verdict"], "holds");
            assert_eq!(report["claims"][0]["slices"].as_array().unwrap().len(), 2);
            // The kept slices are gone once the certificate is there.
            assert_eq!(
                names_in(fixture.folder.path()),
                ["narrow.tlc", "narrow.toml"]
            );
            fixture
        })
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("narrow.tlc")
    }

    fn decoded(&self) -> Certificate {
        Certificate::decode(&std::fs::read(self.certificate()).unwrap()).unwrap()
    }
}

/// The encoded slices of the only claim.
fn slices(certificate: &mut Certificate) -> &mut Vec<Vec<u8>> {
    let [Section::RankGrid { slices, .. }] = certificate.sections.as_mut_slice() else {
        panic!("one closed-loop claim");
    };
    slices
}

/// The same certificate with a slice changed.
fn change(certificate: &mut Certificate, number: usize, how: impl FnOnce(&mut Slice)) {
    let bytes = &mut slices(certificate)[number];
    let mut slice = Slice::decode(bytes).unwrap();
    how(&mut slice);
    *bytes = slice.encode().unwrap();
}

#[test]
fn what_is_certified_is_accepted_and_says_what_it_proves() {
    let fixture = Fixture::shared();
    let (model, certificate) = (model(), fixture.certificate());
    let claims = ["--claims", text(&fixture.claims)];
    let args = ["check", text(&model), text(&certificate)];
    let said = run(args.into_iter().chain(claims)).exits(0);
    for part in [
        "narrow.tlc: accepted for model",
        "settles: U ≥ ",
        "slice 1: U ≥ ",
        "jitter ≤ 0.05",
        "of the BDP, assuming A6",
        "accepted: 1 of 1 certificates accepted, 1 claims proven",
    ] {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
}

#[test]
fn some_slices_are_no_proof_and_all_of_them_are() {
    let fixture = Fixture::shared();
    let (model, certificate) = (model(), fixture.certificate());
    let check = |slices: &str| {
        let args = [
            "check",
            text(&model),
            text(&certificate),
            "--slices",
            slices,
        ];
        run(args)
    };
    for one in ["0", "1"] {
        let said = check(one).exits(4);
        let only = format!("only slice {one} of 2 checked");
        assert!(said.stdout.contains(&only), "{}", said.stdout);
        assert!(!said.stdout.contains("accepted"), "{}", said.stdout);
    }
    check("0..2").exits(0);
    for beyond in ["2", "1..3"] {
        check(beyond)
            .exits(2)
            .complains_of(&["the certificate has 2 slices"]);
    }
    check("1..1")
        .exits(2)
        .complains_of(&["expected a number or a range like 0..2"]);
}

#[test]
fn claims_about_decisions_and_about_loops_ask_for_their_own_command() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (model(), folder.path().join("a.tlc"));
    let claims = file(&folder, "loop.toml", CLAIMS);
    let certify = |more: &[&str]| {
        let args = ["certify", text(&model), "--out", text(&out)];
        run(args.iter().chain(more))
    };
    certify(&["--claims", text(&claims)])
        .exits(2)
        .complains_of(&["settles is about the closed loop", "--closed-loop"]);
    for decisions in ["claims/standard.toml", "claims/sharing.toml"] {
        certify(&["--closed-loop", "--claims", text(&shipped(decisions))])
            .exits(2)
            .complains_of(&["is no closed-loop claim", "kind \"loop\""]);
    }
    for option in ["--resume", "--jobs", "--explain"] {
        certify(&[option, "1"])
            .exits(2)
            .complains_of(&["--closed-loop"]);
    }
    assert_eq!(names_in(folder.path()), ["loop.toml"]);
}

#[test]
fn a_model_that_a_feature_moves_both_ways_is_refused_by_the_features_name() {
    let folder = tempfile::tempdir().unwrap();
    let claims = file(&folder, "loop.toml", CLAIMS);
    let (model, out) = (
        shipped("models/demo/model.tlm"),
        folder.path().join("a.tlc"),
    );
    let args = [
        "certify",
        text(&model),
        "--closed-loop",
        "--claims",
        text(&claims),
    ];
    run(args.into_iter().chain(["--out", text(&out)]))
        .exits(2)
        .complains_of(&[
            "closed-loop claims cannot be proven about this model",
            "feature acked_ratio moves the rate both ways",
        ]);
    assert_eq!(names_in(folder.path()), ["loop.toml"]);
}

#[test]
fn embedded_source_has_what_the_closed_loop_claims_assume() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (model(), folder.path().join("policy.rs"));
    let (certificate, closed_loop) = (
        shipped("models/steady/certificate.tlc"),
        fixture.certificate(),
    );
    let embed = |certificate: &PathBuf, more: &[&str]| {
        let args = ["embed", text(&model), text(certificate), "-o", text(&out)];
        run(args.iter().chain(more).chain(&["--json", "-"]))
    };
    embed(&certificate, &[]).exits(0);
    let without = std::fs::read_to_string(&out).unwrap();
    assert!(!without.contains("LoopAssumptions"), "{without}");
    // The type by which the target links no watch, and the one by which it does.
    assert!(without.contains("ENVELOPE: UncheckedEnvelope ="));
    let with = ["--closed-loop", text(&closed_loop)];
    let report = embed(&certificate, &with).exits(0).json();
    assert_eq!(report["closed_loop_claims"], serde_json::json!(["settles"]));
    let written = std::fs::read_to_string(&out).unwrap();
    assert!(written.contains("ENVELOPE: UncheckedEnvelope<LoopAssumptions> ="));
    // Five octaves to five and five eighths, in units of 2^-16.
    for part in ["LoopAssumptions {", "327680", "368640"] {
        let plain = written.replace('_', "");
        assert!(plain.contains(part), "no {part} in {written}");
    }
    let mut bad = fixture.decoded();
    change(&mut bad, 0, |slice| slice.ranks.fill(1));
    let bad = file(&folder, "bad.tlc", bad.encode().unwrap());
    std::fs::remove_file(&out).unwrap();
    embed(&certificate, &["--closed-loop", text(&bad)])
        .exits(1)
        .complains_of(&["bad.tlc"]);
    assert_eq!(names_in(folder.path()), ["bad.tlc"]);
}
