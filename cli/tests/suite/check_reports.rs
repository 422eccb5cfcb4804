//! What `tautline check` writes for machines, and several certificates with several claims files.

use std::path::{Path, PathBuf};

use roxmltree::Node;
use serde_json::Value;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, Section};
use tempfile::TempDir;

use crate::run::{file, names_in, run, text};

/// A file of the repository.
pub(crate) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn model() -> PathBuf {
    shipped("models/demo/model.tlm")
}

pub(crate) fn certificate() -> PathBuf {
    shipped("models/demo/certificate.tlc")
}

pub(crate) fn standard() -> PathBuf {
    shipped("claims/standard.toml")
}

fn decoded() -> Certificate {
    Certificate::decode(&std::fs::read(certificate()).unwrap()).unwrap()
}

/// A certificate of only those claims of the shipped one that `keep` takes, with the claims file.
fn part(folder: &TempDir, name: &str, keep: impl Fn(usize) -> bool) -> (PathBuf, PathBuf) {
    let whole = decoded();
    let mut part = whole.clone();
    part.claims.claims.clear();
    part.sections.clear();
    for (number, (claim, section)) in whole.claims.claims.iter().zip(whole.sections).enumerate() {
        if keep(number) {
            let claim_number = u16::try_from(part.sections.len()).unwrap();
            part.claims.claims.push(claim.clone());
            part.sections.push(match section {
                Section::RegionTree { trees, .. } => Section::RegionTree {
                    claim: claim_number,
                    trees,
                },
                pair @ Section::PairTree { .. } => {
                    assert_eq!(claim_number, 0, "the only section of its kind comes first");
                    pair
                }
                Section::RankGrid { .. } => unreachable!("the shipped set has no such claim"),
            });
        }
    }
    let toml = std::fs::read_to_string(standard()).unwrap();
    let mut pieces = toml.split("[[claim]]");
    let mut claims = pieces.next().unwrap().to_owned();
    for (number, piece) in pieces.enumerate() {
        if keep(number) {
            claims.push_str("[[claim]]");
            claims.push_str(piece);
        }
    }
    let claims_file = file(folder, &format!("{name}.toml"), &claims);
    let read = ClaimSet::from_toml(&claims, "part.toml").unwrap();
    assert_eq!(
        read.digest().unwrap(),
        part.claims.digest().unwrap(),
        "the file holds what the certificate proves"
    );
    let bytes = part.encode().unwrap();
    (file(folder, &format!("{name}.tlc"), bytes), claims_file)
}

#[test]
fn several_certificates_prove_several_claims_files_one_each() {
    let folder = tempfile::tempdir().unwrap();
    let (first, first_claims) = part(&folder, "first", |number| number < 3);
    let (second, second_claims) = part(&folder, "second", |number| (3..7).contains(&number));
    let model = model();
    let with = |claims: &[&Path]| {
        let mut args = vec!["check", text(&model), text(&first), text(&second)];
        for claims in claims {
            args.extend(["--claims", text(claims)]);
        }
        args.extend(["--json", "-"]);
        run(args)
    };
    let report = with(&[&second_claims, &first_claims]).exits(0).json();
    assert_eq!(report["accepted"], true);
    assert_eq!(
        report["certificates"][0]["claims_file"],
        text(&first_claims)
    );
    assert_eq!(report["claims_files"][0]["file"], text(&second_claims));
    assert_eq!(
        report["claims_files"][0]["proven_by"],
        serde_json::json!([text(&second)])
    );
    // A certificate of claims that nobody asked for.
    let report = with(&[&first_claims]).exits(1).json();
    assert_eq!(report["certificates"][0]["accepted"], true);
    let rejection = &report["certificates"][1]["rejection"];
    assert_eq!(rejection["rule"], "claims");
    // With several files, all of them are named.
    let standard = standard();
    let report = with(&[&first_claims, &standard]).exits(1).json();
    let reason = report["certificates"][1]["rejection"]["reason"].as_str();
    let reason = reason.unwrap();
    assert!(
        reason.contains("first.toml") && reason.contains("standard.toml"),
        "{reason}"
    );
}

#[test]
fn a_claims_file_that_no_certificate_proves_rejects_what_is_otherwise_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (_, unproven) = part(&folder, "unproven", |number| number == 1);
    let (model, certificate, standard) = (model(), certificate(), standard());
    let args = [
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        text(&standard),
        "--claims",
        text(&unproven),
    ];
    let said = run(args).exits(1);
    assert!(
        said.stdout.contains("unproven.toml: not proven"),
        "{}",
        said.stdout
    );
    let sarif = run(args.into_iter().chain(["--format", "sarif"]))
        .exits(1)
        .json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "claims");
}

