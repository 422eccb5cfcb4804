//! From a claim to ranked slices, or to what is in the way.

use rayon::prelude::*;
use tautline_certificate_format::closed_loop::{LoopClaim, Slice};

use super::ClosedLoopError;
use super::explain::{Explanation, explain};
use super::image::Step;
use super::path::{Drops, Paths};
use super::plan::{Part, Tuning, plan};
use super::ranks::{Layout, Ranked, SliceWatch, rank};
use super::rate::Rate;
use super::settled::{Settled, Trouble, settled};

/// A slice that meets its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// As it stands in a certificate.
    pub slice: Slice,
    /// What it says.
    pub settled: Settled,
    /// Cells whose images were computed; zero for a slice that was handed in.
    pub imaged: usize,
}

/// A slice that does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The slice.
    pub part: Part,
    /// What its last set says.
    pub settled: Settled,
    /// How it misses the claim.
    pub troubles: Vec<Trouble>,
    /// Where, and by which feature.
    pub explanation: Explanation,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopResult {
    /// Slices that meet it, by bandwidth-delay product and buffer.
    pub proven: Vec<Proven>,
    /// Slices that do not, in the same order.
    pub failures: Vec<Failure>,
}

/// How far a search is.
#[derive(Clone, Debug)]
pub enum LoopProgress<'a> {
    /// Images of a slice's cells.
    Imaged {
        /// The slice.
        part: &'a Part,
        /// Cells so far.
        cells: usize,
    },
    /// A slice is proven: worth keeping, to be handed in again.
    Proven(&'a Proven),
    /// A slice fails and is cut or refined, or given up.
    Failed {
        /// The slice.
        part: &'a Part,
        /// How it misses the claim.
        troubles: &'a [Trouble],
        /// Slices that are tried instead; none where the limits are reached.
        instead: usize,
    },
}

/// Who watches a search.
#[derive(Clone, Copy)]
pub struct LoopWatch<'a> {
    /// Called from any thread, in no particular order.
    pub progress: &'a (dyn Fn(LoopProgress<'_>) + Sync),
    /// Asked now and then whether to give up.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl core::fmt::Debug for LoopWatch<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoopWatch").finish_non_exhaustive()
    }
}

impl LoopResult {
    /// The slices of a certificate, if the whole family is proven.
    pub fn slices(&self) -> Option<Vec<Slice>> {
        let slices = self.proven.iter().map(|proven| proven.slice.clone());
        self.failures.is_empty().then(|| slices.collect())
    }
}

/// Looks for ranks of every slice of a claim's family.
///
/// `finished` are slices of an interrupted search for the same model, claim and tuning; those that
/// the plan asks for are taken as they are, which the checker notices where they are wrong. The
/// result does not depend on the number of threads.
///
/// # Errors
/// [`ClosedLoopError::Stopped`] and errors of the tuning.
pub fn prove_loop<R: Rate>(
    rate: &R,
    claim: &LoopClaim,
    tuning: &Tuning,
    finished: &[Slice],
    watch: LoopWatch<'_>,
) -> Result<LoopResult, ClosedLoopError> {
    let search = Search {
        rate,
        claim,
        tuning,
        finished,
        watch,
    };
    let mut waiting = plan(claim, rate.gain(), tuning)?;
    let mut result = LoopResult {
        proven: vec![],
        failures: vec![],
    };
    while !waiting.is_empty() {
        let rest = waiting.split_off(tuning.at_once(&waiting)?);
        let decided: Vec<_> = waiting
            .into_par_iter()
            .map(|part| search.decide(&part))
            .collect();
        waiting = vec![];
        for outcome in decided {
            match outcome? {
                Decided::Proven(proven) => result.proven.push(*proven),
                Decided::Instead(parts) => waiting.extend(parts),
                Decided::Failed(failure) => result.failures.push(*failure),
            }
        }
        waiting.extend(rest);
    }
    let by_place = |log_bdp: (i32, i32), least: u32| (log_bdp.0, least);
    result
        .proven
        .sort_by_key(|proven| by_place(proven.slice.log_bdp, proven.slice.buffer.least));
    result
        .failures
        .sort_by_key(|failure| by_place(failure.part.log_bdp, failure.part.buffer.least));
    Ok(result)
}

struct Search<'a, R> {
    rate: &'a R,
    claim: &'a LoopClaim,
    tuning: &'a Tuning,
    finished: &'a [Slice],
    watch: LoopWatch<'a>,
}

enum Decided {
    Proven(Box<Proven>),
    Instead(Vec<Part>),
    Failed(Box<Failure>),
}

impl<R: Rate> Search<'_, R> {
    fn decide(&self, part: &Part) -> Result<Decided, ClosedLoopError> {
        let known = self.finished.iter().find(|slice| part.plans(slice));
        if let Some(ranked) = known.and_then(Ranked::of) {
            let settled = settled(
                &self.step(part, ranked.largest_held(&part.grid, self.claim.start.1)),
                &ranked,
            );
            if settled.troubles(&self.claim.then).is_empty() {
                return Ok(Decided::Proven(Box::new(Proven {
                    slice: part.slice(ranked.ranks),
                    settled,
                    imaged: 0,
                })));
            }
        }
        self.search(part)
    }

    /// The map of a part, of which windows below `highest` (2⁻⁸ octaves) are held.
    fn step<'a>(&'a self, part: &'a Part, highest: i32) -> Step<'a, R> {
        let drops = Drops::of(self.claim.losses, highest);
        Step {
            rate: self.rate,
            paths: Paths::new(self.claim.family.jitter, part.log_bdp, part.buffer, drops),
            grid: &part.grid,
        }
    }

    fn search(&self, part: &Part) -> Result<Decided, ClosedLoopError> {
        let imaged = |cells| (self.watch.progress)(LoopProgress::Imaged { part, cells });
        let watch = SliceWatch {
            imaged: &imaged,
            stop: self.watch.stop,
        };
        let most = self.claim.then.rounds.saturating_add(1).min(MOST_RANKS);
        let start = self.claim.start;
        let ranked = rank(&self.step(part, start.1), start, most, watch)?;
        let step = &self.step(part, ranked.largest_held(&part.grid, start.1));
        let settled = settled(step, &ranked);
        let mut troubles = settled.troubles(&self.claim.then);
        if !ranked.leaving.is_empty() {
            let cells = ranked.leaving.len();
            troubles.insert(0, Trouble::Leaves { cells });
        }
        if troubles.is_empty() {
            let proven = Proven {
                slice: part.slice(ranked.ranks),
                settled,
                imaged: ranked.imaged,
            };
            (self.watch.progress)(LoopProgress::Proven(&proven));
            return Ok(Decided::Proven(Box::new(proven)));
        }
        let gain = self.rate.gain();
        let layout = Layout::new(step.grid);
        let drops = |&cell: &usize| {
            step.seen_at(layout.row_at(cell / layout.memories()))
                .unknown
                > 0
        };
        let may_drop = settled.may_drop || ranked.leaving.iter().any(drops);
        let instead = self
            .tuning
            .refine(part, self.claim, gain, &troubles, may_drop)?;
        (self.watch.progress)(LoopProgress::Failed {
            part,
            troubles: &troubles,
            instead: instead.len(),
        });
        Ok(if instead.is_empty() {
            Decided::Failed(Box::new(Failure {
                part: part.clone(),
                settled,
                explanation: explain(step, &ranked, &self.claim.then),
                troubles,
            }))
        } else {
            Decided::Instead(instead)
        })
    }
}

/// Drains come every 128 decisions and must begin settled.
const MOST_RANKS: u8 = 127;
