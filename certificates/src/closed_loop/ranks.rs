//! Rules *start*, *burst*, *rank*, *drain* and *settled*: what the ranks of a slice prove.
//!
//! # Soundness
//! A state in a cell of rank r > 0 is, after the next decision, in a cell of rank at least
//! min(r + 1, N), N the largest: so N − 1 decisions after any start, and for ever after, the state is
//! in cells of rank N, whose bounds are the slice's. A drain comes every 128 decisions, hence from a
//! cell of rank N, and leads to a ranked one.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of cells are below 2^28, edges below 2^13"
)]

use super::cells::{Cells, EDGE_MOST, Image, Judged};
use super::path::share_down;
use super::verdict::{Shown, hull};
use super::{ONE, in_range};
use crate::closed_loop::{Grid, LoopClaim};
use crate::semantics;
use crate::{Reason, Rule};

/// Decisions between drains, as the controller counts them.
const DRAIN_PERIOD: i64 = 128;

/// A step of a slice's proof that fails: at which cell, if at one, by which rule and why.
pub(super) type Failure = (Option<usize>, Rule, Reason);

/// The ranks of a slice.
pub(super) struct Ranks<'a> {
    pub(super) cells: &'a Cells<'a>,
    pub(super) ranks: &'a [u8],
}

/// The upper edge of the largest window that is ever held, in 2⁻⁸ octaves: those of cells of the
/// largest rank, where drains begin, and of the start, which ends at `start`. Rule *grid* refuses
/// edges beyond those that this is cut to.
pub(super) fn largest_held(grid: &Grid, ranks: &[u8], start: i32) -> i32 {
    let most = ranks.iter().max();
    let last = ranks.iter().rposition(|rank| Some(rank) == most);
    let cell = last.and_then(|number| grid.cell(number));
    let edge = i64::from(grid.edges(cell.map_or(0, |cell| cell.window)).1);
    i32::try_from(edge.max(start.into()).clamp(-EDGE_MOST, EDGE_MOST)).unwrap_or(0)
}

impl Ranks<'_> {
    /// Checks every cell; returns what holds in those of the largest rank.
    pub(super) fn check(&self, claim: &LoopClaim) -> Result<Shown, Failure> {
        let grid = self.cells.grid;
        let slice = |rule| move |reason| (None, rule, reason);
        let cells = grid.cells().ok_or((None, Rule::Grid, Reason::Overflow))?;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (expected, got) = (count(cells), count(self.ranks.len()));
        in_range("number of ranks", got, expected, expected).map_err(slice(Rule::Grid))?;
        let most = self.ranks.iter().copied().max().unwrap_or(0);
        let rounds = i64::from(claim.then.rounds).min(DRAIN_PERIOD - 2);
        in_range("largest rank", most, 1, rounds + 1).map_err(slice(Rule::Settled))?;
        let start = self.start(claim).map_err(slice(Rule::Start))?;
        let mut shown = Shown::new(most);
        let mut judged = None;
        for (number, &rank) in self.ranks.iter().enumerate() {
            let at = |rule| move |reason| (Some(number), rule, reason);
            let Some(cell) = grid.cell(number) else {
                return Err((Some(number), Rule::Grid, Reason::Overflow));
            };
            let starts = (start.0..=start.1).contains(&cell.window);
            in_range("rank", rank, i64::from(starts), i64::from(most)).map_err(at(Rule::Start))?;
            if cell.memory == 0 {
                judged = None;
            }
            if rank == 0 {
                continue;
            }
            let judged = match &mut judged {
                Some(judged) => judged,
                none => none.insert(self.cells.judge(cell).map_err(at(Rule::Grid))?),
            };
            let burst = in_range("burst", judged.round.burst, 0, self.cells.path.burst_most);
            burst.map_err(at(Rule::Burst))?;
            let image = self.cells.image(judged, cell.memory);
            let next = rank.saturating_add(1).min(most);
            let leads = image.and_then(|image| self.at_least(image, next));
            leads.map_err(at(Rule::Rank))?;
            if rank == most {
                self.settled(&mut shown, judged, claim)
                    .map_err(at(Rule::Settled))?;
                let image = self.cells.drained(judged, cell.memory);
                let leads = image.and_then(|image| self.at_least(image, 1));
                leads.map_err(at(Rule::Drain))?;
            }
            shown.reached = hull(shown.reached, judged.state.now);
            shown.ranked += 1;
        }
        Ok(shown)
    }

    /// The windows' cells that meet the start, all of which the grid must have.
    fn start(&self, claim: &LoopClaim) -> Result<(i32, i32), Reason> {
        let Grid {
            low,
            width,
            windows,
            ..
        } = *self.cells.grid;
        let (from, to) = claim.start;
        let high = i64::from(low) + i64::from(width) * i64::from(windows);
        in_range("start", from, i64::from(low), high - 1)?;
        in_range("end of the start", to, i64::from(from) + 1, high)?;
        let cell_of = |edge: i32| (edge - low).div_euclid(i32::from(width));
        Ok((cell_of(from), cell_of(to - 1)))
    }

    /// Accepts an image that meets no cell of lower rank.
    fn at_least(&self, image: Image, expected: u8) -> Result<(), Reason> {
        for cell in image.cells() {
            let number = self.cells.grid.number(cell);
            let got = number.and_then(|number| self.ranks.get(number)).copied();
            let got = got.unwrap_or(0);
            if got < expected {
                return Err(Reason::ImageRank {
                    cell,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }

    /// Rule *settled*: the claim's bounds hold for what a round shows in a cell of the largest rank.
    fn settled(&self, shown: &mut Shown, judged: &Judged, claim: &LoopClaim) -> Result<(), Reason> {
        let path = &self.cells.path;
        let whole = ONE + path.jitter;
        let carried = share_down(judged.round.carried.max(0), whole);
        let queue = ((judged.round.queue.1 - 1) >> (super::ONE_BITS - 16)) + 1;
        let bounds = claim.then;
        let least = i64::from(bounds.utilisation);
        in_range("utilisation", carried, least, semantics::ONE)?;
        in_range("queue", queue, 0, i64::from(bounds.queue))?;
        shown.utilisation = shown.utilisation.min(carried.unsigned_abs());
        shown.queue = shown.queue.max(u32::try_from(queue).unwrap_or(u32::MAX));
        shown.windows = hull(shown.windows, judged.state.now);
        Ok(())
    }
}
