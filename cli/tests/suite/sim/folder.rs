//! What calls do to files that are there already.

use super::{DUEL, SCENARIO, figures, read};
use crate::run::{Said, file, names_in, run, text};

/// `tautline sim` without charts, and with `more`.
fn sim(args: &[&str], more: &[&str]) -> Said {
    let args = ["sim", "--plots", "none"].iter().chain(args).chain(more);
    run(args)
}

#[test]
fn no_output_replaces_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let traced = SCENARIO.replace("rate_mbps = 10", "trace = \"out/runs.csv\"");
    let traced = traced.replace("buffer_bdp = 2", "buffer_packets = 100");
    let scenario = file(&folder, "short.toml", traced);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let trace = out.join("runs.csv");
    std::fs::write(&trace, "1\n2\n").unwrap();
    sim(&[text(&scenario), "--out", text(&out)], &[])
        .exits(2)
        .complains_of(&["runs.csv is both an input and an output"]);
    run(["sim", text(&scenario), "--json", text(&trace)])
        .exits(2)
        .complains_of(&["runs.csv is both an input and an output"]);
    assert_eq!(read(&trace), "1\n2\n");
    assert_eq!(names_in(&out), ["runs.csv"]);
}

#[test]
fn a_folder_that_another_process_uses_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let out = folder.path().join("results");
    let args = [text(&scenario), "--out", text(&out)];
    sim(&args, &[]).exits(0);
    let (before, cells) = (figures(&out), names_in(&out.join("cells")));
    let other = std::fs::File::open(out.join(".lock")).unwrap();
    other.lock().unwrap();
    for more in [&[][..], &["--resume"]] {
        sim(&args, more).exits(2).complains_of(&[
            text(&out),
            "in use by another `tautline sim`",
            "wait",
            "--out",
        ]);
    }
    assert_eq!(names_in(&out.join("cells")), cells);
    other.unlock().unwrap();
    sim(&args, &["--resume"]).exits(0).complains_of(&["1 of 1"]);
    assert_eq!(figures(&out), before);
}

#[test]
fn results_that_could_not_be_told_apart_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let a = file(&folder, "a.toml", SCENARIO);
    let b = file(&folder, "b.toml", DUEL.replace("\"duel\"", "\"short\""));
    let nameless = SCENARIO.replace("name = \"short\"\n", "");
    let short = file(&folder, "short.toml", nameless);
    let out = folder.path().join("results");
    let refused = |args: &[&str], words: &[&str]| {
        sim(args, &["--out", text(&out)])
            .exits(2)
            .complains_of(words);
    };
    refused(&[text(&a), text(&b)], &["a.toml", "b.toml", "`short`"]);
    refused(
        &[text(&short), text(&a)],
        &["short.toml", "a.toml", "`short`"],
    );
    refused(&[text(&a), text(&a)], &["a.toml, which are the same"]);
    let twice = ["--controllers", "cubic,newreno,cubic"];
    refused(
        &[text(&a), twice[0], twice[1]],
        &["--controllers", "`cubic` twice"],
    );
    assert!(!out.exists());
}

#[test]
fn a_new_call_leaves_nothing_of_an_earlier_one_and_all_that_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "duel.toml", DUEL);
    let out = folder.path().join("results");
    let args = ["sim", text(&scenario), "--out", text(&out), "--controllers"];
    let call = |more: &[&str]| run(args.iter().chain(more)).exits(0);
    let (plots, pcap, qlog) = (out.join("plots"), out.join("pcap"), out.join("qlog"));
    call(&["cubic,newreno", "--pcap", "--qlog"]);
    for (folder, count) in [(&plots, 10), (&pcap, 2), (&qlog, 4)] {
        assert_eq!(names_in(folder).len(), count);
        std::fs::write(folder.join("mine-cubic-1-timeline.svg"), "mine").unwrap();
    }
    // Recordings of runs that are not asked for now are still of those runs; charts are not of
    // these results.
    call(&["cubic", "--resume", "--plots", "svg"]);
    let charts = [
        "duel-cubic-1-delay-distribution.svg",
        "duel-cubic-1-fairness.svg",
        "duel-cubic-1-timeline.svg",
        "mine-cubic-1-timeline.svg",
    ];
    assert_eq!(names_in(&plots), charts);
    assert_eq!((names_in(&pcap).len(), names_in(&qlog).len()), (3, 5));
    call(&["newreno", "--plots", "none"]);
    for folder in [&plots, &pcap, &qlog] {
        assert_eq!(names_in(folder), ["mine-cubic-1-timeline.svg"]);
    }
    assert_eq!(names_in(&out.join("cells")).len(), 1);
}

#[test]
fn a_recording_that_is_not_whole_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let out = folder.path().join("results");
    let args = [text(&scenario), "--out", text(&out), "--pcap", "--qlog"];
    let resume = || sim(&args, &["--resume"]).exits(0);
    resume().complains_of(&["0 of 1"]);
    resume().complains_of(&["1 of 1"]);
    for name in [
        "pcap/short-cubic-1.pcapng",
        "qlog/short-cubic-1-flow0.sqlog",
    ] {
        let whole = std::fs::read(out.join(name)).unwrap();
        for length in [0, whole.len() - 1] {
            std::fs::write(out.join(name), &whole[..length]).unwrap();
            resume().complains_of(&["0 of 1"]);
            assert_eq!(std::fs::read(out.join(name)).unwrap(), whole);
        }
    }
    resume().complains_of(&["1 of 1"]);
}

#[test]
fn names_do_not_move_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let odd = SCENARIO.replace("\"short\"", "\"od\\u001b[2Jd\\n\"");
    let scenario = file(&folder, "odd.toml", odd);
    for seeds in ["1", "2"] {
        let said = run(["sim", text(&scenario), "--seeds", seeds]).exits(0);
        assert_eq!(said.stdout.lines().count(), 3, "{}", said.stdout);
        assert!(said.stdout.contains("od\\u{1b}[2Jd\\n"), "{}", said.stdout);
        assert!(!said.stderr.contains('\u{1b}'), "{}", said.stderr);
    }
}

#[test]
fn seeds_that_change_nothing_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, "short.toml", SCENARIO);
    let lossy = file(&folder, "duel.toml", DUEL);
    let args = ["sim", text(&scenario), text(&lossy), "--seeds", "2"];
    let said = run(args).exits(0);
    let note = "seeds change nothing in short under cubic\n";
    assert!(said.stderr.contains(note), "{}", said.stderr);
    let said = run(["sim", text(&scenario)]).exits(0);
    assert!(!said.stderr.contains("seeds"), "{}", said.stderr);
}
