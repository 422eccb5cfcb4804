//! The prover's ranks against trajectories that other engines look for.

use num_rational::BigRational;
use tautline_abstract_interp::opinion::unrolled::{Part, State, Unrolled};
use tautline_abstract_interp::opinion::{Relaxed, relaxed};

use super::loops::Loop;
#[cfg(feature = "smt")]
use super::solver::ask;
use crate::models::Dice;
#[cfg(feature = "smt")]
use tautline_abstract_interp::opinion::formula::Answer;

/// What an engine says of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// No trajectory gets there.
    Stays,
    /// This one does, on the integer program.
    Leaves(Vec<State>),
    /// It found a trajectory that the integer program does not follow, or gave up.
    Unsure,
}

/// How often an engine said what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stays: u32,
    pub(crate) leaves: u32,
    pub(crate) unsure: u32,
}

impl Tally {
    pub(crate) fn count(&mut self, said: &Said) {
        match said {
            Said::Stays => self.stays += 1,
            Said::Leaves(_) => self.leaves += 1,
            Said::Unsure => self.unsure += 1,
        }
    }
}

/// Can the loop be in one of `bad` so many rounds after it was in `start`?
pub(crate) struct Question<'l> {
    pub(crate) of: &'l Loop,
    pub(crate) start: Part,
    pub(crate) rounds: usize,
    pub(crate) bad: Vec<Part>,
}

impl Question<'_> {
    /// Written out, with the bad parts smaller by a margin on every side.
    pub(crate) fn unrolled(&self, margin: i64) -> Unrolled {
        let bad: Vec<Part> = self.bad.iter().map(|part| part.shrunk(margin)).collect();
        Unrolled::new(&self.of.plant(), self.start, self.rounds, &bad)
    }

    /// Runs a solver's values on the integer program, moved to what its rounds may show.
    fn replay(&self, unrolled: &Unrolled, values: &[BigRational]) -> Said {
        let (start, seen) = unrolled.trajectory(values).unwrap();
        let states = self.of.plant().follow(start, &seen);
        let states = states.filter(|states| {
            let last = states.last().unwrap();
            self.start.contains(&states[0]) && self.bad.iter().any(|part| part.contains(last))
        });
        states.map_or(Said::Unsure, Said::Leaves)
    }

    /// Floats, so an opinion; the margin covers floors, which are slacks of up to a unit.
    pub(crate) fn by_milp(&self, seconds: f64) -> Said {
        for margin in [MARGIN, 0] {
            let unrolled = self.unrolled(margin);
            match relaxed(&unrolled.formula, 0, seconds) {
                Relaxed::Infeasible => {}
                Relaxed::Values(values) => return self.replay(&unrolled, &values),
                Relaxed::Doubt(_) => return Said::Unsure,
            }
        }
        Said::Stays
    }

    /// Over the real numbers, which is exact where nothing is found. What is found with a margin
    /// survives being rounded.
    #[cfg(feature = "smt")]
    pub(crate) fn by_z3(&self, work: u64) -> Said {
        for margin in [MARGIN, 0] {
            let unrolled = self.unrolled(margin);
            match ask(&unrolled.formula.over_the_reals(), work) {
                Answer::Sat(values) => return self.replay(&unrolled, &values),
                Answer::Unsat => {}
                Answer::Other(_) => return Said::Unsure,
            }
        }
        Said::Stays
    }
}

pub(crate) fn loops(seeds: u64) -> impl Iterator<Item = (u64, Loop, Dice)> {
    (0..seeds).filter_map(|seed| {
        let mut dice = Dice(seed);
        let found = Loop::random(&mut dice)?;
        Some((seed, found, dice))
    })
}

/// The first of a trajectory's states whose rank is below what the ones before promise.
pub(crate) fn first_broken(of: &Loop, states: &[State]) -> Option<usize> {
    let mut promise = of.rank_of(of.cell(&states[0]));
    states.iter().skip(1).position(|state| {
        promise = of.promise(promise, 1);
        of.rank_of(of.cell(state)) < promise
    })
}

#[test]
fn no_adversary_of_ours_breaks_a_rank() {
    let mut found = 0;
    let mut deepest = 0;
    for (seed, it, mut dice) in loops(SEEDS) {
        found += 1;
        deepest = deepest.max(it.last);
        assert!(it.plant().is_modelled());
        for _ in 0..2000 {
            let start = it.ranked_state(&mut dice);
            let seen = Loop::shows(12, &mut dice);
            let states = it.plant().follow(start, &seen).unwrap();
            let broken = first_broken(&it, &states);
            assert_eq!(broken, None, "seed {seed}: {states:?} {seen:?}");
        }
    }
    assert!(found * 4 >= SEEDS && deepest >= 8, "{found} {deepest}");
}

const SEEDS: u64 = 60;
/// Floors of three layers and of a step, over some rounds.
const MARGIN: i64 = 64;