#[test]
fn text_says_which_claims_over_which_regions_and_that_they_are_the_ones_asked_for() {
    let (model, certificate, standard) = (model(), certificate(), standard());
    let said = run([
        "check",
        text(&model),
        text(&certificate),
        "--claims",
        text(&standard),
    ]);
    let said = said.exits(0).stdout;
    for part in [
        "proves exactly the claims of",
        "standard.toml (digest ",
        "backs-off-on-marks: QC 1/1",
        "where ce ≥ 0.5",
        "then  rate ≤ −0.1",
        "ce: ECN-CE marked / acknowledged packets of the round",
        "accepted: 1 of 1 certificates accepted, 8 claims proven",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let said = run(["check", text(&model), text(&certificate)]).exits(0);
    assert!(
        said.stdout.contains("claims of its own choice"),
        "{}",
        said.stdout
    );
}

#[test]
fn json_has_exact_ranges_of_every_restricted_feature() {
    let (model, certificate) = (model(), certificate());
    let report = run([
        "check",
        text(&model),
        text(&certificate),
        "--format",
        "json",
    ])
    .exits(0)
    .json();
    let claims = report["certificates"][0]["claims"].as_array().unwrap();
    let marks = claims
        .iter()
        .find(|it| it["name"] == "backs-off-on-marks")
        .unwrap();
    let region = &marks["region"][0];
    assert_eq!(region["feature"], "ce");
    assert_eq!(
        (&region["low_units"], &region["high_units"]),
        (&32_768.into(), &65_536.into())
    );
    assert_eq!(
        (&region["low"], &region["high"]),
        (&0.5.into(), &1.0.into())
    );
}

/// Everything that the schema of SARIF 2.1.0 demands of the properties that are there.
fn assert_is_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let runs = log["runs"].as_array().unwrap();
    for run in runs {
        let driver = &run["tool"]["driver"];
        assert!(driver["name"].is_string());
        let rules = driver["rules"].as_array().unwrap();
        let mut names: Vec<_> = rules.iter().map(|it| it["id"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules.len(), "rules have names of their own");
        for invocation in run["invocations"].as_array().unwrap() {
            assert!(invocation["executionSuccessful"].is_boolean());
        }
        for result in run["results"].as_array().unwrap() {
            assert!(result["message"]["text"].is_string());
            assert_eq!(result["level"], "error");
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let physical = &result["locations"][0]["physicalLocation"];
            assert!(physical["region"]["startLine"].as_u64().unwrap() >= 1);
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(
                !uri.contains(' ') && !uri.contains('\\') && uri.is_ascii(),
                "{uri}"
            );
            let prints = result["partialFingerprints"].as_object().unwrap();
            assert!(prints.values().all(Value::is_string) && !prints.is_empty());
        }
    }
}

#[test]
fn sarif_has_a_result_per_rejection_at_the_certificate_with_a_fingerprint_that_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (model, good) = (model(), certificate());
    let bad = file(&folder, "bad one.tlc", "bad");
    let mut wrong = decoded();
    wrong.claims.claims[3].constraints[0].bound -= 60_000;
    let wrong = file(&folder, "wrong.tlc", wrong.encode().unwrap());
    let log = || {
        let args = ["check", text(&model), text(&good), text(&bad), text(&wrong)];
        run(args.into_iter().chain(["--format", "sarif"]))
            .exits(1)
            .json()
    };
    let log = [log(), log()];
    assert_is_sarif(&log[0]);
    assert_eq!(log[0], log[1]);
    let results = log[0]["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["ruleId"], "format");
    let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(
        place.as_str().unwrap().ends_with("/bad%20one.tlc"),
        "{place}"
    );
    let logical = &results[1]["locations"][0]["logicalLocations"][0];
    assert_eq!(logical["name"], "backs-off-on-marks");
    let step = logical["fullyQualifiedName"].as_str().unwrap();
    assert!(step.starts_with("claim 3, constraint 0, node "), "{step}");
    assert_ne!(
        results[0]["partialFingerprints"],
        results[1]["partialFingerprints"]
    );
    let accepted = run(["check", text(&model), text(&good), "--format", "sarif"]);
    let accepted = accepted.exits(0).json();
    assert_is_sarif(&accepted);
    assert_eq!(accepted["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn junit_has_a_case_per_claim_and_certificate_whatever_the_claims_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "]]><x y='\"'>& \u{1b}[31m\u{202e}\n";
    let mut strange = decoded();
    hostile.clone_into(&mut strange.claims.claims[2].name);
    hostile.clone_into(&mut strange.claims.claims[2].says);
    let accepted = file(&folder, "strange & <new>.tlc", strange.encode().unwrap());
    strange.claims.claims[2].constraints[0].bound -= 60_000;
    let rejected = file(&folder, "rejected.tlc", strange.encode().unwrap());
    let broken = file(&folder, "broken.tlc", "broken");
    let model = model();
    let args = [
        "check",
        text(&model),
        text(&accepted),
        text(&rejected),
        text(&broken),
    ];
    let said = run(args.into_iter().chain(["--format", "junit"])).exits(1);
    let document = roxmltree::Document::parse(&said.stdout).unwrap();
    let root = document.root_element();
    let count = |name: &str| root.attribute(name).unwrap().parse::<usize>().unwrap();
    assert_eq!(
        (count("tests"), count("failures"), count("skipped")),
        (8 + 8 + 1, 2, 7)
    );
    let suites: Vec<_> = root.children().filter(Node::is_element).collect();
    assert_eq!(suites.len(), 3);
    let cases = |suite: usize| suites[suite].children().filter(Node::is_element);
    let name = hostile.replace('\u{1b}', "\u{fffd}");
    assert!(cases(0).any(|case| case.attribute("name") == Some(&name)));
    let failure = |suite: usize| {
        let mut failures = suites[suite].descendants();
        failures.find(|it| it.has_tag_name("failure")).unwrap()
    };
    assert_eq!(failure(1).parent().unwrap().attribute("name"), Some(&*name));
    let said_text = failure(1).text().unwrap();
    assert!(
        said_text.contains("step: claim 2, constraint 0, node "),
        "{said_text}"
    );
    assert!(
        said_text.contains("only shown to be at most"),
        "{said_text}"
    );
    assert_eq!(failure(2).attribute("type"), Some("format"));
    // A terminal is not moved, turned or coloured by a name either.
    let said = run(args).exits(1).stdout;
    assert!(
        said.chars().all(|it| it == '\n' || !it.is_control()) && !said.contains('\u{202e}'),
        "{said:?}"
    );
}

#[cfg(unix)]
#[test]
fn text_writes_out_letters_in_file_names_that_move_or_turn_it() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "x\u{1b}[2J\n::error::\u{202e}\u{200b}";
    let read = |path: &Path| std::fs::read(path).unwrap();
    let good = file(&folder, &format!("{hostile}.tlc"), read(&certificate()));
    let bad = file(&folder, &format!("{hostile}bad.tlc"), "bad");
    let claims = file(&folder, &format!("{hostile}.toml"), read(&standard()));
    let (_, other) = part(&folder, hostile, |number| number == 1);
    let model = file(&folder, &format!("{hostile}.tlm"), read(&model()));
    let key = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = key.pk.to_base64();
    let base = ["check", text(&model), text(&good), text(&bad), "--claims"];
    let signed = ["--public-key", &key, "--signed-model"];
    for claims in [&claims, &other] {
        let args = base.into_iter().chain([text(claims)]).chain(signed);
        let said = run(args).exits(1).stdout;
        assert!(said.contains("x\\u{1b}[2J\\n::error::\\u{202e}\\u{200b}"));
        let hidden = ['\u{202e}', '\u{200b}'];
        assert!(
            said.chars().all(|it| it == '\n' || !it.is_control()) && !said.contains(hidden),
            "{said:?}"
        );
    }
}

#[test]
fn text_and_json_say_no_other_bound_than_the_one_that_was_proven() {
    let folder = tempfile::tempdir().unwrap();
    let mut strange = decoded();
    // Looser by less than four places show, wherever it was tight.
    let claims = &mut strange.claims.claims;
    let number = claims.iter().position(|it| it.name == "backs-off-on-marks");
    let number = number.unwrap();
    assert_eq!(claims[number].constraints[0].bound, -6554);
    claims[number].constraints[0].bound = 2;
    let path = file(&folder, "strange.tlc", strange.encode().unwrap());
    let model = model();
    let args = ["check", text(&model), text(&path)];
    let said = run(args).exits(0).stdout;
    assert!(said.contains("then  rate ≤ 0.00004\n"), "{said}");
    let report = run(args.into_iter().chain(["--json", "-"])).exits(0).json();
    let claim = &report["certificates"][0]["claims"][number];
    assert_eq!(claim["then"], "rate ≤ 0.00004");
    assert_eq!(claim["given"], "ce ≥ 0.5");
}

#[test]
fn several_forms_are_written_at_once_and_clashes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (model, certificate) = (model(), certificate());
    let (sarif, junit) = (folder.path().join("a.sarif"), folder.path().join("a.xml"));
    let base = ["check", text(&model), text(&certificate)];
    let both = [
        "--format",
        "sarif",
        "--output",
        text(&sarif),
        "--format",
        "junit",
        "--output",
        text(&junit),
    ];
    let said = run(base.into_iter().chain(both)).exits(0);
    assert!(
        said.stdout.contains("accepted for model"),
        "{}",
        said.stdout
    );
    assert_eq!(names_in(folder.path()), ["a.sarif", "a.xml"]);
    let more = |more: &[&str]| run(base.iter().chain(more));
    more(&["--format", "sarif", "--format", "junit"])
        .exits(2)
        .complains_of(&["--output each"]);
    more(&["--format", "sarif", "--json", "-"])
        .exits(2)
        .complains_of(&["both ask for standard output"]);
    more(&["--format", "sarif", "--output", text(&model)])
        .exits(2)
        .complains_of(&["both an input and an output"]);
    more(&["--format", "yaml"]).exits(2);
    more(&["--output", text(&sarif)]).exits(2);
}
