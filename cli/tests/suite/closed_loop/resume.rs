//! Interrupted searches and the files of finished slices that they leave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tautline_core::policy::Digest;
use tempfile::TempDir;

use super::{CLAIMS, Fixture, model, slices};
use crate::check_reports::shipped;
use crate::run::{Said, file, names_in, run, tautline, text};

/// A file of finished slices as an interrupted run leaves it.
fn kept(fixture: &Fixture, count: usize) -> Vec<u8> {
    let mut certificate = fixture.decoded();
    let mut bytes = b"\x89TLR\x01\x00".to_vec();
    bytes.extend(certificate.model.as_bytes());
    bytes.extend(certificate.claims.digest().unwrap().as_bytes());
    for slice in slices(&mut certificate).iter().take(count) {
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(u32::try_from(slice.len()).unwrap().to_le_bytes());
        bytes.extend(slice);
    }
    sealed(bytes)
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

fn certify<'a>(model: &'a Path, claims: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let args = ["certify", text(model), "--closed-loop", "--claims"];
    let out = ["--out", text(out)];
    args.into_iter().chain([text(claims)]).chain(out).collect()
}

fn resume(folder: &TempDir, kept: &Path, more: &[&str]) -> (Said, PathBuf) {
    let out = folder.path().join("again.tlc");
    let (model, claims) = (model(), &Fixture::shared().claims);
    let args = certify(&model, claims, &out);
    let said = run([&args[..], &["--resume", text(kept)], more].concat());
    (said, out)
}

#[test]
fn an_interrupted_search_goes_on_and_ends_in_the_same_bytes() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (model(), folder.path().join("a.tlc"));
    let kept = folder.path().join("a.tlr");
    let args = certify(&model, &fixture.claims, &out);
    let mut child = tautline(args.iter().chain(&["--jobs", "1"]))
        .spawn()
        .unwrap();
    // Nobody sends: each wait ends by itself.
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    while !kept.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(receiver.recv_timeout(Duration::from_millis(5)).is_err());
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    Said::of(&child.wait_with_output().unwrap())
        .exits(130)
        .complains_of(&["1 slices are finished; go on with --resume", "a.tlr"]);
    assert_eq!(names_in(folder.path()), ["a.tlr"]);
    // It is not overwritten by accident.
    run(&args)
        .exits(2)
        .complains_of(&["a.tlr holds finished slices", "--resume"]);
    let bytes = std::fs::read(&kept).unwrap();
    assert_eq!(bytes, self::kept(fixture, 1));
    let (said, again) = resume(&folder, &kept, &["--jobs", "2"]);
    said.exits(0);
    let whole = std::fs::read(fixture.certificate()).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), whole);
    assert_eq!(names_in(folder.path()), ["again.tlc"]);
}

#[test]
fn finished_slices_are_enough_for_the_same_bytes() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let all = file(&folder, "all.tlr", kept(fixture, 2));
    let (said, again) = resume(&folder, &all, &["--jobs", "1"]);
    said.exits(0);
    let whole = std::fs::read(fixture.certificate()).unwrap();
    assert_eq!(std::fs::read(again).unwrap(), whole);
}

#[test]
fn damaged_and_foreign_files_of_slices_are_refused_and_stay() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let good = kept(fixture, 2);
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "not a file of finished slices"),
        (b"\x89TLR".to_vec(), "does not match the digest"),
        (
            std::fs::read(model()).unwrap(),
            "not a file of finished slices",
        ),
    ];
    for place in [4, 10, 50, 200, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 8;
        cases.push((bad, "does not match the digest"));
        cases.push((good[..place.max(4)].to_vec(), "does not match the digest"));
    }
    let content = &good[..good.len() - 32];
    for place in [4, 10, 50] {
        let mut other = content.to_vec();
        other[place] ^= 8;
        cases.push((
            sealed(other),
            "another version, another model or other claims",
        ));
    }
    let ends = "it ends within a";
    cases.push((sealed(content[..content.len() - 1].to_vec()), ends));
    cases.push((sealed(content[..72].to_vec()), ends));
    let mut slice = content.to_vec();
    // Behind the head, the claim and the length: the first byte of a slice.
    slice[70 + 6..70 + 16].fill(0xff);
    cases.push((sealed(slice), "a finished slice is damaged"));
    for (bytes, complaint) in cases {
        let bad = file(&folder, "bad.tlr", &bytes);
        let (said, _) = resume(&folder, &bad, &[]);
        said.exits(2).complains_of(&[complaint]);
        assert_eq!(std::fs::read(&bad).unwrap(), bytes);
        assert_eq!(names_in(folder.path()), ["bad.tlr"]);
    }
}

#[test]
fn slices_of_another_model_or_other_claims_are_not_taken() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let kept = file(&folder, "kept.tlr", kept(fixture, 2));
    let out = folder.path().join("a.tlc");
    let other = file(&folder, "other.toml", CLAIMS.replace("0.97", "0.96"));
    let foreign = shipped("models/demo/model.tlm");
    for (model, claims) in [(&model(), &other), (&foreign, &fixture.claims)] {
        let args = certify(model, claims, &out);
        run(args.into_iter().chain(["--resume", text(&kept)]))
            .exits(2)
            .complains_of(&["kept.tlr", "another model or other claims"]);
    }
    assert_eq!(names_in(folder.path()), ["kept.tlr", "other.toml"]);
}

#[test]
fn ranks_that_do_not_hold_are_never_written_as_a_certificate() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut certificate = fixture.decoded();
    super::change(&mut certificate, 0, |slice| {
        let most = slice.ranks.iter().copied().max().unwrap();
        let cell = slice.ranks.iter().position(|&rank| rank == 1).unwrap();
        slice.ranks[cell] = most - 1;
    });
    let good = kept(fixture, 2);
    let mut bytes = good[..70].to_vec();
    for slice in slices(&mut certificate).iter() {
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(u32::try_from(slice.len()).unwrap().to_le_bytes());
        bytes.extend(slice);
    }
    let forged = file(&folder, "forged.tlr", sealed(bytes));
    let (said, _) = resume(&folder, &forged, &[]);
    said.exits(1)
        .complains_of(&["the checker refuses the proof", "claim 0, slice 0, cell "]);
    assert_eq!(names_in(folder.path()), ["forged.tlr"]);
}
