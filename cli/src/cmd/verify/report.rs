//! Verdicts as tables, JSON and counterexamples.

use std::fmt::Write as _;

use serde::Serialize;
use tautline_abstract_interp::float::verdict::{CaseStatus, Counterexample, Reason, Verdict};

use super::decide::{Decision, verdict_name};
use super::instances::Instances;
use crate::output::Table;

/// One instance, in the table and as JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    network: String,
    property: String,
    /// `holds`, `violated` or `unknown`.
    verdict: &'static str,
    /// `holds` or `violated`, where it is known.
    expected: Option<&'static str>,
    seconds: f64,
}

impl Row {
    pub(super) fn new(
        network: &str,
        property: &str,
        decision: &Decision,
        expected: Option<&'static str>,
    ) -> Self {
        Self {
            network: network.to_owned(),
            property: property.to_owned(),
            verdict: verdict_name(&decision.answer.verdict),
            expected,
            seconds: decision.time.as_secs_f64(),
        }
    }

    fn is_decided(&self) -> bool {
        self.verdict != "unknown"
    }

    fn is_wrong(&self) -> bool {
        self.is_decided() && self.expected.is_some_and(|it| it != self.verdict)
    }

    /// Decided, and not against what is known.
    pub(super) fn is_as_expected(&self) -> bool {
        self.is_decided() && !self.is_wrong()
    }
}

/// The table of many instances, and what they sum up to.
pub(super) fn many(rows: &[Row], instances: &Instances) -> Result<String, std::fmt::Error> {
    let mut table = Table::new(4, ["network", "property", "verdict", "expected", "seconds"]);
    for row in rows {
        let verdict = if row.is_wrong() {
            format!("{} WRONG", row.verdict)
        } else {
            row.verdict.to_owned()
        };
        table.row([
            row.network.clone(),
            row.property.clone(),
            verdict,
            row.expected.unwrap_or("").to_owned(),
            format!("{:.4}", row.seconds),
        ]);
    }
    let mut text = table.to_string();
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let known = rows.iter().filter(|row| row.expected.is_some()).count();
    let wrong = rows.iter().filter(|row| row.is_wrong()).count();
    writeln!(
        text,
        "\n{} instances: {} hold, {} violated, {} undecided; {known} with an expected verdict, \
         {wrong} wrong",
        rows.len(),
        count("holds"),
        count("violated"),
        count("unknown"),
    )?;
    let seconds: Vec<f64> = rows.iter().map(|row| row.seconds).collect();
    let Figures {
        total,
        median,
        most,
    } = Figures::of(seconds);
    writeln!(
        text,
        "seconds: total {total:.2}, median {median:.4}, most {most:.2}"
    )?;
    if !instances.anchors.is_empty() {
        write!(text, "\n{}", anchors(rows, instances))?;
    }
    Ok(text)
}

/// Recorded times of other tools beside ours, over the instances that they have times for.
fn anchors(rows: &[Row], instances: &Instances) -> Table {
    let header = [
        "recorded",
        "instances",
        "total s",
        "median s",
        "total s here",
        "median s here",
    ];
    let mut table = Table::new(1, header);
    for (name, recorded) in &instances.anchors {
        let both = rows.iter().zip(recorded);
        let both = both.filter_map(|(row, seconds)| Some(((*seconds)?, row.seconds)));
        let (theirs, ours): (Vec<f64>, Vec<f64>) = both.unzip();
        let count = theirs.len();
        let (theirs, ours) = (Figures::of(theirs), Figures::of(ours));
        table.row([
            name.clone(),
            count.to_string(),
            format!("{:.1}", theirs.total),
            format!("{:.4}", theirs.median),
            format!("{:.1}", ours.total),
            format!("{:.4}", ours.median),
        ]);
    }
    table
}

struct Figures {
    total: f64,
    median: f64,
    most: f64,
}

impl Figures {
    /// All zero where there are no numbers.
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        let at = |index: usize| seconds.get(index).copied().unwrap_or(0.0);
        let median = if seconds.len().is_multiple_of(2) {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self {
            total: seconds.iter().sum(),
            median,
            most: seconds.last().copied().unwrap_or(0.0),
        }
    }
}

/// One verdict in words.
pub(super) fn one(decision: &Decision) -> Result<String, std::fmt::Error> {
    let answer = &decision.answer;
    let mut text = String::new();
    let name = verdict_name(&answer.verdict);
    let seconds = decision.time.as_secs_f64();
    writeln!(text, "{name} ({seconds:.3} s, {} boxes)", answer.boxes)?;
    match &answer.verdict {
        Verdict::Holds => {}
        Verdict::Violated(found) => {
            writeln!(
                text,
                "\nthis input violates it, by its outputs in single precision:"
            )?;
            for (name, value) in values(found) {
                writeln!(text, "  {name:<6} {value}")?;
            }
        }
        Verdict::Unknown(reason) => {
            writeln!(text, "\n{}", words(*reason))?;
            for (number, case) in answer.cases.iter().enumerate() {
                undecided(&mut text, number, case)?;
            }
            if let Some(best) = &answer.best {
                let margin = best.margin;
                writeln!(
                    text,
                    "closest input found: {margin:e} from a violation of case {}: {:?}",
                    best.case, best.input
                )?;
            }
        }
    }
    Ok(text)
}

/// How far the proof of a case came, where it is not done.
fn undecided(text: &mut String, number: usize, case: &CaseStatus) -> std::fmt::Result {
    if case.remaining == 0 {
        return Ok(());
    }
    // Rounded down, so that only a whole proof reads as one.
    let millionths = case.proven.numer() * 1_000_000_u32 / case.proven.denom();
    let proven: f64 = millionths.to_string().parse().unwrap_or(0.0) / 1e4;
    let remaining = case.remaining;
    writeln!(
        text,
        "case {number}: {proven:.4} % of the box proven, {remaining} regions remain"
    )
}

const fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Stopped => "the time is over",
        Reason::Boxes => "as many regions were bounded as allowed",
        Reason::Rounding => {
            "only inputs remain for which another order of summation than from left to right cannot be \
             excluded"
        }
    }
}

/// `((X_0 v) … (Y_0 v) …)`: what VNN-COMP's tools write, in decimals that read back exactly.
pub(super) fn counterexample(found: &Counterexample) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (number, (name, value)) in values(found).enumerate() {
        let open = if number == 0 { "((" } else { "\n (" };
        write!(text, "{open}{name} {value})")?;
    }
    text.push_str(")\n");
    Ok(text)
}

fn values(found: &Counterexample) -> impl Iterator<Item = (String, f64)> {
    let named = |kind, values: &[f32]| {
        let values: Vec<_> = values.iter().copied().enumerate().collect();
        values
            .into_iter()
            .map(move |(number, value)| (format!("{kind}_{number}"), f64::from(value)))
    };
    named("X", &found.input).chain(named("Y", &found.output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_leaves_open_is_not_called_unsafe() {
        let words = words(Reason::Rounding);
        assert!(words.contains("cannot be excluded"), "{words}");
        assert!(!words.contains("unsafe"), "{words}");
    }
}
