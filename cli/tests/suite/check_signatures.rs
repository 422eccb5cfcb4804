//! Signatures stand beside proofs: `tautline check --public-key`.

use std::io::Cursor;
use std::path::Path;

use minisign::KeyPair;
use tautline_certificates::format::Certificate;
use tempfile::TempDir;

use crate::check_reports::{certificate, model};
use crate::run::{Said, file, run, tautline, text};

fn sign(key: &KeyPair, path: &Path, comment: &str) -> String {
    let content = std::fs::read(path).unwrap();
    let (public, comment) = (Some(&key.pk), Some(comment));
    let signature = minisign::sign(
        public,
        &key.sk,
        Cursor::new(content),
        comment,
        Some("no claim"),
    );
    signature.unwrap().into_string()
}

struct Signed {
    folder: TempDir,
    key: KeyPair,
}

impl Signed {
    /// The shipped certificate, signed with a new key.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_unencrypted_keypair().unwrap();
        let path = file(&folder, "good.tlc", std::fs::read(certificate()).unwrap());
        let signature = sign(&key, &path, "release 1");
        file(&folder, "good.tlc.minisig", signature);
        Self { folder, key }
    }

    fn check(&self, more: &[&str]) -> Said {
        let (model, path) = (model(), self.folder.path().join("good.tlc"));
        let key = self.key.pk.to_base64();
        let args = ["check", text(&model), text(&path), "--public-key", &key];
        run(args.iter().chain(more))
    }
}

#[test]
fn a_signed_proof_is_accepted_with_the_key_as_text_and_as_a_file() {
    let signed = Signed::new();
    let said = signed.check(&[]).exits(0);
    assert!(
        said.stdout.contains("signed with the key given: release 1"),
        "{}",
        said.stdout
    );
    let key = signed.key.pk.to_box().unwrap().into_string();
    let key = file(&signed.folder, "release.pub", key);
    let (model, path) = (model(), signed.folder.path().join("good.tlc"));
    let report = run([
        "check",
        text(&model),
        text(&path),
        "--public-key",
        text(&key),
        "--json",
        "-",
    ]);
    let report = report.exits(0).json();
    let signature = &report["certificates"][0]["signature"];
    assert_eq!(signature["valid"], true);
    assert_eq!(signature["trusted_comment"], "release 1");
}

#[test]
fn a_file_named_like_the_key_does_not_replace_it() {
    let signed = Signed::new();
    let mut keys = std::iter::repeat_with(|| KeyPair::generate_unencrypted_keypair().unwrap());
    // A slash in the name would be a folder.
    let asked_for = keys.find(|key| !key.pk.to_base64().contains('/')).unwrap();
    let planted = signed.key.pk.to_box().unwrap().into_string();
    let name = asked_for.pk.to_base64();
    file(&signed.folder, &name, planted);
    let (model, path) = (model(), signed.folder.path().join("good.tlc"));
    let check = |key: &str| {
        let args = ["check", text(&model), text(&path), "--public-key", key];
        let mut command = tautline(args);
        Said::of(&command.current_dir(&signed.folder).output().unwrap())
    };
    let said = check(&name).exits(3);
    assert!(said.stdout.contains("another key"), "{}", said.stdout);
    // As a path it is one.
    check(&format!("./{name}")).exits(0);
}

