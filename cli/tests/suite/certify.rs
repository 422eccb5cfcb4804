//! `tautline certify`.

use std::path::PathBuf;

use serde_json::Value;

use crate::run::{Fixture, file, names_in, run, text};

const NEVER: &str = r#"version = 1
feature_table = 1

[[claim]]
name = "always-grows"
kind = "point"
says = "No controller should do this."
given = { queueing = ["0.5", "2"] }
then = ["rate >= 0.9"]
"#;

#[test]
fn a_trained_model_is_certified_for_every_standard_claim() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.tlc");
    let model = fixture.model();
    let said = run(["certify", text(&model), "--out", text(&out), "--json", "-"]).exits(0);
    let report = said.json();
    assert_eq!(report["holds"], true);
    let claims = report["claims"].as_array().unwrap();
    assert!(claims.len() >= 6, "{claims:?}");
    for claim in claims {
        assert_eq!(claim["qc"], "1/1", "{claim}");
        assert_eq!(claim["verdict"], "holds", "{claim}");
    }
    let same = std::fs::read(fixture.certificate()).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), same);
    assert_eq!(names_in(folder.path()), ["a.tlc"]);
}

#[test]
fn a_violated_claim_is_shown_with_its_input_and_writes_nothing() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let claims = file(&folder, "never.toml", NEVER);
    let out = folder.path().join("a.tlc");
    let args = [
        "certify",
        text(&model),
        "--claims",
        text(&claims),
        "--out",
        text(&out),
    ];
    let said = run(args).exits(1);
    for part in [
        "always-grows: violated: rate ≥ 0.9",
        "where queueing ≥ 0.5",
        "own_queue",
    ] {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
    assert_eq!(names_in(folder.path()), ["never.toml"]);

    let report = run(args.into_iter().chain(["--json", "-"])).exits(1).json();
    assert_eq!(report["claims"][0]["verdict"], "violated");
    let input = report["claims"][0]["counterexample"]["inputs"][0]
        .as_array()
        .unwrap();
    let value = |name: &str| {
        let found = input.iter().find(|it| it["name"] == name).unwrap();
        found["value"].as_f64().unwrap()
    };
    assert!(value("queueing") >= 0.5, "{input:?}");
    assert!(value("rate") < 0.9, "{input:?}");
    let remaining = &report["claims"][0]["remaining"][0];
    let candidate = &remaining["candidate"];
    assert_eq!(remaining["constraint"], "rate ≥ 0.9");
    assert_eq!(candidate["confirmed"], true);
    let excess = 0.9 - value("rate");
    assert!((candidate["excess"].as_f64().unwrap() - excess).abs() < 1e-4);
    for region in remaining["regions"].as_array().unwrap() {
        assert!(region["excess"].as_f64().unwrap() > 0.0, "{region}");
    }
}

#[test]
fn malformed_claims_name_file_line_and_field() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (NEVER.replace("queueing =", "queuing ="), ":8: ", "queuing"),
        (NEVER.replace("\"0.5\"", "0.5"), ":8: ", "given"),
        (NEVER.replace(">= 0.9", "=> 0.9"), ":9: ", "then"),
    ];
    for (content, line, field) in cases {
        let claims = file(&folder, "wrong.toml", content);
        let place = format!("wrong.toml{line}");
        run(["certify", text(&model), "--claims", text(&claims)])
            .exits(2)
            .complains_of(&[&place, field, "expected", "got"]);
    }
}

#[test]
fn a_claim_about_a_head_that_the_model_lacks_is_an_error_of_its_own() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let claims = file(
        &folder,
        "pacing.toml",
        NEVER.replace("rate >=", "pacing >="),
    );
    run(["certify", text(&model), "--claims", text(&claims)])
        .exits(2)
        .complains_of(&["pacing head, which the model lacks"]);
}

