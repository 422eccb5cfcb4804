//! A run's states against the ranks of a certificate, and what is settled against its bounds.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checker::Past;
use crate::intervals::Mistake;
use crate::path::Path;
use crate::proof::Ranked;
use crate::tally::Tally;

/// Where a run is on its way.
pub(crate) struct Follow {
    slice: Arc<Ranked>,
    log_bdp: f64,
    path: Path,
    /// The least rank that the next state has; none where nothing is promised.
    expected: Option<u8>,
    /// Decisions since a start or a drain.
    since: u32,
    settled: bool,
    /// Time and bytes acknowledged when a settled stretch began, and at its last decision.
    stretch: Option<[(u64, u64); 2]>,
    reached: Reached,
}

/// What runs in one slice reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// U and Q of the certificate.
    bounds: (f64, f64),
    /// Most rounds until it is settled, as certified, and as seen.
    rounds: (u32, u32),
    /// Ranks against those promised.
    pub(crate) ranks: Tally,
    /// Longest queue of each settled round, without jitter that may be none.
    pub(crate) queue: Tally,
    longest: f64,
    /// The same where jitter is known, so that it is the queue itself.
    longest_exact: f64,
    /// Carried in each long settled stretch.
    pub(crate) carried: Tally,
    least: f64,
    /// Rounds until it was settled, once for each start and drain.
    pub(crate) settling: Tally,
}

/// What was reached, by number of the slice.
pub(crate) type BySlice = BTreeMap<usize, Reached>;

impl Follow {
    pub(crate) fn new(slice: Arc<Ranked>, path: Path, mistake: Mistake) -> Self {
        let share = |units: u32| f64::from(units) / 65_536.0;
        let reached = Reached {
            bounds: (share(slice.shown.utilisation), share(slice.shown.queue)),
            rounds: (u32::from(slice.shown.rounds), 0),
            least: f64::INFINITY,
            ..Reached::default()
        };
        Self {
            slice,
            log_bdp: (path.bdp as f64).log2() - f64::from(u8::from(mistake == Mistake::Product)),
            path,
            expected: None,
            since: 0,
            settled: false,
            stretch: None,
            reached,
        }
    }

    /// A decision of the policy in this state; `longest` is the longest round trip of the packets
    /// that it judged over the base RTT, `at` the time and all that was acknowledged.
    pub(crate) fn on_decision(&mut self, past: &Past, longest: f64, at: (u64, u64)) {
        let slice = Arc::clone(&self.slice);
        let rank = slice.rank(self.log_bdp, past);
        if self.expected.is_none() && slice.starts(self.log_bdp, past.now) {
            self.expected = Some(1);
            self.since = 0;
        }
        let path = self.path;
        if let Some(expected) = self.expected {
            let bounds = (f64::from(expected), f64::INFINITY);
            let at = || format!("{rank} from {expected}, {past:?}, {path:?}");
            self.reached.ranks.check(f64::from(rank), bounds, at);
        }
        let settled = rank == slice.most;
        if settled && !self.settled && self.expected.is_some() {
            self.reached.rounds.1 = self.reached.rounds.1.max(self.since);
            let (most, since) = (f64::from(self.reached.rounds.0), self.since);
            let settling = &mut self.reached.settling;
            settling.check(f64::from(since), (0.0, most), || format!("{path:?}"));
        }
        self.settled = settled;
        self.since += 1;
        self.expected = (rank > 0).then(|| rank.saturating_add(1).min(slice.most));
        if !settled {
            self.stretch = None;
            return;
        }
        self.on_queue(longest);
        let begun = self.stretch.map_or(at, |stretch| stretch[0]);
        self.stretch = Some([begun, at]);
    }

    fn on_queue(&mut self, longest: f64) {
        let path = self.path;
        let jitter = path.jitter as f64 / 1000.0;
        let queue = longest - 1.0 - jitter;
        let most = self.reached.bounds.1;
        let at = || format!("{queue:.5} to {most:.5}, {path:?}");
        let bounds = (f64::NEG_INFINITY, most + ROUNDING);
        self.reached.queue.check(queue, bounds, at);
        self.reached.longest = self.reached.longest.max(queue);
        if path.jitter == 0 {
            self.reached.longest_exact = self.reached.longest_exact.max(queue);
        }
    }

    /// Others than the policy act: a drain, which leads to ranked states from settled ones.
    pub(crate) fn on_pause(&mut self) {
        self.end_stretch();
        if self.settled {
            self.expected = Some(1);
            self.since = 0;
        } else if self.since > 0 {
            self.expected = None;
        }
        self.settled = false;
    }

    /// A timeout or a fallback.
    pub(crate) fn forget(&mut self) {
        self.stretch = None;
        self.expected = None;
        self.settled = false;
        self.since = 0;
    }

    /// Acknowledgements are a round trip and D late at most, and the proof steps back by 1 + D.
    fn end_stretch(&mut self) {
        let Some([begun, ended]) = self.stretch.take() else {
            return;
        };
        let span = self.path.base_rtts(ended.0 - begun.0);
        let jitter = self.path.jitter as f64 / 1000.0;
        if span < SHORTEST {
            return;
        }
        let path = self.path;
        let carried = path.share_of_bdp(ended.1 - begun.1) / (span - 1.0 - 2.0 * jitter);
        let least = self.reached.bounds.0;
        let at = || format!("{carried:.5} from {least:.5} over {span:.1}, {path:?}");
        let bounds = (least - ROUNDING, f64::INFINITY);
        self.reached.carried.check(carried, bounds, at);
        let whole = path.share_of_bdp(ended.1 - begun.1) / span;
        self.reached.least = self.reached.least.min(whole);
    }

    /// What was reached, when the run is over.
    pub(crate) fn into_reached(mut self) -> (usize, Reached) {
        self.end_stretch();
        (self.slice.number, self.reached)
    }
}

impl Reached {
    pub(crate) fn merge(&mut self, other: Self) {
        if self.ranks.checks == 0 && self.settling.checks == 0 {
            *self = other;
            return;
        }
        self.rounds.1 = self.rounds.1.max(other.rounds.1);
        self.ranks.merge(other.ranks);
        self.queue.merge(other.queue);
        self.longest = self.longest.max(other.longest);
        self.longest_exact = self.longest_exact.max(other.longest_exact);
        self.carried.merge(other.carried);
        self.least = self.least.min(other.least);
        self.settling.merge(other.settling);
    }

    /// Failures of any kind.
    pub(crate) const fn violations(&self) -> u64 {
        self.ranks.violations
            + self.queue.violations
            + self.carried.violations
            + self.settling.violations
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} states, {} settled, {} of other rank than promised; queue {:.4} ({:.4} without \
             jitter) of {:.4}, {} above; {} stretches carry {:.4} of {:.4}, {} below; settled \
             after {} of {} rounds, {} times, {} late",
            self.ranks.checks,
            self.queue.checks,
            self.ranks.violations,
            self.longest,
            self.longest_exact,
            self.bounds.1,
            self.queue.violations,
            self.carried.checks,
            self.least,
            self.bounds.0,
            self.carried.violations,
            self.rounds.1,
            self.rounds.0,
            self.settling.checks,
            self.settling.violations,
        )?;
        for tally in [&self.ranks, &self.queue, &self.carried, &self.settling] {
            if tally.violations > 0 {
                writeln!(f, "    {}", tally.at)?;
            }
        }
        Ok(())
    }
}

/// Shorter settled stretches say nothing about long times, in base RTTs.
const SHORTEST: f64 = 20.0;
/// Of floating-point numbers.
const ROUNDING: f64 = 1e-9;
