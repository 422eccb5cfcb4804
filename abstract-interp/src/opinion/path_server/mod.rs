//! The path server itself, in linear inequalities, and the lemmas of the closed loop denied.
//!
//! Nothing here knows of cells, networks or intervals of features: the server's curves are the
//! unknowns. A solver that finds no curves for a lemma's denial has proven the lemma on this grid
//! of time for every sender and every past; one that finds curves for a lemma without one of its
//! terms shows that the term is needed.
//!
//! # Units
//! Time counts steps, `rtt` of them to the base RTT; data counts what the link carries in a step.
//! So the bandwidth-delay product is `rtt` as well.
//!
//! # Source
//! Arun, Arashloo, Saeed, Alizadeh, Balakrishnan, "Toward formally verifying congestion control
//! behavior", SIGCOMM 2021; `docs/closed-loop.md` has the lemmas.

mod law;

pub use law::{Law, Own};

use super::formula::{Choice, Formula, Sort, Sum};

/// A path and for how long it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathServer {
    /// Steps to the base RTT.
    pub rtt: usize,
    /// D, in steps.
    pub jitter: usize,
    /// β, in steps of data; none for a queue without bound.
    pub buffer: Option<i64>,
    /// Steps, after a first one about which nothing is known.
    pub steps: usize,
}

/// What is said about the last step, or about a packet on its way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lemma {
    /// `q ≥ F − X − 1 − D`.
    QueueLow,
    /// `q ≤ max(F − 1, min(F, D + I + X))`, where I is by how much more than at any time within
    /// the last round trip is in flight.
    QueueHigh,
    /// `r ≥ 1 + q`.
    RttLow,
    /// `r ≤ 1 + q + D`.
    RttHigh,
    /// From a start at which X is zero: `X ≤ max(0, F − β)`, of the largest F until now.
    Unknown,
    /// `X ≤ max(0, F − 1 − β)` as well, where `min(F, D + I + that)` is never above β.
    UnknownWithoutBursts,
    /// At a drop `X ≤ max(0, F − 1 − β)` of that very F, where `min(F, D + I + E)` is never above β,
    /// E being `max(0, F − 1 − β)` of the largest F: from a start at which X is zero.
    UnknownAtADrop,
    /// At a drop `X ≤ max(0, F − 1 − β, H − β − (β − D − I))` whatever bursts do, H being the largest F
    /// until now: a burst leaves no more unknown than before less what it lacks to β. From a start at
    /// which X is zero.
    UnknownAfterABurst,
    /// `X ≤ max(0, F − β − min(1, λ − D))`, of the largest F until now, where F is never below λ:
    /// from a start at which X is zero. This one does not hold: what was dropped before the server
    /// fell idle counts towards λ and adds up with what is dropped after.
    UnknownWithFlow,
    /// The same where that bound is zero: then nothing is ever dropped.
    NothingUnknownWithFlow,
    /// Within `1 + D` the link carries `min(F − X, 1 + D)`, of the least F and the largest X.
    Carried,
}

/// Which terms of a lemma are left out, to see whether they are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// D is taken for zero.
    pub jitter: bool,
    /// I is taken for zero.
    pub increase: bool,
    /// X, what was dropped and is not yet known, is taken for zero.
    pub unknown: bool,
}

/// The curves, each with one value per step.
#[derive(Clone, Debug)]
pub struct Curves {
    /// The curves and their rules; a denial once [`Curves::deny`] was called.
    pub formula: Formula,
    path: PathServer,
    /// A: what has reached the server.
    arrived: Vec<Sum>,
    /// L: what it dropped of that.
    lost: Vec<Sum>,
    /// T(t) = t − W(t): what the link could have carried, less what it could not for want of data.
    carried: Vec<Sum>,
    /// S: what the server has let go.
    served: Vec<Sum>,
    /// F: what the sender takes for being in flight.
    in_flight: Vec<Sum>,
    /// X: what of L the sender does not know of.
    unknown: Vec<Sum>,
}

