//! `tautline train`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tautline_trainer::Params;

use crate::run::{Said, file, names_in, run, tautline, text};

/// Parameters of a run of about a second.
fn tiny() -> String {
    let mut params = Params::quick();
    params.clone.steps = 400;
    params.clone.recordings = 0;
    params.evolve.generations = 1;
    params.evolve.pairs = 1;
    params.evolve.scenarios = 1;
    params.evolve.validation_scenarios = 1;
    params.repair.rounds = 1;
    params.repair.steps = 20;
    params.environment.max_packets = 500.0;
    params.to_toml().unwrap()
}

#[test]
fn an_interrupted_run_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let params = file(&folder, "tiny.toml", tiny());
    let path = |name: &str| folder.path().join(name);
    let (whole, resumed) = (path("whole.tlm"), path("resumed.tlm"));
    run(["train", "--params", text(&params), "--out", text(&whole)]).exits(0);

    let checkpoint = path("run.tltc");
    let args = ["train", "--params", text(&params), "--out", text(&resumed)];
    let mut child = tautline(args)
        .args(["--checkpoint", text(&checkpoint)])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("Ctrl-C leaves a checkpoint"), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
    let said = Said::of(&child.wait_with_output().unwrap()).exits(130);
    assert_eq!(said.stdout, "");
    assert!(rest.contains("go on with --resume"), "{rest}");
    assert!(!resumed.exists());

    run(args.into_iter().chain(["--resume", text(&checkpoint)])).exits(0);
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(read(&whole), read(&resumed));
}

#[test]
fn malformed_parameters_name_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = tiny().replace("[evolve]", "[evolve]\nspeed = 3");
    let params = file(&folder, "wrong.toml", &wrong);
    let line = wrong.lines().position(|line| line == "speed = 3").unwrap() + 1;
    let place = format!("wrong.toml:{line}: ");
    run(["train", "--params", text(&params)])
        .exits(2)
        .complains_of(&[&place, "speed"]);

    let wrong = tiny().replace("sigma = ", "sigma = \"wide\" # ");
    let params = file(&folder, "type.toml", &wrong);
    run(["train", "--params", text(&params)])
        .exits(2)
        .complains_of(&["type.toml:", "sigma: ", "expected"]);
}

#[test]
fn parameters_out_of_range_name_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "pairs = ",
            "pairs = 0 #",
            "evolve.pairs is 0, expected 1 to 4096",
        ),
        ("sigma = ", "sigma = 5.0 #", "evolve.sigma is 5, expected"),
        ("margin = ", "margin = nan #", "repair.margin is NaN"),
        ("weight_shift = ", "weight_shift = 3 #", "weight shift 3"),
        ("hidden = ", "hidden = [1] #", "has width 1"),
        ("heads = ", "heads = [\"speed\"] #", "names \"speed\""),
    ];
    for (from, to, complaint) in cases {
        let wrong = tiny().replace(from, to);
        let line = wrong.lines().position(|line| line.starts_with(to));
        let place = format!("range.toml:{}: ", line.unwrap() + 1);
        let params = file(&folder, "range.toml", &wrong);
        run(["train", "--params", text(&params)])
            .exits(2)
            .complains_of(&[&place, complaint]);
    }
    let (params, seed) = (file(&folder, "tiny.toml", tiny()), u64::MAX.to_string());
    run(["train", "--params", text(&params), "--seed", &seed])
        .exits(2)
        .complains_of(&["--seed: seed is"]);
}

#[test]
fn single_parameters_are_set_on_top_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let params = file(&folder, "tiny.toml", tiny());
    let changed = tiny().replace("steps = 400", "steps = 401");
    assert_ne!(changed, tiny());
    let written = file(&folder, "changed.toml", changed);
    let trained = |name: &str, params: &Path, more: &[&str]| {
        let out = folder.path().join(name);
        let args = ["train", "--params", text(params), "--out", text(&out)];
        run(args.iter().chain(more)).exits(0);
        std::fs::read(&out).unwrap()
    };
    let set = trained("set.tlm", &params, &["--set", "clone.steps=401"]);
    assert_eq!(set, trained("written.tlm", &written, &[]));
    assert_ne!(set, trained("tiny.tlm", &params, &[]));
}

