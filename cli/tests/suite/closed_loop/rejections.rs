//! What is no proof is rejected, by the step that fails.

use std::path::Path;

use tautline_certificates::format::Certificate;
use tautline_certificates::semantics::Program;
use tautline_core::policy::{decode, encode};

use super::{CLAIMS, Fixture, change, model, slices};
use crate::check_reports::shipped;
use crate::run::{Said, file, run, text};

/// Checks a changed certificate against a model.
fn check(model: &Path, certificate: &Certificate) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(&folder, "bad.tlc", certificate.encode().unwrap());
    run(["check", text(model), text(&bad)])
}

/// Panics unless the certificate is rejected with every one of `parts` said.
#[track_caller]
fn rejects(model: &Path, certificate: &Certificate, parts: &[&str]) {
    let said = check(model, certificate).exits(1);
    assert!(
        said.stdout.contains("bad.tlc: rejected at "),
        "{}",
        said.stdout
    );
    for part in parts {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
    assert!(!said.stdout.contains("accepted for"), "{}", said.stdout);
}

#[test]
fn a_lowered_rank_is_rejected_at_a_cell_that_leads_to_it() {
    let mut bad = Fixture::shared().decoded();
    change(&mut bad, 1, |slice| {
        let most = slice.ranks.iter().copied().max().unwrap();
        let settled: Vec<usize> = (0..slice.ranks.len())
            .filter(|&cell| slice.ranks[cell] == most)
            .collect();
        slice.ranks[settled[settled.len() / 2]] = 1;
    });
    rejects(&model(), &bad, &["claim 0, slice 1, cell ", "rule rank"]);
}

#[test]
fn a_start_without_a_rank_is_rejected() {
    let mut bad = Fixture::shared().decoded();
    let start = bad.claims.loops[0].start.0;
    change(&mut bad, 0, |slice| {
        let cells = 0..slice.ranks.len();
        let starts = |&cell: &usize| {
            let window = slice.grid.cell(cell).unwrap().window;
            slice.grid.edges(window).0 >= start
        };
        let first = cells.into_iter().find(starts).unwrap();
        slice.ranks[first] = 0;
    });
    rejects(&model(), &bad, &["claim 0, slice 0, cell "]);
}

#[test]
fn more_jitter_than_was_proven_is_rejected_at_a_cell() {
    let mut bad = Fixture::shared().decoded();
    bad.claims.loops[0].family.jitter *= 3;
    rejects(&model(), &bad, &["claim 0, slice 0, cell "]);
}

#[test]
fn a_changed_weight_is_rejected_whatever_model_the_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read(model()).unwrap();
    let (header, parameters) = decode(&shipped).unwrap();
    let mut parameters: Vec<i16> = parameters.iter().collect();
    let last = parameters.last_mut().unwrap();
    *last += 2000;
    let mut bytes = vec![];
    encode(&header, parameters.as_slice(), |piece| {
        bytes.extend_from_slice(piece);
    });
    let other = file(&folder, "other.tlm", &bytes);
    let mut bad = Fixture::shared().decoded();
    rejects(&other, &bad, &["at model", "certificate is about model"]);
    bad.model = Program::decode(&bytes).unwrap().digest();
    rejects(&other, &bad, &["claim 0, slice 0, cell "]);
}

#[test]
fn slices_that_do_not_cover_the_family_are_rejected() {
    let mut bad = Fixture::shared().decoded();
    slices(&mut bad).pop();
    rejects(&model(), &bad, &["section 0", "rule cover"]);
    let mut wide = Fixture::shared().decoded();
    wide.claims.loops[0].family.log_bdp.1 += 1;
    rejects(&model(), &wide, &["section 0", "rule cover"]);
}

#[test]
fn damaged_and_foreign_certificates_are_rejected_without_a_panic() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let (model, good) = (model(), std::fs::read(fixture.certificate()).unwrap());
    let step = good.len() / 23;
    let mut files = vec![];
    for place in (0..good.len()).step_by(step) {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        files.push(file(&folder, &format!("flipped-{place}.tlc"), bad));
        files.push(file(&folder, &format!("cut-{place}.tlc"), &good[..place]));
    }
    let paths = files.iter().map(|path| text(path));
    let args = ["check", text(&model)].into_iter().chain(paths);
    let said = run(args.chain(["--format", "json"])).exits(1);
    let report = said.json();
    let certificates = report["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), files.len());
    for certificate in certificates {
        assert_eq!(certificate["accepted"], false, "{certificate}");
    }
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);

    let demo = shipped("models/demo/model.tlm");
    rejects(
        &demo,
        &fixture.decoded(),
        &["at model", "certificate is about model"],
    );
    let others = file(&folder, "others.toml", CLAIMS.replace("0.97", "0.98"));
    let certificate = fixture.certificate();
    let args = [
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        text(&others),
    ];
    let said = run(args).exits(1);
    for part in ["rejected at claims, rule claims", "others.toml: not proven"] {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
}
