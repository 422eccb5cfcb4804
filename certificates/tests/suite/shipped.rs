//! The model that ships, its certificate and the standard claims belong together.

use std::path::PathBuf;

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::LoopChecker;
use tautline_certificates::{CheckedClaim, check};
use tautline_core::policy::Digest;

fn read(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read(root.join(path)).unwrap()
}

#[test]
fn the_shipped_certificate_proves_the_standard_claims_of_the_shipped_model() {
    let text = String::from_utf8(read("claims/standard.toml")).unwrap();
    let claims = ClaimSet::from_toml(&text, "standard.toml").unwrap();
    let (model, certificate) = (
        read("models/demo/model.tlm"),
        read("models/demo/certificate.tlc"),
    );
    let checked = check(&model, &certificate, Some(&claims)).unwrap();
    assert_eq!(checked.claims().len(), claims.claims.len());
    assert!(checked.claims().iter().all(|claim| claim.qc() == "1/1"));
}

#[test]
fn the_shipped_certificate_about_pairs_proves_its_claims_of_the_shipped_model() {
    let text = String::from_utf8(read("claims/pairs.toml")).unwrap();
    let claims = ClaimSet::from_toml(&text, "pairs.toml").unwrap();
    let (model, certificate) = (read("models/demo/model.tlm"), read("models/demo/pairs.tlc"));
    let checked = check(&model, &certificate, Some(&claims)).unwrap();
    assert_eq!(checked.claims().len(), claims.claims.len());
    // What was proven by a tree does not hold by signs alone.
    let leaves: Vec<_> = checked.claims().iter().map(CheckedClaim::leaves).collect();
    assert!(leaves[..3].iter().all(|&leaves| leaves > 1), "{leaves:?}");
    for place in (0..certificate.len()).step_by(7) {
        let mut bad = certificate.clone();
        bad[place] ^= 0x20;
        assert!(check(&model, &bad, None).is_err(), "byte {place}");
    }
}

#[test]
fn every_flipped_byte_of_the_shipped_certificate_is_rejected() {
    let (model, certificate) = (
        read("models/demo/model.tlm"),
        read("models/demo/certificate.tlc"),
    );
    assert!(check(&model, &certificate, None).is_ok());
    for place in 0..certificate.len() {
        let mut bad = certificate.clone();
        bad[place] ^= 0x20;
        assert!(check(&model, &bad, None).is_err(), "byte {place}");
    }
}

#[test]
fn the_provenance_names_the_shipped_files() {
    let provenance = String::from_utf8(read("models/demo/provenance.toml")).unwrap();
    for (key, file) in [
        ("model", "model.tlm"),
        ("certificate", "certificate.tlc"),
        ("pairs", "pairs.tlc"),
    ] {
        let digest = Digest::of(&read(&format!("models/demo/{file}")));
        assert!(
            provenance.contains(&format!("{key}_sha256 = \"{digest}\"")),
            "{key}: {digest}"
        );
    }
}

#[test]
fn a_slice_of_the_shipped_closed_loop_certificate_holds_and_all_cover_the_claims() {
    a_slice_holds("closed-loop.toml", "steady");
}

#[test]
fn so_do_a_slice_and_all_of_the_certificate_for_jitter_of_twenty_per_cent() {
    a_slice_holds("closed-loop-20.toml", "steady-20");
    let text = String::from_utf8(read("claims/standard-20.toml")).unwrap();
    let claims = ClaimSet::from_toml(&text, "standard-20.toml").unwrap();
    let [model, certificate] =
        ["model.tlm", "certificate.tlc"].map(|file| read(&format!("models/steady-20/{file}")));
    let checked = check(&model, &certificate, Some(&claims)).unwrap();
    assert_eq!(checked.claims().len(), claims.claims.len());
}

fn a_slice_holds(claims: &str, name: &str) {
    let text = String::from_utf8(read(&format!("claims/{claims}"))).unwrap();
    let claims = ClaimSet::from_toml(&text, claims).unwrap();
    let [model, certificate] =
        ["model.tlm", "closed-loop.tlc"].map(|file| read(&format!("models/{name}/{file}")));
    // Every claim's slices cover its family; the cells of one of them are checked here, those of
    // all before a release.
    let checker = LoopChecker::new(&model, &certificate, Some(&claims)).unwrap();
    let last = checker.slices() - 1;
    let checked = checker.check_slice(last).unwrap();
    let bounds = claims.loops[checked.claim()].then;
    let shown = checked.shown();
    assert!(shown.utilisation >= bounds.utilisation && shown.queue <= bounds.queue);
    assert!(shown.rounds <= bounds.rounds && shown.ranked > 0);
    checker.finish(vec![checked]).unwrap_err();
}