#[test]
fn missing_corrupt_and_foreign_models_say_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.tlm");
    run(["certify", text(&missing)]).exits(2).complains_of(&[
        "missing.tlm",
        "expected a model (.tlm)",
        "No such file",
    ]);

    let mut bytes = std::fs::read(Fixture::shared().model()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let corrupt = file(&folder, "corrupt.tlm", &bytes);
    run(["certify", text(&corrupt)]).exits(2).complains_of(&[
        "corrupt.tlm",
        "model is corrupt",
        "the file says",
    ]);

    let short = file(&folder, "short.tlm", &bytes[..middle]);
    run(["certify", text(&short)])
        .exits(2)
        .complains_of(&["short.tlm", "its header describes"]);

    let text_file = file(&folder, "text.tlm", "no model");
    run(["certify", text(&text_file)]).exits(2).complains_of(&[
        "text.tlm",
        "not a model file",
        "a .tlm starts with",
    ]);
}

#[test]
fn outputs_that_cannot_be_written_leave_nothing_behind() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("missing/a.tlc");
    run(["certify", text(&model), "--out", text(&out)])
        .exits(2)
        .complains_of(&["cannot write", "missing/a.tlc"]);
    run(["certify", text(&model), "--out", text(&model)])
        .exits(2)
        .complains_of(&["both an input and an output"]);
    let before = std::fs::read(&model).unwrap();
    run(["certify", text(&model), "--json", text(&model)]).exits(2);
    let claims = file(&folder, "claims.txt", NEVER);
    let named = ["certify", text(&model), "--claims", text(&claims), "--out"];
    run(named.into_iter().chain([text(&claims)]))
        .exits(2)
        .complains_of(&["claims.txt is both an input and an output"]);
    let both = folder.path().join("both.json");
    run(named
        .into_iter()
        .chain([text(&both), "--json", text(&both)]))
    .exits(2)
    .complains_of(&["both.json is the place of two outputs"]);
    assert_eq!(std::fs::read_to_string(&claims).unwrap(), NEVER);
    std::fs::remove_file(&claims).unwrap();
    assert_eq!(std::fs::read(&model).unwrap(), before);
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn a_full_disk_is_reported() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.tlc");
    run([
        "certify",
        text(&model),
        "--out",
        text(&out),
        "--json",
        "/dev/full",
    ])
    .exits(2)
    .complains_of(&["cannot write /dev/full", "No space left"]);
    run(["certify", text(&model), "--out", "/dev/full"])
        .exits(2)
        .complains_of(&["cannot write /dev/full", "No space left"]);
}

/// A file that ships.
fn shipped(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}

#[test]
fn the_shipped_claims_about_pairs_are_proven_again_to_the_byte_and_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pairs.tlc");
    let (model, claims) = (
        shipped("models/demo/model.tlm"),
        shipped("claims/pairs.toml"),
    );
    let certificate = shipped("models/demo/pairs.tlc");
    let said = run([
        "certify",
        text(&model),
        "--claims",
        text(&claims),
        "--out",
        text(&out),
    ]);
    said.exits(0);
    let bytes = std::fs::read(&certificate).unwrap();
    assert!(std::fs::read(&out).unwrap() == bytes, "other bytes");
    let said = run([
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        text(&claims),
    ]);
    let said = said.exits(0);
    assert!(said.stdout.contains("noise-robust"), "{}", said.stdout);
}

/// A claim about measuring two delays wrong.
fn noise(bound: &str) -> String {
    format!(
        r#"version = 1
feature_table = 1

[[claim]]
name = "noise"
kind = "pair"
says = "Errors of two delays hardly move the rate."
given = {{ queueing = ["0", "1"] }}
differ = {{ queueing = ["-0.15", "0.15"], queueing_ewma = ["-0.15", "0.15"] }}
between = ["queueing - 0.05*first.queueing <= 0.05"]
then = ["rate <= {bound}"]
"#
    )
}