impl Curves {
    /// All curves that a path allows, for a sender of any kind.
    pub fn of(path: PathServer) -> Self {
        let mut formula = Formula::new(Sort::Real);
        let mut curve = |name: &str| -> Vec<Sum> {
            let steps = 0..=path.steps;
            steps
                .map(|t| formula.declare(format!("{name}{t}"), None))
                .collect()
        };
        let (arrived, served, wasted) = (curve("A"), curve("S"), curve("W"));
        let (lost, known) = match path.buffer {
            Some(_) => (curve("L"), curve("K")),
            None => (
                vec![Sum::default(); path.steps + 1],
                vec![Sum::default(); path.steps + 1],
            ),
        };
        let carried: Vec<Sum> = (0i64..)
            .zip(&wasted)
            .map(|(t, wasted)| Sum::constant(t).minus(wasted))
            .collect();
        for rising in [&arrived, &served, &wasted, &lost, &known, &carried] {
            for pair in rising.windows(2).filter(|pair| pair[0] != pair[1]) {
                formula.assert(pair[0].at_most(&pair[1]));
            }
        }
        let mut curves = Self {
            formula,
            path,
            in_flight: vec![],
            unknown: lost.iter().zip(&known).map(|(l, k)| l.minus(k)).collect(),
            arrived,
            lost,
            carried,
            served,
        };
        curves.serve();
        curves.drop_at_a_full_queue();
        curves.send(&known);
        curves
    }

    /// What the server has taken and not dropped.
    fn accepted(&self, t: usize) -> Sum {
        self.arrived[t].minus(&self.lost[t])
    }

    /// What waits, where that is positive.
    fn waiting(&self, t: usize) -> Sum {
        self.accepted(t).minus(&self.carried[t])
    }

    /// `T(t − D) ≤ S(t) ≤ T(t)`, and capacity is lost only where nothing waits.
    fn serve(&mut self) {
        for t in 0..=self.path.steps {
            let (accepted, served) = (self.accepted(t), &self.served[t]);
            self.formula.assert(served.at_most(&self.carried[t]));
            self.formula.assert(served.at_most(&accepted));
            if let Some(earlier) = t.checked_sub(self.path.jitter) {
                self.formula.assert(self.carried[earlier].at_most(served));
            }
            if let Some(before) = t.checked_sub(1) {
                let one = self.carried[before].offset(1);
                let idle = accepted.at_most(&self.carried[t]);
                let busy = one.at_most(&self.carried[t]);
                self.formula.assert_one(vec![vec![busy], vec![idle]]);
            }
        }
    }

    /// At most β waits, and only what finds that much is dropped.
    fn drop_at_a_full_queue(&mut self) {
        let Some(buffer) = self.path.buffer.map(Sum::constant) else {
            return;
        };
        for t in 0..=self.path.steps {
            let waiting = self.waiting(t);
            self.formula.assert(waiting.at_most(&buffer));
            if let Some(before) = t.checked_sub(1) {
                let none = self.lost[t].at_most(&self.lost[before]);
                let full = buffer.at_most(&waiting);
                self.formula.assert_one(vec![vec![none], vec![full]]);
            }
        }
    }

    /// `A(t) = S(t − 1) + K(t) + F(t)`, where what the server let go is acknowledged a round trip
    /// later, and what was dropped before it is known from then on.
    fn send(&mut self, known: &[Sum]) {
        let zero = Sum::default();
        for t in 0..=self.path.steps {
            self.formula.assert(zero.at_most(&self.unknown[t]));
            let Some(back) = t.checked_sub(self.path.rtt) else {
                // F belongs to acknowledgements that are not on the grid.
                self.in_flight.push(Sum::default());
                continue;
            };
            let acknowledged = &self.served[back];
            let in_flight = self.arrived[t].minus(acknowledged).minus(&known[t]);
            self.formula.assert(zero.at_most(&in_flight));
            self.in_flight.push(in_flight);
            if self.path.buffer.is_none() {
                continue;
            }
            for v in 0..=t {
                let accepted = self.accepted(v);
                let reached = accepted.below(acknowledged);
                let not_yet = acknowledged.at_most(&accepted);
                let later = known[t].at_most(&self.lost[v]);
                let heard = self.lost[v].at_most(&known[t]);
                self.formula.assert_one(vec![vec![reached], vec![later]]);
                self.formula.assert_one(vec![vec![not_yet], vec![heard]]);
            }
        }
    }

