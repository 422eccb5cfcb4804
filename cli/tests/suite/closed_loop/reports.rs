//! What is written for machines, and what is said and drawn of a slice that cannot be proven.

use super::{CLAIMS, Fixture, change, model};
use crate::run::{file, names_in, run, text};

#[test]
fn every_form_of_report_tells_accepted_from_rejected() {
    let fixture = Fixture::shared();
    let folder = tempfile::tempdir().unwrap();
    let (model, good) = (model(), fixture.certificate());
    let mut bad = fixture.decoded();
    change(&mut bad, 1, |slice| slice.ranks.fill(1));
    let bad = file(&folder, "bad.tlc", bad.encode().unwrap());
    let [json, sarif, junit] = ["json", "sarif", "junit"].map(|it| folder.path().join(it));
    let mut args = vec!["check", text(&model), text(&good), text(&bad)];
    args.extend(["--format", "json", "--output", text(&json)]);
    args.extend(["--format", "sarif", "--output", text(&sarif)]);
    args.extend(["--format", "junit", "--output", text(&junit)]);
    run(args).exits(1);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let value = |path| serde_json::from_str::<serde_json::Value>(&read(path)).unwrap();

    let report = value(&json);
    let [accepted, rejected] = [0, 1].map(|at| &report["certificates"][at]);
    assert_eq!(accepted["accepted"], true);
    let proven = &accepted["loops"][0];
    assert_eq!(proven["name"], "settles");
    assert_eq!(proven["slices"].as_array().unwrap().len(), 2);
    assert!(proven["shown"]["utilisation"].as_f64().unwrap() >= 0.97);
    assert!(proven["shown"]["queue"].as_f64().unwrap() <= 1.1);
    assert_eq!(rejected["accepted"], false);
    assert_eq!(rejected["claim_names"][0], "settles");

    let results = &value(&sarif)["runs"][0]["results"];
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 1);
    let place = &results[0]["locations"][0];
    let uri = &place["physicalLocation"]["artifactLocation"]["uri"];
    assert!(uri.as_str().unwrap().ends_with("bad.tlc"), "{uri}");
    let logical = &place["logicalLocations"][0];
    let step = logical["fullyQualifiedName"].as_str().unwrap();
    assert!(step.starts_with("claim 0, slice 1"), "{step}");
    assert_eq!(logical["name"], "settles");

    let junit = read(&junit);
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases = document
        .descendants()
        .filter(|it| it.has_tag_name("testcase"));
    let failed: Vec<bool> = cases
        .map(|case| case.children().any(|it| it.has_tag_name("failure")))
        .collect();
    assert_eq!(failed, [false, true]);
}

#[test]
fn a_family_that_cannot_close_names_cells_and_features_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    let claims = CLAIMS
        .replace("0.05", "0.2")
        .replace("[\"5\", \"5.625\"]", "[\"6\", \"6\"]")
        .replace("[\"1\", \"inf\"]", "[\"4\", \"4\"]");
    let claims = file(&folder, "wide.toml", claims);
    let (model, out) = (model(), folder.path().join("a.tlc"));
    let pictures = folder.path().join("pictures");
    let report = folder.path().join("report.json");
    let args = [
        "certify",
        text(&model),
        "--closed-loop",
        "--claims",
        text(&claims),
    ];
    let args = args.into_iter().chain(["--out", text(&out)]);
    let args = args.chain(["--explain", text(&pictures), "--json", text(&report)]);
    run(args).exits(1);
    assert_eq!(
        names_in(folder.path()),
        ["pictures", "report.json", "wide.toml"]
    );
    let report = std::fs::read_to_string(report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["holds"], false);
    assert_eq!(report["claims"][0]["verdict"], "unknown");
    let failures = report["claims"][0]["failures"].as_array().unwrap();
    let mut expected = vec![];
    for (number, failure) in failures.iter().enumerate() {
        assert!(failure["blocking"].as_u64().unwrap() > 0, "{failure}");
        assert!(!failure["troubles"].as_array().unwrap().is_empty());
        let feature = &failure["features"][0];
        assert!(feature["name"].is_string(), "{failure}");
        assert!(feature["share"].as_f64().unwrap() > 0.0, "{failure}");
        expected.extend(["png", "svg"].map(|it| format!("settles-{number}.{it}")));
        let svg = pictures.join(format!("settles-{number}.svg"));
        let svg = std::fs::read_to_string(svg).unwrap();
        let blames = format!(
            "mostly for what is open of {}",
            feature["name"].as_str().unwrap()
        );
        for part in ["settles: why no proof", "blocks the proof", &blames] {
            assert!(svg.contains(part), "no {part:?} in a picture");
        }
    }
    assert!(!expected.is_empty());
    assert_eq!(names_in(&pictures), expected);
}