/// Certifies a claim with a limit that is too small to prove it: the text, and the claim in JSON.
fn certify_noise(bound: &str) -> (String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let model = shipped("models/demo/model.tlm");
    let claims = file(&folder, "noise.toml", noise(bound));
    let out = folder.path().join("a.tlc");
    let args = [
        "certify",
        text(&model),
        "--claims",
        text(&claims),
        "--out",
        text(&out),
        "--max-boxes",
        "40",
    ];
    let said = run(args).exits(1).stdout.clone();
    let mut report = run(args.into_iter().chain(["--json", "-"])).exits(1).json();
    assert_eq!(names_in(folder.path()), ["noise.toml"]);
    (said, report["claims"][0].take())
}

/// The value of a feature or head at one input of a pair.
fn figure(inputs: &Value, input: usize, name: &str) -> f64 {
    let figures = inputs[input].as_array().unwrap();
    let found = figures.iter().find(|it| it["name"] == name).unwrap();
    found["value"].as_f64().unwrap()
}

/// Ranges are read outwards, to the next unit.
const UNIT: f64 = 1.0 / 65_536.0;

/// What a pair of inputs has in common with the claim, and by how much the rate rises.
fn rise(inputs: &Value) -> f64 {
    assert_eq!(inputs.as_array().unwrap().len(), 2);
    let change = |name| figure(inputs, 1, name) - figure(inputs, 0, name);
    for name in ["queueing", "queueing_ewma"] {
        assert!(change(name).abs() <= 0.15 + UNIT, "{inputs}");
    }
    let most = 0.05 + 0.05 * figure(inputs, 0, "queueing");
    assert!(change("queueing") <= most + UNIT, "{inputs}");
    assert!(change("loss").abs() < 1e-9, "{inputs}");
    change("rate")
}

#[test]
fn an_undecided_claim_about_pairs_shows_open_regions_and_the_closest_pair() {
    let (said, claim) = certify_noise("0.3");
    for part in [
        "noise: undecided: constraint 0 undecided after 40 boxes",
        "change of rate ≤ 0.3: ",
        " regions open\n    exceeded by at most 0.",
        "in queueing 0 to ",
        ", change of queueing −0.15001 to ",
        "\n    and ",
        "closest pair of inputs so far, excess −0.",
        "confirmed by the deployed program",
        "input 2:",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert_eq!(claim["verdict"], "unknown");
    let (proven, all) = claim["qc"].as_str().unwrap().split_once('/').unwrap();
    assert!(proven != "0" && proven.len() <= all.len(), "{claim}");
    let remaining = &claim["remaining"][0];
    let regions = remaining["regions"].as_array().unwrap();
    assert!(remaining["open_regions"].as_u64().unwrap() >= regions.len() as u64);
    for region in regions {
        assert!(region["excess"].as_f64().unwrap() > 0.0, "{region}");
        let names = region["changes"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|it| it["feature"].as_str().unwrap()).collect();
        assert_eq!(names, ["queueing", "queueing_ewma"]);
    }
    let candidate = &remaining["candidate"];
    assert_eq!(candidate["confirmed"], true);
    let excess = rise(&candidate["inputs"]) - 0.3;
    assert!(excess <= 0.0, "{candidate}");
    assert!((candidate["excess"].as_f64().unwrap() - excess).abs() < 1e-4);
}

#[test]
fn a_violated_claim_about_pairs_shows_both_inputs_and_what_is_proven_all_the_same() {
    let (said, claim) = certify_noise("0.01");
    for part in [
        "noise: violated: change of rate ≤ 0.01",
        "where queueing ≤ 1, change of queueing in",
        "change of queueing in −0.15001 to 0.15001",
        "input 1:",
        "input 2:",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert_eq!(claim["verdict"], "violated");
    let inputs = &claim["counterexample"]["inputs"];
    assert!(rise(inputs) > 0.01, "{inputs}");
    let remaining = &claim["remaining"][0];
    assert_eq!(&remaining["candidate"]["inputs"], inputs);
    assert_eq!(remaining["candidate"]["confirmed"], true);
    assert!(remaining["open_regions"].as_u64().unwrap() > 1);
    let excess = remaining["regions"][0]["excess"].as_f64().unwrap();
    assert!(excess >= rise(inputs) - 0.01, "{remaining}");
}