    /// Demands that a lemma be wrong. The solver's curves are then an example of that.
    ///
    /// The lemma needs `2·(1 + D)` of past, and what is left out of a bound makes it bolder.
    pub fn deny(&mut self, lemma: Lemma, without: Without) {
        match lemma {
            Lemma::QueueLow => self.deny_queue_low(without),
            Lemma::QueueHigh => self.deny_queue_high(without),
            Lemma::RttLow => self.deny_rtt(without, true),
            Lemma::RttHigh => self.deny_rtt(without, false),
            Lemma::Unknown => self.deny_unknown(without, true),
            Lemma::UnknownWithoutBursts => self.deny_unknown(without, false),
            Lemma::UnknownAtADrop => self.deny_unknown_at_a_drop(without, false),
            Lemma::UnknownAfterABurst => self.deny_unknown_at_a_drop(without, true),
            Lemma::UnknownWithFlow => self.deny_unknown_with_flow(without, false),
            Lemma::NothingUnknownWithFlow => self.deny_unknown_with_flow(without, true),
            Lemma::Carried => self.deny_carried(without),
        }
    }

    fn jitter(&self, without: Without) -> i64 {
        if without.jitter {
            0
        } else {
            self.path.jitter as i64
        }
    }

    fn deny_queue_low(&mut self, without: Without) {
        let t = self.path.steps;
        let mut least = self.in_flight[t].offset(-(self.path.rtt as i64) - self.jitter(without));
        if !without.unknown {
            least = least.minus(&self.unknown[t]);
        }
        let queue = self.waiting(t);
        self.formula.assert(queue.below(&least));
        self.formula.assert(Sum::default().below(&least));
    }

    fn deny_queue_high(&mut self, without: Without) {
        let (t, rtt) = (self.path.steps, self.path.rtt);
        let (queue, now) = (self.waiting(t), self.in_flight[t].clone());
        let mut most = Sum::constant(self.jitter(without));
        if !without.increase {
            let earlier = self.in_flight[t - rtt + 1..t].iter();
            let increases = earlier.map(|earlier| now.minus(earlier)).collect();
            most = most.plus(1, &self.at_least("I", increases));
        }
        if !without.unknown && self.path.buffer.is_some() {
            let unknown = self.unknown[t - rtt + 1..=t].to_vec();
            most = most.plus(1, &self.at_least("X", unknown));
        }
        self.formula.assert(Sum::default().below(&queue));
        self.formula.assert(now.offset(-(rtt as i64)).below(&queue));
        let (whole, burst) = (now.below(&queue), most.below(&queue));
        self.formula.assert_one(vec![vec![whole], vec![burst]]);
    }

    /// A packet arrives, and is let go earlier (or later) than the lemma says.
    fn deny_rtt(&mut self, without: Without, is_low: bool) {
        let sent = self.path.rtt + self.path.jitter;
        let (mark, queue) = (self.accepted(sent), self.waiting(sent));
        let jitter = self.jitter(without);
        let cases: Choice = (sent..=self.path.steps)
            .map(|t| {
                let (after, served) = (Sum::constant((t - sent) as i64), &self.served[t]);
                if is_low {
                    return vec![mark.at_most(served), after.below(&queue)];
                }
                let late = queue.offset(jitter).at_most(&after);
                vec![
                    served.below(&mark),
                    late,
                    Sum::constant(jitter).at_most(&after),
                ]
            })
            .collect();
        self.formula.assert_one(cases);
    }

    fn deny_unknown(&mut self, without: Without, with_bursts: bool) {
        let (t, rtt) = (self.path.steps, self.path.rtt);
        let buffer = self.path.buffer.unwrap_or(0);
        let room = if with_bursts {
            buffer
        } else {
            buffer + rtt as i64
        };
        let sums = self.in_flight[rtt..].iter().map(|it| it.offset(-room));
        let excess = self.at_least("E", sums.collect());
        if !with_bursts && !without.increase {
            self.keep_bursts_small(&excess, without);
        }
        let excess = if without.unknown {
            Sum::default()
        } else {
            excess
        };
        self.formula.assert(excess.below(&self.unknown[t]));
        for early in &self.unknown[..=2 * rtt] {
            self.formula.assert(early.at_most(&Sum::default()));
        }
    }

