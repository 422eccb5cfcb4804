//! The corpus: small models with accepted certificates that use every rule, as files.
//!
//! `tests/corpus/accept` is what the recipes below make; `BLESS_CORPUS=1 cargo test -p
//! tautline-certificates` writes it anew. Every claim is true by exact search, and every bound is
//! the least that its proof reaches, so that there is no slack for a mutation to hide in.

mod mutants;
pub(crate) mod recipes;
mod sweep;
pub(crate) mod truth;

use std::path::PathBuf;

use tautline_certificates::check;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::Certificate;
use truth::Exact;

/// A model and its certificate.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) model: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

impl Entry {
    pub(crate) fn decoded(&self) -> Certificate {
        Certificate::decode(&self.certificate).unwrap()
    }
}

/// A folder of the corpus.
pub(crate) fn folder(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/corpus").join(name)
}

/// Names of the files in a folder of the corpus, sorted.
pub(crate) fn files(name: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(name)).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

/// Fails where the file says something else, or writes it when asked to.
#[track_caller]
pub(crate) fn compare(file: &str, content: &[u8]) {
    let path = folder("").join(file);
    if std::env::var_os("BLESS_CORPUS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
    }
    let there = std::fs::read(&path).unwrap_or_default();
    assert!(
        there == content,
        "tests/corpus/{file} is not what its recipe makes; if that is meant: BLESS_CORPUS=1"
    );
}

/// Whether the claims are true of the model, by exact search; panics where that takes too long.
#[track_caller]
pub(crate) fn is_true(model: &[u8], claims: &ClaimSet) -> bool {
    let exact = Exact::decode(model).unwrap();
    let mut budget = 3_000_000;
    let verdict = exact.proves(claims, &mut budget);
    verdict.unwrap_or_else(|| panic!("undecided: {claims:?}"))
}

#[test]
fn the_accepted_files_are_what_their_recipes_make_and_are_true_and_accepted() {
    let mut names = vec![];
    for entry in recipes::all() {
        let Entry {
            name,
            model,
            certificate,
        } = &entry;
        compare(&format!("accept/{name}.tlm"), model);
        compare(&format!("accept/{name}.tlc"), certificate);
        let decoded = entry.decoded();
        check(model, certificate, Some(&decoded.claims))
            .unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        assert!(is_true(model, &decoded.claims), "{name}");
        names.extend([format!("{name}.tlc"), format!("{name}.tlm")]);
    }
    names.sort();
    assert_eq!(files("accept"), names, "no file without a recipe");
}

#[test]
fn the_exact_search_finds_a_violation_of_one_unit() {
    for entry in recipes::all() {
        let mut claims = entry.decoded().claims;
        for claim in 0..claims.claims.len() {
            let least = recipes::least_true_bound(&entry.model, &claims, claim);
            let bound = claims.claims[claim].constraints[0].bound;
            assert!(least <= bound, "{}", entry.name);
            claims.claims[claim].constraints[0].bound = least - 1;
            assert!(!is_true(&entry.model, &claims), "{}", entry.name);
            claims.claims[claim].constraints[0].bound = bound;
        }
    }
}
