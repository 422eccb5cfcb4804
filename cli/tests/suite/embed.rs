//! `tautline embed`.

#[path = "../../../models/demo/policy.rs"]
#[expect(
    unreachable_pub,
    reason = "a module of the program that it is written for"
)]
mod demo_policy;

use std::path::{Path, PathBuf};

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::{CheckedCertificate, check};
use tautline_core::controller::Learned;
use tautline_core::features::TABLE_1;
use tautline_core::guard::Envelope as _;
use tautline_core::units::Bytes;

use crate::run::{Fixture, file, names_in, run, text};

#[test]
fn the_shipped_source_is_what_the_command_writes_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("policy.rs");
    let (model, certificate) = (shipped("model.tlm"), shipped("certificate.tlc"));
    let args = ["embed", text(&model), text(&certificate), "-o", text(&out)];
    run(args).exits(0);
    let written = std::fs::read_to_string(&out).unwrap();
    let kept = std::fs::read_to_string(shipped("policy.rs")).unwrap();
    assert!(
        written == kept,
        "models/demo/policy.rs is out of date: write it again with `tautline embed \
         models/demo/model.tlm models/demo/certificate.tlc -o models/demo/policy.rs`"
    );
}

#[test]
fn the_embedded_envelope_is_the_checked_certificates() {
    let (policy, checked) = (demo_policy::policy().unwrap(), checked());
    let embedded = demo_policy::ENVELOPE;
    assert_eq!(policy.digest(), checked.model());
    assert_eq!(embedded.model_digest(), checked.model_digest());
    assert_eq!(embedded.heavy_loss(), checked.heavy_loss());
    // One step beyond either end of every range, and the links between the queues and the windows.
    let low: Vec<i32> = TABLE_1.features.iter().map(|it| it.low.units()).collect();
    let high: Vec<i32> = TABLE_1.features.iter().map(|it| it.high.units()).collect();
    let mut inside = 0;
    for base in [&low, &high] {
        for (at, (&low, &high)) in low.iter().zip(&high).enumerate() {
            for value in [
                low - 1,
                low,
                low + 1,
                i32::midpoint(low, high),
                high,
                high + 1,
            ] {
                let mut features = base.clone();
                features[at] = value;
                let contained = checked.contains(&features);
                assert_eq!(embedded.contains(&features), contained, "{features:?}");
                inside += i32::from(contained);
            }
        }
    }
    assert!(inside > 0, "some of them lie in the region");
    assert!(!embedded.contains(&low[1..]) && !checked.contains(&low[1..]));
    Learned::new(policy, embedded, Bytes::new(1200)).unwrap();
}

#[test]
fn weights_that_were_changed_after_the_check_get_no_controller() {
    let mut weights = demo_policy::WEIGHTS;
    weights[100] ^= 1;
    let policy = tautline_core::policy::Policy::new(demo_policy::HEADER, &weights[..]).unwrap();
    let refused = Learned::new(policy, demo_policy::ENVELOPE, Bytes::new(1200));
    assert_eq!(refused.unwrap_err().vouched_for, demo_policy::MODEL_DIGEST);
}

#[test]
fn a_refused_certificate_writes_nothing() {
    let fixture = Fixture::shared();
    let model = fixture.model();
    let mut bytes = std::fs::read(fixture.certificate()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let folder = tempfile::tempdir().unwrap();
    let flipped = file(&folder, "flipped.tlc", bytes);
    let foreign = shipped("certificate.tlc");
    let before = file(&folder, "before.rs", "// before\n");
    let new = folder.path().join("new.rs");
    for certificate in [&flipped, &foreign] {
        for out in [&before, &new] {
            let args = ["embed", text(&model), text(certificate), "--out", text(out)];
            run(args).exits(1).complains_of(&["cannot use certificate"]);
        }
    }
    assert_eq!(names_in(folder.path()), ["before.rs", "flipped.tlc"]);
    assert_eq!(std::fs::read_to_string(&before).unwrap(), "// before\n");
}

#[test]
fn a_certificate_of_other_claims_than_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("policy.rs");
    let (model, pairs) = (shipped("model.tlm"), shipped("pairs.tlc"));
    let standard = ["embed", text(&model), text(&pairs), "-o", text(&out)];
    run(standard).exits(1).complains_of(&["claim"]);
    assert!(!out.exists());
    let claims = concat!(env!("CARGO_MANIFEST_DIR"), "/../claims/pairs.toml");
    let args = [&standard[..], &["--claims", claims, "--json", "-"]].concat();
    let report = run(args).exits(0).json();
    assert_eq!(report["parameters"], 1517);
    let written = std::fs::read_to_string(&out).unwrap();
    for digest in ["model_digest", "certificate_digest"] {
        let digest = report[digest].as_str().unwrap();
        assert_eq!(written.matches(digest).count(), 1, "{digest}");
    }
}

#[test]
fn an_output_that_is_an_input_or_a_folder_is_refused() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let before = std::fs::read(&model).unwrap();
    let args = ["embed", text(&model), text(&certificate), "-o"];
    let both = "is both an input and an output";
    run([&args[..], &[text(&model)]].concat())
        .exits(2)
        .complains_of(&[both]);
    assert_eq!(std::fs::read(&model).unwrap(), before);
    let folder = tempfile::tempdir().unwrap();
    run([&args[..], &[text(folder.path())]].concat())
        .exits(2)
        .complains_of(&["cannot write"]);
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../models/demo")
        .join(name)
}

fn checked() -> CheckedCertificate {
    let claims = include_str!("../../../claims/standard.toml");
    let claims = ClaimSet::from_toml(claims, "standard.toml").unwrap();
    let read = |name| std::fs::read(shipped(name)).unwrap();
    check(&read("model.tlm"), &read("certificate.tlc"), Some(&claims)).unwrap()
}
