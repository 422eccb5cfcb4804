//! `tautline export-smt2`.

use crate::run::{Fixture, names_in, run, text};

#[test]
fn every_constraint_about_one_input_becomes_a_file() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("questions");
    let args = ["export-smt2", text(&model), "--out", text(&out), "--json"];
    let report = run(args).exits(0).json();
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), names_in(&out).len());
    assert!(files.len() >= 5, "{report}");
    for exported in files {
        let written = std::fs::read_to_string(exported["file"].as_str().unwrap()).unwrap();
        let digest = report["model_digest"].as_str().unwrap();
        assert!(written.starts_with(&format!("; Model {digest}\n")));
        assert!(written.contains("(set-logic QF_LIA)"));
        assert!(written.ends_with("(check-sat)\n"));
        assert_eq!(written.matches('(').count(), written.matches(')').count());
    }
    let again = folder.path().join("again");
    run(["export-smt2", text(&model), "--out", text(&again)]).exits(0);
    for name in names_in(&out) {
        let bytes = |folder: &std::path::Path| std::fs::read(folder.join(&name)).unwrap();
        assert_eq!(bytes(&out), bytes(&again), "{name}");
    }
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let model = Fixture::shared().model();
    let args = ["export-smt2", text(&model), "--out", text(&model)];
    run(args).exits(2).complains_of(&[text(&model)]);
}
