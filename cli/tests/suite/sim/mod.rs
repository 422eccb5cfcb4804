//! `tautline sim`.

use std::path::Path;

use serde_json::Value;

use crate::run::{Fixture, Said, file, run, tautline, text};

mod folder;
mod outputs;
mod resume;

const SCENARIO: &str = r#"version = 1
name = "short"
duration_s = 4

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 2

[[flow]]
controller = "cubic"
"#;

const WEAK: &str = r#"version = 1
feature_table = 1

[[claim]]
name = "not-absurd"
kind = "point"
says = "Hardly anything."
then = ["rate <= 16"]
"#;

#[test]
fn results_have_the_documented_shape() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        "cubic,newreno",
        "--seeds",
        "2",
    ];
    let report = run(args.into_iter().chain(["--json", "-"])).exits(0).json();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for (run, (controller, seed)) in
        runs.iter()
            .zip([("cubic", 1), ("cubic", 2), ("newreno", 1), ("newreno", 2)])
    {
        assert_eq!(run["scenario"], "short");
        assert_eq!(run["controller"], controller);
        assert_eq!(run["seed"], seed);
        assert_eq!(run["duration_s"], 4.0);
        assert!(run["data_packets"].as_u64().unwrap() > 1000, "{run}");
        assert!(
            run["flows"][0]["goodput_mbps"].as_f64().unwrap() > 5.0,
            "{run}"
        );
        assert!(run["link"]["utilisation"].as_f64().unwrap() > 0.8, "{run}");
        for number in ["cpu_s", "jain"] {
            assert!(run[number].is_f64(), "{number} in {run}");
        }
        for number in ["queue_delay_mean_ms", "queue_delay_p95_ms", "loss"] {
            assert!(run["link"][number].is_f64(), "{number} in {run}");
        }
        for number in ["loss", "rtt_mean_ms"] {
            assert!(run["flows"][0][number].is_f64(), "{number} in {run}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let lossy = SCENARIO.replace("buffer_bdp = 2", "buffer_bdp = 2\nloss_percent = 1");
    let scenario = file(&folder, "lossy.toml", lossy);
    let with_threads = |threads: &str| {
        let args = ["sim", text(&scenario), "--seeds", "5", "--json", "-"];
        let output = tautline(args).env("RAYON_NUM_THREADS", threads).output();
        let mut report = Said::of(&output.unwrap()).exits(0).json();
        for run in report["runs"].as_array_mut().unwrap() {
            run["cpu_s"] = Value::Null;
        }
        report
    };
    assert_eq!(with_threads("1"), with_threads("3"));
}

#[test]
fn the_certified_controller_runs_only_with_an_accepted_certificate() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        "certified",
        "--json",
        "-",
    ];
    run(args)
        .exits(2)
        .complains_of(&["needs --model", "--certificate"]);
    let with = |certificate: &str| {
        run(args
            .into_iter()
            .chain(["--model", text(&model), "--certificate", certificate]))
    };
    let flow = with(text(&certificate)).exits(0).json()["runs"][0]["flows"][0].clone();
    assert!(flow["certified_decisions"].as_u64().unwrap() > 20, "{flow}");
    let bad = file(&folder, "bad.tlc", "bad");
    with(text(&bad))
        .exits(1)
        .complains_of(&["bad.tlc", "certificate rejected at file"]);
}

#[test]
fn a_proof_of_other_claims_counts_only_where_they_are_asked_for() {
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let claims = file(&folder, "weak.toml", WEAK);
    let weak = folder.path().join("weak.tlc");
    let named = ["--claims", text(&claims)];
    let certify = ["certify", text(&model), "--out", text(&weak)];
    run(certify.into_iter().chain(named)).exits(0);
    let args = ["sim", text(&scenario), "--controllers", "certified"];
    let with = |certificate: &str, more: &[&str]| {
        let both = ["--model", text(&model), "--certificate", certificate];
        run(args.into_iter().chain(both).chain(more.iter().copied()))
    };
    with(text(&weak), &[])
        .exits(1)
        .complains_of(&["weak.tlc", "certificate rejected"]);
    with(text(&weak), &named).exits(0);
    with(text(&Fixture::shared().certificate()), &named).exits(1);

    let server = ["perf", "server", "--model", text(&model), "--certificate"];
    run(server.into_iter().chain([text(&weak)]))
        .exits(1)
        .complains_of(&["weak.tlc", "certificate rejected"]);
}

