//! `tautline verify`.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{file, names_in, run, text};

/// y = max(x₀ − x₁, 0) + max(x₁ − x₀, 0) + 0.25, so |x₀ − x₁| + 0.25.
const DISTANCE: &str = "// distance\n2,2,1,2,\n2,2,1,\n0,\n-1,-1,\n1,1,\n0,0,0,\n1,1,1,\n\
    1,-1,\n-1,1,\n0,\n0,\n1,1,\n0.25,\n";

/// Unsafe where both inputs lie in [0, 1] and the output is at least this.
fn at_least(bound: &str) -> String {
    let declared = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n";
    let sides = "(assert (<= X_0 1.0)) (assert (>= X_0 0.0))\n(assert (<= X_1 1.0)) (assert (>= X_1 0.0))\n";
    format!("{declared}{sides}(assert (>= Y_0 {bound}))\n")
}

struct Files {
    folder: TempDir,
    network: PathBuf,
    safe: PathBuf,
    broken: PathBuf,
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    Files {
        network: file(&folder, "distance.nnet", DISTANCE),
        safe: file(&folder, "safe.vnnlib", at_least("1.5")),
        broken: file(&folder, "broken.vnnlib", at_least("1.125")),
        folder,
    }
}

/// A protobuf field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], bytes].concat()
}