#[test]
fn a_setting_that_does_not_fit_is_named() {
    let refused = |setting: &str| run(["train", "--preset", "quick", "--set", setting]).exits(2);
    refused("evolve.sigma").complains_of(&["--set: evolve.sigma: expected KEY=VALUE"]);
    refused("evolve.speed=3").complains_of(&["--set: evolve.speed=3: unknown field `speed`"]);
    refused("evolve.sigma=wide").complains_of(&["--set: evolve.sigma=wide: "]);
    refused("evolve.sigma=5").complains_of(&["--set: evolve.sigma is 5, expected"]);
}

#[test]
fn an_output_that_cannot_be_written_fails_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("missing/model.tlm");
    run(["train", "--preset", "full", "--out", text(&out)])
        .exits(2)
        .complains_of(&["cannot write", "missing/model.tlm", "No such file"]);
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn no_output_replaces_an_input_or_another_output() {
    let folder = tempfile::tempdir().unwrap();
    let params = file(&folder, "tiny.toml", tiny());
    let train = |more: &[&str]| {
        let args = ["train", "--params", text(&params)];
        run(args.iter().chain(more)).exits(2)
    };
    let one = folder.path().join("one.tltc");
    let one = text(&one);
    let twice = "one.tltc is the place of two outputs";
    // The checkpoint of one.tltc would be one.tltc.
    train(&["--out", one]).complains_of(&[twice, "--checkpoint"]);
    let out = folder.path().join("model.tlm");
    let out = text(&out);
    train(&["--out", one, "--checkpoint", one]).complains_of(&[twice]);
    let input = "tiny.toml is both an input and an output";
    train(&["--out", text(&params)]).complains_of(&[input]);
    train(&["--out", out, "--checkpoint", text(&params)]).complains_of(&[input]);
    train(&["--out", out, "--claims", out]).complains_of(&["model.tlm is both"]);
    let resume = file(&folder, "run.tltc", "junk");
    train(&["--out", text(&resume), "--resume", text(&resume)])
        .complains_of(&["run.tltc is the place"]);
    assert_eq!(std::fs::read_to_string(&params).unwrap(), tiny());
    assert_eq!(names_in(folder.path()), ["run.tltc", "tiny.toml"]);
}

#[test]
fn only_a_checkpoint_of_this_run_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let params = file(&folder, "tiny.toml", tiny());
    let out = folder.path().join("model.tlm");
    let args = ["train", "--params", text(&params), "--out", text(&out)];
    let earlier = file(&folder, "model.tltc", "an earlier run");
    run(args)
        .exits(2)
        .complains_of(&["model.tltc exists", "--resume", "--checkpoint"]);
    assert_eq!(names_in(folder.path()), ["model.tltc", "tiny.toml"]);
    assert_eq!(std::fs::read(&earlier).unwrap(), b"an earlier run");

    std::fs::remove_file(&earlier).unwrap();
    run(args).exits(0);
    assert_eq!(names_in(folder.path()), ["model.tlm", "tiny.toml"]);

    run(args.into_iter().chain(["--checkpoint", text(&earlier)])).exits(0);
    run(args.into_iter().chain(["--resume", text(&earlier)])).exits(0);
    assert!(earlier.exists());
}

#[test]
fn a_corrupt_or_foreign_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("model.tlm");
    let junk = file(&folder, "junk.tltc", "junk");
    let args = ["train", "--preset", "quick", "--out", text(&out)];
    run(args.into_iter().chain(["--resume", text(&junk)]))
        .exits(2)
        .complains_of(&["junk.tltc", "expected a .tltc file", "TLTC"]);
    assert!(!out.exists());
}