#[test]
fn malformed_scenarios_name_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            SCENARIO.replace("rate_mbps = 10", "rate_mbps = \"10\""),
            ":6: ",
            "rate_mbps",
        ),
        (
            SCENARIO.replace("buffer_bdp = 2", "buffer = 2"),
            ":8: ",
            "buffer",
        ),
        (
            SCENARIO.replace("duration_s = 4", "duration_s = -4"),
            ":3: ",
            "duration_s",
        ),
    ];
    for (content, line, field) in cases {
        let scenario = file(&folder, "wrong.toml", content);
        let place = format!("wrong.toml{line}");
        run(["sim", text(&scenario)])
            .exits(2)
            .complains_of(&[&place, field]);
    }
    let scenario = file(&folder, "short.toml", SCENARIO);
    run(["sim", text(&scenario), "--controllers", "reno"])
        .exits(2)
        .complains_of(&["reno", "newreno", "certified"]);
    run(["sim", text(&folder.path().join("missing.toml"))])
        .exits(2)
        .complains_of(&["missing.toml", "No such file"]);
}

const DUEL: &str = r#"version = 1
name = "duel"
duration_s = 3

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 1
loss_percent = 0.2

[[flow]]
controller = "cubic"

[[flow]]
controller = "newreno"
start_s = 0.5
"#;

const GRID: &str = r#"version = 1
name = "grid"
duration_s = 2

[link]
rate_mbps = 10
base_rtt_ms = 20
buffer_bdp = 1

[[flow]]
controller = "cubic"

[sweep]
"link.rate_mbps" = [5, 10]
"link.buffer_bdp" = [0.5, 2]
"#;

const TABLES: [&str; 7] = [
    "applications.csv",
    "flows.csv",
    "links.csv",
    "matrix.csv",
    "runs.csv",
    "runs.json",
    "timelines.csv",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a shipped scenario.
fn shipped(name: &str) -> String {
    read(&root().join("scenarios").join(name))
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|it| it == extension)
}

/// Results without the processor time.
fn figures(folder: &Path) -> Value {
    let mut results: Value = serde_json::from_str(&read(&folder.join("runs.json"))).unwrap();
    for run in results["runs"].as_array_mut().unwrap() {
        run["cpu_s"] = Value::Null;
    }
    results
}

#[test]
fn flags_that_make_no_sense_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let scenario = text(&scenario);
    let out = folder.path().join("results");
    for (more, words) in [
        (&["--pcap"][..], "--out"),
        (&["--qlog"], "--out"),
        (&["--resume"], "--out"),
        (&["--plots", "svg"], "--out"),
        (&["--jobs", "0"], "--jobs"),
        (&["--seeds", "0"], "--seeds"),
        (&["--out", text(&out), "--plots", "gif"], "svg, png, none"),
        (
            &["--out", text(&out), "--plots", "svg,none"],
            "`none` alone",
        ),
        (&["--controllers", "quinn-cubic"], "stack = \"quinn\""),
        (
            &["--controllers", "smoltcp-reno"],
            "controller `smoltcp-reno` is smoltcp's own: it needs flows with `stack = \"smoltcp\"`; \
             over the model there are `newreno`",
        ),
        (&["--controllers", "reno"], "unknown controller `reno`"),
    ] {
        let args = ["sim", scenario].into_iter().chain(more.iter().copied());
        run(args).exits(2).complains_of(&[words]);
    }
    assert!(!out.exists());
}

#[test]
fn quinn_and_the_model_share_a_bottleneck() {
    let folder = tempfile::tempdir().unwrap();
    let quinn = DUEL.replace("start_s = 0.5", "stack = \"quinn\"");
    let quinn = file(&folder, "duel.toml", quinn);
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&quinn),
        "--pcap",
        "--qlog",
        "--plots",
        "none",
        "--out",
        text(&out),
    ];
    run(args).exits(0);
    let results = figures(&out);
    for flow in results["runs"][0]["flows"].as_array().unwrap() {
        assert!(flow["goodput_mbps"].as_f64().unwrap() > 1.0, "{flow}");
    }
    let only = SCENARIO.replace("[[flow]]", "[[flow]]\nstack = \"quinn\"");
    let only = file(&folder, "only.toml", only);
    let controllers = "cubic,newreno,quinn-cubic,quinn-newreno,quinn-bbr";
    let args = [
        "sim",
        text(&only),
        "--controllers",
        controllers,
        "--json",
        "-",
    ];
    let results = run(args).exits(0).json();
    for run in results["runs"].as_array().unwrap() {
        assert!(run["link"]["utilisation"].as_f64().unwrap() > 0.7, "{run}");
    }
    assert_eq!(results["runs"].as_array().unwrap().len(), 5);
}