/// An ONNX graph of one node on two inputs.
fn onnx(operator: &str) -> Vec<u8> {
    let end = |name: &str| {
        // Elements of type FLOAT, shape [2].
        let shape = field(1, &[1 << 3, 2]);
        let tensor = [vec![1 << 3, 1], field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let node = [
        field(1, b"x"),
        field(2, b"y"),
        field(3, b"only"),
        field(4, operator.as_bytes()),
    ];
    let graph = [
        field(1, &node.concat()),
        field(11, &end("x")),
        field(12, &end("y")),
    ]
    .concat();
    // Operator set 13.
    let operators = field(8, &[2 << 3, 13]);
    [vec![1 << 3, 7], operators, field(7, &graph)].concat()
}

#[test]
fn a_property_that_holds_is_accepted_and_reported_as_one_row() {
    let files = files();
    let args = [
        "verify",
        "--network",
        text(&files.network),
        "--property",
        text(&files.safe),
    ];
    let said = run(args.into_iter().chain(["--json", "-"])).exits(0);
    let report = said.json();
    let row = report.as_array().unwrap()[0].as_object().unwrap();
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    let mut expected = ["network", "property", "verdict", "expected", "seconds"];
    expected.sort_unstable();
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(row["network"], text(&files.network));
    assert_eq!(row["verdict"], "holds");
    assert_eq!(row["expected"], Value::Null);
    assert!(row["seconds"].as_f64().unwrap() >= 0.0);
    let said = run(args).exits(0);
    assert!(said.stdout.starts_with("holds ("), "{}", said.stdout);
}

#[test]
fn a_violation_is_no_failure_of_the_command_and_its_input_can_be_written() {
    let files = files();
    let found = files.folder.path().join("found.txt");
    let args = [
        "verify",
        "--network",
        text(&files.network),
        "--property",
        text(&files.broken),
        "--counterexample",
        text(&found),
    ];
    let said = run(args).exits(1);
    assert!(said.stdout.starts_with("violated ("), "{}", said.stdout);
    let written = std::fs::read_to_string(&found).unwrap();
    let pairs = written
        .trim()
        .strip_prefix("((")
        .unwrap()
        .strip_suffix("))")
        .unwrap();
    let pairs: Vec<(&str, f32)> = pairs
        .split(")\n (")
        .map(|pair| pair.split_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let [("X_0", a), ("X_1", b), ("Y_0", y)] = pairs[..] else {
        panic!("{written}");
    };
    assert!(
        (0.0..=1.0).contains(&a) && (0.0..=1.0).contains(&b),
        "{written}"
    );
    assert_eq!(y, (a - b).abs() + 0.25);
    assert!(y >= 1.125, "{written}");
}

#[test]
fn nothing_is_written_where_nothing_was_found() {
    let files = files();
    let found = files.folder.path().join("found.txt");
    let (network, property) = (text(&files.network), text(&files.safe));
    let args = ["verify", "--network", network, "--property", property];
    run(args.into_iter().chain(["--counterexample", text(&found)])).exits(0);
    assert!(!names_in(files.folder.path()).contains(&"found.txt".to_owned()));
}

#[test]
fn a_list_of_instances_is_a_table_beside_what_was_expected() {
    let files = files();
    let list = file(
        &files.folder,
        "instances.csv",
        "./distance.nnet,safe.vnnlib,60\ndistance.nnet,broken.vnnlib,60\n",
    );
    let table = "network,property,timeout_s,expected,slow_s,other_s\n\
        distance.nnet,safe.vnnlib,60,holds,1000.5,\n\
        distance.nnet,broken.vnnlib,60,violated,2000,3\n";
    file(&files.folder, "expected.csv", table);
    let said = run(["verify", "--instances", text(&list)]).exits(0);
    for part in [
        "2 instances: 1 hold, 1 violated, 0 undecided; 2 with an expected verdict, 0 wrong",
        "seconds: total",
        "slow              2   3000.5  1500.250",
        "other             1      3.0     3.000",
    ] {
        assert!(
            said.stdout.contains(part),
            "no {part:?} in:\n{}",
            said.stdout
        );
    }
    let report = run(["verify", "--instances", text(&list), "--json", "-"])
        .exits(0)
        .json();
    let verdicts: Vec<_> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            json!([
                row["network"],
                row["property"],
                row["verdict"],
                row["expected"]
            ])
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            json!(["./distance.nnet", "safe.vnnlib", "holds", "holds"]),
            json!(["distance.nnet", "broken.vnnlib", "violated", "violated"]),
        ]
    );
}

#[test]
fn a_verdict_against_the_expected_one_fails_and_is_marked() {
    let files = files();
    let list = file(
        &files.folder,
        "instances.csv",
        "distance.nnet,safe.vnnlib,60\n",
    );
    let header = "network,property,expected\n";
    let table = format!("{header}distance.nnet,safe.vnnlib,sat\n");
    file(&files.folder, "expected.csv", &table);
    let said = run(["verify", "--instances", text(&list)]).exits(1);
    assert!(
        said.stdout.contains("holds WRONG  violated"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("1 wrong"), "{}", said.stdout);
    // Without a table nothing is known, and nothing is wrong.
    std::fs::remove_file(files.folder.path().join("expected.csv")).unwrap();
    run(["verify", "--instances", text(&list)]).exits(0);
}

#[test]
fn files_may_be_compressed() {
    let files = files();
    let pack = |name: &str, content: &[u8]| {
        let path = files.folder.path().join(name);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        std::fs::write(&path, encoder.finish().unwrap()).unwrap();
        path
    };
    let network = pack("packed.onnx.gz", &onnx("Relu"));
    let property = "(declare-const X_0 Real)(declare-const X_1 Real)\
        (declare-const Y_0 Real)(declare-const Y_1 Real)\
        (assert (and (<= -1 X_0 1) (<= -1 X_1 1)))(assert (or (>= Y_0 1.5) (<= Y_1 -0.5)))";
    pack("packed.vnnlib.gz", property.as_bytes());
    // A list may leave the ending out.
    let list = file(
        &files.folder,
        "instances.csv",
        "packed.onnx,packed.vnnlib,60\n",
    );
    run(["verify", "--instances", text(&list)]).exits(0);
    let property = files.folder.path().join("packed.vnnlib.gz");
    let args = [
        "verify",
        "--network",
        text(&network),
        "--property",
        text(&property),
    ];
    run(args).exits(0);
    std::fs::write(&network, b"not compressed").unwrap();
    run(args)
        .exits(2)
        .complains_of(&["packed.onnx.gz", "not a gzip file"]);
}

#[test]
fn what_cannot_be_read_has_no_verdict() {
    let files = files();
    let refuses = |network: &PathBuf, property: &PathBuf, parts: &[&str]| {
        let args = [
            "verify",
            "--network",
            text(network),
            "--property",
            text(property),
        ];
        let said = run(args.into_iter().chain(["--json", "-"])).exits(2);
        assert_eq!(said.stdout, "");
        said.complains_of(parts);
    };
    let written = |name: &str, content: &str| file(&files.folder, name, content);
    let malformed = written("malformed.vnnlib", &at_least("1.5 2 oops"));
    refuses(
        &files.network,
        &malformed,
        &["malformed.vnnlib", "line 6, column 23", "oops"],
    );
    let empty = written(
        "empty.vnnlib",
        &format!("{}(assert (>= X_0 2))", at_least("1")),
    );
    refuses(
        &files.network,
        &empty,
        &["empty.vnnlib", "line 7", "region of inputs is empty"],
    );
    let other = at_least("1").replace(
        "(declare-const Y_0",
        "(declare-const Y_1 Real)\n(declare-const Y_0",
    );
    let other = written("other.vnnlib", &other);
    refuses(
        &files.network,
        &other,
        &["other.vnnlib cannot be asked", "2 outputs"],
    );
    let nan = written("nan.nnet", &DISTANCE.replace("1,-1,\n-1,1", "1,NaN,\n-1,1"));
    refuses(&nan, &files.safe, &["nan.nnet", "line 9, column 3", "NaN"]);
    let softmax = files.folder.path().join("softmax.onnx");
    std::fs::write(&softmax, onnx("Softmax")).unwrap();
    refuses(
        &softmax,
        &files.safe,
        &["softmax.onnx", "node `only` (Softmax)", "not supported"],
    );
    let unknown = written("network.txt", "");
    refuses(&unknown, &files.safe, &["network.txt", ".onnx or .nnet"]);
    let nowhere = files.folder.path().join("nowhere.onnx");
    refuses(
        &nowhere,
        &files.safe,
        &["cannot read network", "nowhere.onnx"],
    );
}

#[test]
fn a_bad_line_of_a_list_is_named_before_anything_is_decided() {
    let files = files();
    let fails = |content: &str, parts: &[&str]| {
        let list = file(&files.folder, "instances.csv", content);
        let said = run(["verify", "--instances", text(&list)]).exits(2);
        assert_eq!(said.stdout, "");
        said.complains_of(parts);
    };
    let good = "distance.nnet,safe.vnnlib,60\n";
    fails(
        &format!("{good}distance.nnet,safe.vnnlib,soon\n"),
        &["instances.csv:2", "`soon`"],
    );
    fails(
        &format!("{good}a,b,c,d\n"),
        &["instances.csv:2", "got 4 cells"],
    );
    fails(
        &format!("{good}\nmissing.nnet,safe.vnnlib,60\n"),
        &["instances.csv:3", "missing.nnet"],
    );
    fails("", &["instances.csv", "expected a line"]);
    let other = at_least("1").replace(
        "(declare-const Y_0",
        "(declare-const Y_1 Real)(declare-const Y_0",
    );
    file(&files.folder, "other.vnnlib", &other);
    let parts = [
        "instances.csv:2",
        "other.vnnlib cannot be asked",
        "2 outputs",
    ];
    fails(&format!("{good}distance.nnet,other.vnnlib,60\n"), &parts);
    file(&files.folder, "expected.csv", "network,property\n");
    fails(good, &["expected.csv:1", "`expected`"]);
    file(
        &files.folder,
        "expected.csv",
        "network,property,expected\na,b,maybe\n",
    );
    fails(good, &["expected.csv:2", "`maybe`"]);
}

#[test]
fn rows_that_contradict_each_other_fail_and_rows_about_nothing_are_noted() {
    let files = files();
    let list = file(
        &files.folder,
        "instances.csv",
        "distance.nnet,safe.vnnlib,60\n",
    );
    let expects = |rows: &str| {
        let content = format!("network,property,expected\n{rows}");
        file(&files.folder, "expected.csv", content);
        run(["verify", "--instances", text(&list)])
    };
    let said = expects("distance.nnet,safe.vnnlib,holds\n./distance.nnet,safe.vnnlib,violated\n");
    said.exits(2).complains_of(&[
        "expected.csv:3",
        "expected holds as line 2 says, got violated",
    ]);
    let said =
        expects("distance.nnet,safe.vnnlib,holds\na,b,\ndistance.nnet,safe.vnnlib,?\nc,d,sat\n");
    let said = said.exits(0);
    assert!(
        said.stdout.contains("1 with an expected verdict"),
        "{}",
        said.stdout
    );
    let note = "rows about no instance: 2, the first on line 3";
    assert!(said.stderr.contains(note), "{}", said.stderr);
}

#[test]
fn time_that_is_over_leaves_the_question_open() {
    let files = files();
    let args = [
        "verify",
        "--network",
        text(&files.network),
        "--property",
        text(&files.safe),
        "--timeout",
        "0.000001",
    ];
    let said = run(args).exits(1);
    assert!(said.stdout.starts_with("unknown ("), "{}", said.stdout);
    assert!(said.stdout.contains("the time is over"), "{}", said.stdout);
    let list = file(
        &files.folder,
        "instances.csv",
        "distance.nnet,safe.vnnlib,0.000001\n",
    );
    let said = run(["verify", "--instances", text(&list)]).exits(1);
    assert!(said.stdout.contains("1 undecided"), "{}", said.stdout);
    run(["verify", "--instances", text(&list), "--timeout", "60"]).exits(0);
}

#[test]
fn half_a_question_is_wrong_usage() {
    run(["verify", "--network", "a.onnx"]).exits(2);
    run(["verify", "--property", "a.vnnlib"]).exits(2);
    run([
        "verify",
        "--instances",
        "a.csv",
        "--network",
        "a.onnx",
        "--property",
        "b",
    ])
    .exits(2);
}
