//! Certificates of closed-loop claims: their slices, checked in parallel.

use std::ops::Range;
use std::str::FromStr;

use anyhow::bail;
use rayon::prelude::*;
use serde::Serialize;
use tautline_certificates::Rejection;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::{CheckedLoop, CheckedSlice, LoopChecker, Shown};
use tautline_certificates::format::Layout;
use tautline_core::policy::Digest;

use crate::interrupt::{self, Interrupted};
use crate::{progress, words};

/// Slices by number, over all claims of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slices(Range<usize>);

impl FromStr for Slices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a number or a range like 0..2, got {text:?}");
        let number = |text: &str| text.parse::<usize>().map_err(|_| expected());
        let range = if let Some((from, to)) = text.split_once("..") {
            number(from)?..number(to)?
        } else {
            let one = number(text)?;
            one..one.checked_add(1).ok_or_else(expected)?
        };
        if range.is_empty() {
            return Err(expected());
        }
        Ok(Self(range))
    }
}

/// A closed-loop claim that is proven.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoopReport {
    pub(crate) name: String,
    pub(crate) says: String,
    /// The paths and the start, in numbers that hold for exactly what was proven.
    pub(crate) given: String,
    /// What is assumed beside A1 to A5 of docs/closed-loop.md.
    pub(crate) assumes: &'static [&'static str],
    /// The bounds, likewise.
    pub(crate) then: String,
    /// What the proof shows over all slices, which is what `then` says or more.
    pub(crate) shown: ShownReport,
    pub(crate) slices: Vec<SliceReport>,
}

/// A slice that was checked.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SliceReport {
    /// Its number over all claims of the file.
    pub(crate) number: usize,
    pub(crate) paths: String,
    pub(crate) cells: usize,
    pub(crate) shown: ShownReport,
}

/// What holds once the loop has settled.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShownReport {
    /// Share of the capacity, at least.
    pub(crate) utilisation: f64,
    /// Queueing delay over the base RTT, at most.
    pub(crate) queue: f64,
    /// Rounds until then, at most.
    pub(crate) rounds: u8,
    pub(crate) ranked_cells: u64,
}

/// A check of some slices only, which proves nothing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PartialReport {
    /// Numbers of the slices that were checked and hold.
    pub(crate) checked: Vec<usize>,
    /// How many slices the file has.
    pub(crate) of: usize,
    pub(crate) slices: Vec<SliceReport>,
}

/// What became of a file without a rejection.
pub(crate) struct LoopOutcome {
    pub(crate) model: Digest,
    /// The claims, where every slice was checked.
    pub(crate) loops: Vec<LoopReport>,
    pub(crate) partial: Option<PartialReport>,
}