#[test]
fn a_missing_foreign_or_damaged_signature_has_an_exit_code_and_a_finding_of_its_own() {
    let signed = Signed::new();
    let other = KeyPair::generate_unencrypted_keypair().unwrap();
    let path = signed.folder.path().join("good.tlc");
    let good = sign(&signed.key, &path, "release 1");
    let of_another_file = sign(&signed.key, &model(), "release 1");
    // The other form that minisign knows, whose digest is over the content itself: "Ed" for "ED".
    let legacy = good.replacen("\nRU", "\nRW", 1);
    assert_ne!(legacy, good);
    let cases = [
        (None, "no signature"),
        (Some(sign(&other, &path, "release 1")), "another key"),
        (Some(of_another_file), "not one of this file"),
        (
            Some(good.replace("release 1", "release 2")),
            "not one of this file",
        ),
        (Some(legacy), "signature"),
        (Some("hello".to_owned()), "not a minisign signature"),
        (Some(String::new()), "not a minisign signature"),
    ];
    for (content, reason) in cases {
        let place = signed.folder.path().join("good.tlc.minisig");
        match &content {
            None => std::fs::remove_file(&place).unwrap(),
            Some(content) => std::fs::write(&place, content).unwrap(),
        }
        let said = signed.check(&[]).exits(3);
        assert!(
            said.stdout.contains("signature rejected"),
            "{}",
            said.stdout
        );
        let report = signed.check(&["--json", "-"]).exits(3).json();
        assert_eq!(
            (&report["proven"], &report["accepted"]),
            (&true.into(), &false.into())
        );
        let said = report["certificates"][0]["signature"]["reason"].as_str();
        assert!(said.unwrap().contains(reason), "{content:?}: {said:?}");
        let sarif = signed.check(&["--format", "sarif"]).exits(3).json();
        assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "signature");
        let junit = signed.check(&["--format", "junit"]).exits(3).stdout;
        assert!(junit.contains("<failure type=\"signature\""), "{junit}");
    }
}

#[test]
fn a_signature_never_replaces_a_proof() {
    let signed = Signed::new();
    let path = signed.folder.path().join("good.tlc");
    // A false claim: no controller's rate is at most −1 wherever marks are frequent.
    let mut false_one = Certificate::decode(&std::fs::read(&path).unwrap()).unwrap();
    false_one.claims.claims[3].constraints[0].bound = -600_000;
    std::fs::write(&path, false_one.encode().unwrap()).unwrap();
    let signature = sign(&signed.key, &path, "trust me");
    file(&signed.folder, "good.tlc.minisig", signature);
    let said = signed.check(&["--json", "-"]).exits(1);
    let report = said.json();
    assert_eq!(report["certificates"][0]["signature"]["valid"], true);
    assert_eq!(report["certificates"][0]["accepted"], false);
    // A true one needs no signature unless a key is given.
    let (model, certificate) = (model(), certificate());
    run(["check", text(&model), text(&certificate)]).exits(0);
}

#[test]
fn signatures_of_models_and_in_other_places_are_found() {
    let signed = Signed::new();
    let said = signed.check(&["--signed-model"]).exits(3);
    assert!(
        said.stdout.contains("model.tlm: signature: no signature"),
        "{}",
        said.stdout
    );
    let model_copy = file(&signed.folder, "m.tlm", std::fs::read(model()).unwrap());
    let signature = sign(&signed.key, &model_copy, "the model");
    file(&signed.folder, "m.tlm.minisig", signature);
    let moved = signed.folder.path().join("moved.sig");
    let (path, beside) = (
        signed.folder.path().join("good.tlc"),
        signed.folder.path().join("good.tlc.minisig"),
    );
    std::fs::rename(beside, &moved).unwrap();
    let key = signed.key.pk.to_base64();
    let base = [
        "check",
        text(&model_copy),
        text(&path),
        "--public-key",
        &key,
    ];
    let more = ["--signed-model", "--signature", text(&moved)];
    let with = base.iter().chain(&more);
    let said = run(with).exits(0);
    assert!(said.stdout.contains("the model"), "{}", said.stdout);
    run(base).exits(3);
}

#[test]
fn keys_that_are_none_and_signatures_without_a_key_are_wrong_usage() {
    let (model, certificate) = (model(), certificate());
    let base = ["check", text(&model), text(&certificate)];
    let more = |more: &[&str]| run(base.iter().chain(more));
    more(&["--public-key", "RWQshort"])
        .exits(2)
        .complains_of(&["expected a minisign public key"]);
    more(&["--public-key", text(&certificate)]).exits(2);
    more(&["--signed-model"]).exits(2);
    let key = KeyPair::generate_unencrypted_keypair()
        .unwrap()
        .pk
        .to_base64();
    more(&["--public-key", &key, "--signature", "a", "--signature", "b"])
        .exits(2)
        .complains_of(&["2 --signature for 1 certificates"]);
}
