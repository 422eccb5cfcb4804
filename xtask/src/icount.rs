//! `cargo xtask icount`: instructions of one event, counted by callgrind.
//!
//! The program `icount` of tools/no-std-check leads a controller through its phases by seeded
//! sequences of events and says what each event was; callgrind writes one total per event. Counts
//! are exact and the same in every run on one machine with one compiler.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::no_std;
use crate::prerequisites::{self, InstallArguments};
use crate::steps::{check, say, shown};
use crate::workspace::Workspace;

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    install: InstallArguments,
    /// Sequences per controller and source of events
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
}

/// Prints the tables; an error where there is no valgrind.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    prerequisites::valgrind(arguments.install.installing())?;
    let folder = no_std::built(workspace);
    for (profile, what) in PROFILES {
        let mut build = no_std::tool(workspace, "build");
        build.args(["--profile", profile, "--features", "hosted"]);
        check(build.args(["--bin", "icount"]))?;
        let program = folder.join(profile).join("icount");
        let mut counts = Counts::default();
        for controller in ["reno", "learned"] {
            for (manner, connections, steps) in MANNERS {
                for seed in 1..=arguments.seeds {
                    let seed = seed.to_string();
                    let words = [controller, manner, &seed, connections, steps];
                    let (events, totals) = count(&program, &folder, words)?;
                    counts.add(controller, manner, &events, &totals)?;
                }
            }
        }
        counts.print(what)?;
    }
    Ok(())
}

/// Counts by kind of event.
#[derive(Debug, Default)]
struct Counts(BTreeMap<Event, Found>);

/// What a row of the table is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    controller: String,
    /// Phase, kind of event, and whether a decision fell, as the program says it.
    words: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// On paths.
    typical: Vec<u64>,
    events: usize,
    worst: u64,
}

impl Counts {
    /// Adds one run: an event per line of `events`, its count at the same place of `totals`.
    fn add(&mut self, controller: &str, manner: &str, events: &str, totals: &[u64]) -> Result<()> {
        let lines = events.lines().count();
        // The last total is what came after the last event: nothing.
        if totals.len() != lines + 1 || totals.last() != Some(&0) {
            bail!(
                "callgrind wrote {} totals for {lines} events, expected one each and a last 0",
                totals.len()
            );
        }
        for (words, &total) in events.lines().zip(totals) {
            let event = Event {
                controller: controller.to_owned(),
                words: words.replace(" -", ""),
            };
            let found = self.0.entry(event).or_default();
            found.events += 1;
            found.worst = found.worst.max(total);
            if manner == TYPICAL {
                found.typical.push(total);
            }
        }
        Ok(())
    }

    fn print(&mut self, what: &str) -> Result<()> {
        say(format_args!("\nInstructions of one event, {what}"))?;
        say(format_args!(
            "  {:<10}{:<30}{:>9}{:>9}{:>9}",
            "", "phase, event", "events", "median", "worst"
        ))?;
        for (event, found) in &mut self.0 {
            found.typical.sort_unstable();
            let median = found.typical.get(found.typical.len() / 2);
            let median = median.map_or_else(|| "-".to_owned(), u64::to_string);
            say(format_args!(
                "  {:<10}{:<30}{:>9}{:>9}{:>9}",
                event.controller, event.words, found.events, median, found.worst
            ))?;
        }
        Ok(())
    }
}

/// Runs the program under callgrind: what it prints, and the totals.
fn count(program: &Path, folder: &Path, words: [&str; 5]) -> Result<(String, Vec<u64>)> {
    let file = folder.join("icount.callgrind");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--combine-dumps=yes"])
        .args([
            "--collect-atstart=no",
            "--toggle-collect=*tautline_counted*",
        ])
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(words);
    let output = command.output().with_context(|| shown(&command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {said}", shown(&command), output.status);
    }
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    fs::remove_file(&file).with_context(|| file.display().to_string())?;
    let totals = totals(&text)?;
    Ok((String::from_utf8(output.stdout)?, totals))
}

fn totals(text: &str) -> Result<Vec<u64>> {
    let numbers = text
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    let totals = numbers.map(|number| number.trim().parse());
    totals
        .collect::<Result<_, _>>()
        .context("callgrind wrote a total that is no number")
}

/// Cargo's profiles, and how the tables call them.
const PROFILES: [(&str, &str); 2] = [
    ("size", "opt-level z, as on a microcontroller"),
    ("release", "opt-level 3"),
];
/// The source of events whose median is given.
const TYPICAL: &str = "path";
/// The function of tools/no-std-check that makes one call of a transport.
const COUNTED: &str = "no_std_check::sequence::Step::tautline_counted";
/// Sources of events, with connections per seed and steps of each: an adversary soon has the
/// fallback in charge.
const MANNERS: [(&str, &str, &str); 2] = [(TYPICAL, "1", "12000"), ("adversary", "40", "300")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_total() {
        let totals = totals("part: 1\ntotals: 31\n\ntotals: 250\nsummary: 9\ntotals: 0\n").unwrap();
        assert_eq!(totals, [31, 250, 0]);
        let mut counts = Counts::default();
        let events = "policy sent -\npolicy ack decision\n";
        counts.add("learned", TYPICAL, events, &totals).unwrap();
        counts
            .add("learned", "adversary", "policy sent -\n", &[40, 0])
            .unwrap();
        let found: Vec<_> = counts
            .0
            .iter()
            .map(|(event, it)| (event.words.as_str(), it.worst))
            .collect();
        assert_eq!(found, [("policy ack decision", 250), ("policy sent", 40)]);
        let sent = counts.0.values().next_back().unwrap();
        assert_eq!((sent.events, sent.typical.as_slice()), (2, &[31][..]));
    }

    #[test]
    fn totals_that_fit_no_event_are_an_error() {
        let mut counts = Counts::default();
        let error = counts
            .add("reno", TYPICAL, "reno sent -\n", &[5])
            .unwrap_err();
        assert!(
            error.to_string().contains("1 totals for 1 events"),
            "{error}"
        );
        assert!(
            counts
                .add("reno", TYPICAL, "reno sent -\n", &[5, 7])
                .is_err()
        );
    }
}
