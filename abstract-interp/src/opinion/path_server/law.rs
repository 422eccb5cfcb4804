//! A sender with a window and a law on the path server: the loop itself in linear inequalities.
//!
//! The window of a round is what is in flight while anything is sent; the law moves it by what a
//! packet of the round before saw. That so much is in flight as the lemmas assume is no assumption
//! here but follows from the rule of sending.

use super::super::formula::Sum;
use super::Curves;

/// `window ← window + (target − seen) / damping`, in steps of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// The queue, as far as it is seen, at which the window rests.
    pub target: i64,
    /// Positive.
    pub damping: i64,
}

/// What is said of the loop's own trajectory at the last step, if something is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The window, in every round, lies between these.
    Window(i64, i64),
    /// `q ≥ λ − 1 − D`.
    QueueLow,
    /// `q ≤ max(ω − 1, min(ω, D + ω − λ))`.
    QueueHigh,
    /// Within `1 + D` the link carries `min(λ, 1 + D)`.
    Carried,
}

impl Curves {
    /// Sends by windows, of which the first two lie in `start`, at most a step of data apart; the
    /// windows, round by round.
    ///
    /// A decision falls every base RTT and judges any packet of the round before, whose
    /// acknowledgement is late by anything up to D.
    pub fn drive(&mut self, law: Law, start: (i64, i64)) -> Vec<Sum> {
        let (rtt, jitter) = (self.path.rtt, self.path.jitter as i64);
        let rounds = (self.path.steps - rtt) / rtt + 1;
        let windows: Vec<Sum> = (0..rounds)
            .map(|round| self.formula.declare(format!("w{round}"), None))
            .collect();
        for first in windows.iter().take(2) {
            self.formula.assert(Sum::constant(start.0).at_most(first));
            self.formula.assert(first.at_most(&Sum::constant(start.1)));
        }
        if let [first, second, ..] = windows.as_slice() {
            for (one, other) in [(first, second), (second, first)] {
                self.formula.assert(one.at_most(&other.offset(1)));
            }
        }
        for t in rtt..=self.path.steps {
            let full = self.served[t - rtt].clone().plus(1, &windows[t / rtt - 1]);
            let now = self.arrived[t].clone();
            self.formula.assert(full.at_most(&now));
            let mut cases = vec![vec![now.at_most(&full)]];
            if t > rtt {
                cases.push(vec![now.at_most(&self.arrived[t - 1])]);
            }
            self.formula.assert_one(cases);
        }
        for round in 2..rounds {
            let seen = self.formula.declare(format!("x{round}"), None);
            let judged = (round - 1) * rtt..round * rtt;
            let of = |t: usize| {
                let queue = self.waiting(t);
                let late = seen.at_most(&queue.offset(jitter));
                vec![queue.at_most(&seen), late]
            };
            let cases = judged.map(of).collect();
            self.formula.assert_one(cases);
            self.formula.assert(Sum::default().at_most(&seen));
            let moved = windows[round].minus(&windows[round - 1]).times(law.damping);
            let wanted = Sum::constant(law.target).minus(&seen);
            self.formula.assert(moved.at_most(&wanted));
            self.formula.assert(wanted.at_most(&moved));
        }
        windows
    }

    /// Demands that this be wrong of the loop with these windows.
    pub fn deny_own(&mut self, windows: &[Sum], own: Own) {
        let (t, rtt, jitter) = (self.path.steps, self.path.rtt, self.path.jitter);
        let (queue, last) = (self.waiting(t), t / rtt - 1);
        let (now, before) = (&windows[last], &windows[last - 1]);
        if let Own::Window(low, high) = own {
            let outside = windows.iter().flat_map(|window| {
                let (low, high) = (Sum::constant(low), Sum::constant(high));
                [vec![window.below(&low)], vec![high.below(window)]]
            });
            self.formula.assert_one(outside.collect());
            return;
        }
        self.formula
            .assert(self.arrived[t - 1].below(&self.arrived[t]));
        let whole = (rtt + jitter) as i64;
        match own {
            Own::Window(..) => {}
            Own::QueueLow => {
                for window in [now, before] {
                    let row = queue.below(&window.offset(-whole));
                    self.formula.assert(row);
                }
            }
            Own::QueueHigh => {
                let late = Sum::constant(jitter as i64);
                let burst = vec![
                    late.below(&queue),
                    late.plus(1, now).minus(before).below(&queue),
                ];
                self.formula.assert(now.offset(-(rtt as i64)).below(&queue));
                self.formula
                    .assert_one(vec![vec![now.below(&queue)], burst]);
            }
            Own::Carried => {
                let start = t - rtt - jitter;
                let gained = self.carried[t].minus(&self.carried[start]);
                for window in &windows[((start + 1) / rtt).max(1) - 1..=last] {
                    self.formula.assert(gained.below(window));
                }
                self.formula.assert(gained.below(&Sum::constant(whole)));
            }
        }
    }
}