    /// Demands `min(F, D + I + excess) ≤ β` at all times.
    fn keep_bursts_small(&mut self, excess: &Sum, without: Without) {
        let rtt = self.path.rtt;
        for u in rtt..=self.path.steps {
            let now = self.in_flight[u].clone();
            let increase = self.increase(u, without);
            let burst = increase.plus(1, excess).offset(self.jitter(without));
            let buffer = Sum::constant(self.path.buffer.unwrap_or(0));
            let small = |burst: &Sum| vec![burst.at_most(&buffer)];
            self.formula.assert_one(vec![small(&now), small(&burst)]);
        }
    }

    /// I at a step: by how much more is in flight than at any time within the last round trip.
    fn increase(&mut self, at: usize, without: Without) -> Sum {
        if without.increase {
            return Sum::default();
        }
        let rtt = self.path.rtt;
        let earlier = self.in_flight[(at + 1 - rtt).max(rtt)..at].iter();
        let now = &self.in_flight[at];
        let increases = earlier.map(|earlier| now.minus(earlier)).collect();
        self.at_least(&format!("I{at}"), increases)
    }

    fn deny_unknown_at_a_drop(&mut self, without: Without, with_bursts: bool) {
        let (t, rtt) = (self.path.steps, self.path.rtt);
        let buffer = self.path.buffer.unwrap_or(0);
        let room = buffer + rtt as i64;
        let unknown = self.unknown[t].clone();
        let dropped = self.lost[t - 1].below(&self.lost[t]);
        self.formula.assert(dropped);
        self.formula.assert(Sum::default().below(&unknown));
        let now = self.in_flight[t].offset(-room);
        self.formula.assert(now.below(&unknown));
        if with_bursts {
            let most = self.at_least("H", self.in_flight[rtt..].to_vec());
            let increase = self.increase(t, without);
            let most = if without.unknown {
                Sum::default()
            } else {
                most
            };
            let left = most
                .plus(1, &increase)
                .offset(self.jitter(without) - 2 * buffer);
            self.formula.assert(left.below(&unknown));
        } else {
            let sums = self.in_flight[rtt..].iter().map(|it| it.offset(-room));
            let excess = self.at_least("E", sums.collect());
            let excess = if without.unknown {
                Sum::default()
            } else {
                excess
            };
            self.keep_bursts_small(&excess, without);
        }
        for early in &self.unknown[..=2 * rtt] {
            self.formula.assert(early.at_most(&Sum::default()));
        }
    }

    /// λ − P of the lemma is one unknown here, since nothing else bears on P.
    fn deny_unknown_with_flow(&mut self, without: Without, is_zero: bool) {
        let (t, rtt) = (self.path.steps, self.path.rtt);
        let buffer = self.path.buffer.unwrap_or(0);
        let most = self.at_least("H", self.in_flight[rtt..].to_vec());
        let least = self.formula.declare("least".to_owned(), None);
        for now in &self.in_flight[rtt..] {
            self.formula.assert(least.at_most(now));
        }
        let unknown = self.unknown[t].clone();
        self.formula.assert(Sum::default().below(&unknown));
        let full = most.offset(-buffer);
        let idle = least.offset(-self.jitter(without));
        let zero = Sum::default();
        for bound in [full.minus(&idle), full.offset(-(rtt as i64))] {
            self.formula.assert(if is_zero {
                bound.at_most(&zero)
            } else {
                bound.below(&unknown)
            });
        }
        for early in &self.unknown[..=2 * rtt] {
            self.formula.assert(early.at_most(&Sum::default()));
        }
    }

    fn deny_carried(&mut self, without: Without) {
        let span = self.path.rtt + self.jitter(without) as usize;
        let (end, start) = (self.path.steps, self.path.steps - span);
        let gained = self.carried[end].minus(&self.carried[start]);
        let least = self.formula.declare("least".to_owned(), None);
        for u in start + 1..=end {
            let mut real = self.in_flight[u].clone();
            if !without.unknown {
                real = real.minus(&self.unknown[u]);
            }
            self.formula.assert(least.at_most(&real));
        }
        self.formula.assert(gained.below(&least));
        self.formula
            .assert(gained.below(&Sum::constant(span as i64)));
    }

    /// A new unknown that is none of these less than zero: at its smallest, their largest.
    fn at_least(&mut self, name: &str, sums: Vec<Sum>) -> Sum {
        let largest = self.formula.declare(name.to_owned(), None);
        self.formula.assert(Sum::default().at_most(&largest));
        for sum in sums {
            self.formula.assert(sum.at_most(&largest));
        }
        largest
    }
}