/// Checks the slices asked for, or all of them. Of several rejections the first in the order of the
/// slices is named, on any number of threads.
pub(crate) fn check(
    model: &[u8],
    certificate: &[u8],
    claims: Option<&ClaimSet>,
    slices: Option<&Slices>,
) -> anyhow::Result<Result<LoopOutcome, Rejection>> {
    let checker = match LoopChecker::new(model, certificate, claims) {
        Ok(checker) => checker,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let all = checker.slices();
    let wanted = slices.map_or(0..all, |slices| slices.0.clone());
    if wanted.end > all {
        bail!(
            "--slices {}..{}: the certificate has {all} slices",
            wanted.start,
            wanted.end
        );
    }
    let bar = progress::bar(wanted.len() as u64, "checking");
    let one = |at: usize| {
        interrupt::check()?;
        let checked = checker.check_slice(at);
        bar.inc(1);
        Ok(checked)
    };
    let checked: Result<Vec<_>, Interrupted> = wanted.clone().into_par_iter().map(one).collect();
    bar.finish_and_clear();
    let checked: Vec<CheckedSlice> = match checked?.into_iter().collect() {
        Ok(checked) => checked,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let parts = Parts::read(certificate);
    if wanted.len() < all {
        let reports = wanted.clone().zip(&checked);
        let partial = PartialReport {
            slices: reports.map(|(at, one)| parts.report(at, one)).collect(),
            checked: wanted.collect(),
            of: all,
        };
        return Ok(Ok(LoopOutcome {
            model: parts.model,
            loops: vec![],
            partial: Some(partial),
        }));
    }
    Ok(checker.finish(checked).map(|checked| LoopOutcome {
        model: checked.model(),
        loops: reports(&checked, &parts),
        partial: None,
    }))
}

/// What an accepted certificate proves.
fn reports(checked: &CheckedLoop, parts: &Parts) -> Vec<LoopReport> {
    let mut number = 0..;
    let claims = checked.claims().iter().map(|proven| {
        let claim = proven.claim();
        let slices = proven.slices().iter().zip(&mut number);
        LoopReport {
            name: claim.name.clone(),
            says: claim.says.clone(),
            given: words::family(claim),
            assumes: claim.losses.names(),
            then: words::bounds(claim),
            shown: ShownReport::new(proven.shown()),
            slices: slices.map(|(one, at)| parts.report(at, one)).collect(),
        }
    });
    claims.collect()
}

/// What the file says of its slices, for reports.
struct Parts {
    model: Digest,
    /// Paths and cells, in the order of the checker.
    slices: Vec<(String, usize)>,
}

impl Parts {
    /// Of a file that the checker has read, so nothing is missing.
    fn read(certificate: &[u8]) -> Self {
        let Ok(layout) = Layout::read(certificate) else {
            return Self {
                model: Digest::of(&[]),
                slices: vec![],
            };
        };
        let sections = layout.sections.iter().enumerate();
        let grids = sections.filter_map(|(number, section)| section.expect_grid(number).ok());
        let slices = grids.flat_map(|grid| grid.slices).map(|slice| {
            let paths = [words::bdp(slice.log_bdp), words::buffer(slice.buffer)];
            (paths.join(", "), slice.grid.cells().unwrap_or_default())
        });
        Self {
            model: layout.model,
            slices: slices.collect(),
        }
    }

    fn report(&self, at: usize, checked: &CheckedSlice) -> SliceReport {
        let (paths, cells) = self.slices.get(at).cloned().unwrap_or_default();
        SliceReport {
            number: at,
            paths,
            cells,
            shown: ShownReport::new(checked.shown()),
        }
    }
}

impl PartialReport {
    /// One line for people.
    pub(super) fn summary(&self) -> String {
        let ends = self.checked.first().zip(self.checked.last());
        let which = match ends {
            Some((first, last)) if first != last => format!("slices {first} to {last}"),
            Some((first, _)) => format!("slice {first}"),
            None => "no slice".to_owned(),
        };
        let of = self.of;
        format!("only {which} of {of} checked, without a fault; nothing is proven by that")
    }
}

impl ShownReport {
    fn new(shown: Shown) -> Self {
        Self {
            utilisation: f64::from(shown.utilisation) / ONE,
            queue: f64::from(shown.queue) / ONE,
            rounds: shown.rounds,
            ranked_cells: shown.ranked,
        }
    }
}

impl std::fmt::Display for ShownReport {
    /// Rounded so that it says no more than the proof.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let utilisation = (1000.0 * self.utilisation).floor() / 1000.0;
        let queue = (1000.0 * self.queue).ceil() / 1000.0;
        let rounds = self.rounds;
        write!(f, "U ≥ {utilisation:.3}, Q ≤ {queue:.3}, K ≤ {rounds}")
    }
}

/// Units of 2⁻¹⁶ in one.
const ONE: f64 = 65_536.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_a_number_or_a_range_that_holds_something() {
        assert_eq!("3".parse(), Ok(Slices(3..4)));
        assert_eq!("0..2".parse(), Ok(Slices(0..2)));
        for bad in ["", "..", "2..2", "3..1", "-1", "a", "18446744073709551615"] {
            let error = bad.parse::<Slices>().unwrap_err();
            assert!(error.contains("expected a number or a range"), "{error}");
        }
    }

    #[test]
    fn figures_are_rounded_to_say_less() {
        let shown = ShownReport {
            utilisation: 0.9999,
            queue: 1.0001,
            rounds: 7,
            ranked_cells: 1,
        };
        assert_eq!(shown.to_string(), "U ≥ 0.999, Q ≤ 1.001, K ≤ 7");
    }
}