#[test]
fn tcp_quic_and_the_model_share_a_bottleneck() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = shipped("stacks.toml").replace("duration_s = 30", "duration_s = 12");
    let scenario = file(&folder, "stacks.toml", scenario);
    let out = folder.path().join("results");
    let args = [
        "sim",
        text(&scenario),
        "--pcap",
        "--qlog",
        "--plots",
        "none",
        "--out",
        text(&out),
    ];
    run(args).exits(0);
    let results = figures(&out);
    let flows = results["runs"][0]["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 3);
    for flow in flows {
        assert!(flow["goodput_mbps"].as_f64().unwrap() > 0.5, "{flow}");
    }
    assert_eq!(std::fs::read_dir(out.join("qlog")).unwrap().count(), 3);
}

#[test]
fn every_controller_of_smoltcp_and_of_ours_runs_over_smoltcp() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = shipped("smoltcp.toml").replace("duration_s = 30", "duration_s = 10");
    let scenario = file(&folder, "smoltcp.toml", scenario);
    let model = root().join("models/demo/model.tlm");
    let certificate = root().join("models/demo/certificate.tlc");
    let names = "smoltcp-reno,smoltcp-cubic,smoltcp-none,newreno,cubic,bbr,copa,vegas,prague,\
                 fixed:40000,certified";
    let args = [
        "sim",
        text(&scenario),
        "--controllers",
        names,
        "--model",
        text(&model),
        "--certificate",
        text(&certificate),
        "--json",
        "-",
    ];
    let results = run(args).exits(0).json();
    let runs = results["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 11);
    for run in runs {
        assert_eq!(run["flows"][0]["failure"], Value::Null, "{run}");
        let application = &run["flows"][0]["application"];
        let delivered = application["delivered_bytes"].as_u64().unwrap();
        assert!(delivered > 0, "{run}");
    }
}

#[test]
fn a_controller_that_does_not_fit_its_stack_is_refused_with_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let over = |stack: &str, more: &str| {
        let flow = format!("[[flow]]\nstack = \"{stack}\"\n{more}");
        file(&folder, "only.toml", SCENARIO.replace("[[flow]]", &flow))
    };
    for (stack, more, name, words) in [
        (
            "smoltcp",
            "",
            "quinn-bbr",
            "controller `quinn-bbr` is quinn's own: it needs flows with `stack = \"quinn\"`; over \
             smoltcp there are `smoltcp-reno`, `smoltcp-cubic`, `smoltcp-none`, `newreno`",
        ),
        (
            "quinn",
            "",
            "smoltcp-cubic",
            "controller `smoltcp-cubic` is smoltcp's own: it needs flows with `stack = \"smoltcp\"`; \
             over quinn there are `quinn-cubic`, `quinn-newreno`, `quinn-bbr`, `newreno`",
        ),
        ("smoltcp", "", "reno", "unknown controller `reno`"),
        (
            "smoltcp",
            "",
            "reno",
            "`smoltcp-reno`, `smoltcp-cubic`, `smoltcp-none`, or `certified`",
        ),
        (
            "quinn",
            "",
            "reno",
            "`quinn-cubic`, `quinn-newreno`, `quinn-bbr`, or `certified`",
        ),
        ("smoltcp", "ecn = \"l4s\"", "prague", "ECT(1)"),
        ("smoltcp", "", "certified", "--model"),
        ("smoltcp", "ecn = \"l4s\"", "prague", "ECT(0)"),
        ("smoltcp", "ecn = \"classic\"", "smoltcp-reno", "no ECN"),
    ] {
        let scenario = over(stack, more);
        let args = ["sim", text(&scenario), "--controllers", name];
        run(args).exits(2).complains_of(&[words]);
    }
}

#[test]
fn figures_of_applications_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let web = SCENARIO.replace(
        "controller = \"cubic\"",
        "controller = \"cubic\"\nworkload = { kind = \"web\", every_ms = 100, \
         object = { kind = \"pareto\", min_bytes = 10000, shape = 1.2, max_bytes = 50000 } }",
    );
    let scenario = file(&folder, "web.toml", web);
    let out = folder.path().join("results");
    run([
        "sim",
        text(&scenario),
        "--plots",
        "none",
        "--out",
        text(&out),
    ])
    .exits(0);
    let application = &figures(&out)["runs"][0]["flows"][0]["application"];
    assert_eq!(application["kind"], "web");
    assert!(
        application["completed"].as_u64().unwrap() > 10,
        "{application}"
    );
    let table = read(&out.join("applications.csv"));
    assert!(
        table.contains("short,cubic,1,0,web,completion.mean_ms,"),
        "{table}"
    );
}

#[test]
fn a_full_standard_output_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = tautline(["sim", text(&scenario)])
        .stdout(full)
        .output()
        .unwrap();
    Said::of(&output)
        .exits(2)
        .complains_of(&["cannot write to standard output"]);
}
