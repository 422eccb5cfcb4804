//! How often something promised did not hold, and by how much.

use core::fmt;
use std::collections::BTreeMap;

use tautline_core::features::{FEATURE_COUNT, TABLE_1};

use crate::follow::{BySlice, Reached};

/// Checks of one promise.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) checks: u64,
    /// How many failed.
    pub(crate) violations: u64,
    /// Least distance from a bound on the inside, negative on the outside.
    pub(crate) margin: f64,
    /// Sum of the widths of the intervals.
    pub(crate) width: f64,
    /// Where the margin was least.
    pub(crate) at: String,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            checks: 0,
            violations: 0,
            margin: f64::INFINITY,
            width: 0.0,
            at: String::new(),
        }
    }
}

impl Tally {
    /// `value` must lie in `low..=high`.
    #[inline]
    pub(crate) fn check(&mut self, value: f64, bounds: (f64, f64), at: impl FnOnce() -> String) {
        self.check_cut(value, bounds, (f64::NEG_INFINITY, f64::INFINITY), at);
    }

    /// The same where value and bounds are cut to `limits`: a bound at its limit has no margin.
    #[inline]
    pub(crate) fn check_cut(
        &mut self,
        value: f64,
        (low, high): (f64, f64),
        (least, most): (f64, f64),
        at: impl FnOnce() -> String,
    ) {
        self.checks += 1;
        if low.is_finite() && high.is_finite() {
            self.width += high - low;
        }
        self.violations += u64::from(value < low || value > high);
        let below = if low > least {
            value - low
        } else {
            f64::INFINITY
        };
        let above = if high < most {
            high - value
        } else {
            f64::INFINITY
        };
        let margin = below.min(above);
        if margin < self.margin {
            self.margin = margin;
            self.at = at();
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.checks += other.checks;
        self.violations += other.violations;
        self.width += other.width;
        if other.margin < self.margin {
            self.margin = other.margin;
            self.at = other.at;
        }
    }
}

/// What the guard did to those who propose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guarded {
    /// Decisions of any kind.
    pub(crate) decisions: u64,
    /// Positive steps that it did not let through.
    pub(crate) cut: u64,
    /// Times that the fallback took over.
    pub(crate) fallbacks: u64,
}

/// The tallies of one or more runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    /// Rounds that were checked.
    pub(crate) rounds: u64,
    /// Decisions of any kind.
    pub(crate) decisions: u64,
    /// What the guard did, by who proposed.
    pub(crate) guarded: BTreeMap<&'static str, Guarded>,
    /// Acknowledged packets.
    pub(crate) packets: u64,
    /// Rounds with evidence against an assumption that holds.
    pub(crate) evidence: u64,
    pub(crate) features: [Tally; FEATURE_COUNT],
    /// The features in the intervals of the checker.
    pub(crate) checker: [Tally; FEATURE_COUNT],
    /// Round-trip time of each packet.
    pub(crate) rtt: Tally,
    /// In flight before an acknowledgement.
    pub(crate) in_flight: Tally,
    /// Growth of what is in flight within a base RTT.
    pub(crate) growth: Tally,
    /// Most in flight in a round.
    pub(crate) peak: Tally,
    /// Acknowledged in 1 + 2·D.
    pub(crate) carried: Tally,
    /// What certified loops reached.
    pub(crate) reached: BySlice,
}

impl Tallies {
    pub(crate) fn merge(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.decisions += other.decisions;
        for (hand, theirs) in other.guarded {
            let ours = self.guarded.entry(hand).or_default();
            ours.decisions += theirs.decisions;
            ours.cut += theirs.cut;
            ours.fallbacks += theirs.fallbacks;
        }
        self.packets += other.packets;
        for (ours, theirs) in self.features.iter_mut().zip(other.features) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.checker.iter_mut().zip(other.checker) {
            ours.merge(theirs);
        }
        self.rtt.merge(other.rtt);
        self.in_flight.merge(other.in_flight);
        self.evidence += other.evidence;
        self.growth.merge(other.growth);
        self.peak.merge(other.peak);
        self.carried.merge(other.carried);
        for (slice, reached) in other.reached {
            self.reached.entry(slice).or_default().merge(reached);
        }
    }

    fn rows(&self) -> impl Iterator<Item = (String, &Tally)> {
        let named = |prefix: &'static str| {
            let features = TABLE_1.features.iter();
            features.map(move |feature| format!("{prefix}{}", feature.name))
        };
        let ours = named("").zip(&self.features);
        let checkers = named("checker: ").zip(&self.checker);
        let others = [
            ("rtt of a packet", &self.rtt),
            ("in flight", &self.in_flight),
            ("growth in flight", &self.growth),
            ("most in flight", &self.peak),
            ("carried", &self.carried),
        ];
        let others = others.map(|(name, tally)| (name.to_owned(), tally));
        ours.chain(checkers).chain(others)
    }

    /// One line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} rounds of {} decisions, {} packets, {} violations",
            self.rounds,
            self.decisions,
            self.packets,
            self.violations()
        )
    }

    /// Failures of any kind.
    pub(crate) fn violations(&self) -> u64 {
        let slices = self.reached.values().map(Reached::violations);
        let rows = self.rows().map(|(_, tally)| tally.violations);
        rows.chain(slices).sum()
    }
}

impl fmt::Display for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        writeln!(
            f,
            "{} rounds of evidence against true assumptions",
            self.evidence
        )?;
        for (hand, guarded) in &self.guarded {
            writeln!(
                f,
                "  {hand}: {} decisions, {} steps cut, {} fallbacks",
                guarded.decisions, guarded.cut, guarded.fallbacks
            )?;
        }
        for (name, tally) in self.rows().filter(|(_, tally)| tally.checks > 0) {
            let width = tally.width / tally.checks as f64;
            writeln!(
                f,
                "  {name:24} {:12} checks {:9} violations, margin {:11.6}, mean width {width:9.5}  {}",
                tally.checks, tally.violations, tally.margin, tally.at
            )?;
        }
        for (slice, reached) in &self.reached {
            write!(f, "  slice {slice}: {reached}")?;
        }
        Ok(())
    }
}
