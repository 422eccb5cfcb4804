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
enum Said {
    /// No trajectory gets there.
    Stays,
    /// This one does, on the integer program.
    Leaves(Vec<State>),
    /// It found a trajectory that the integer program does not follow, or gave up.
    Unsure,
}

/// How often an engine said what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    stays: u32,
    leaves: u32,
    unsure: u32,
}

impl Tally {
    fn count(&mut self, said: &Said) {
        match said {
            Said::Stays => self.stays += 1,
            Said::Leaves(_) => self.leaves += 1,
            Said::Unsure => self.unsure += 1,
        }
    }
}

/// Can the loop be in one of `bad` so many rounds after it was in `start`?
struct Question<'l> {
    of: &'l Loop,
    start: Part,
    rounds: usize,
    bad: Vec<Part>,
}

impl Question<'_> {
    /// Written out, with the bad parts smaller by a margin on every side.
    fn unrolled(&self, margin: i64) -> Unrolled {
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

    fn by_milp(&self) -> Said {
        let unrolled = self.unrolled(0);
        match relaxed(&unrolled.formula, MARGIN, SECONDS) {
            Relaxed::Infeasible => Said::Stays,
            Relaxed::Values(values) => self.replay(&unrolled, &values),
            Relaxed::Doubt(_) => Said::Unsure,
        }
    }

    /// Over the real numbers, which is exact where nothing is found. What is found with a margin
    /// survives being rounded.
    #[cfg(feature = "smt")]
    fn by_z3(&self) -> Said {
        let unrolled = self.unrolled(MARGIN);
        match ask(&unrolled.formula.over_the_reals(), WORK) {
            Answer::Sat(values) => return self.replay(&unrolled, &values),
            Answer::Unsat => {}
            Answer::Other(_) => return Said::Unsure,
        }
        match ask(&self.unrolled(0).formula.over_the_reals(), WORK) {
            Answer::Unsat => Said::Stays,
            _ => Said::Unsure,
        }
    }

    /// All engines, which never contradict each other.
    fn ask(&self, tallies: &mut [Tally]) -> Vec<Said> {
        let said = vec![
            self.by_milp(),
            // Two rounds are too much for z3.
            #[cfg(feature = "smt")]
            if self.rounds == 1 {
                self.by_z3()
            } else {
                Said::Unsure
            },
        ];
        for (tally, said) in tallies.iter_mut().zip(&said) {
            tally.count(said);
        }
        let leaves = said.iter().any(|it| matches!(it, Said::Leaves(_)));
        assert!(!leaves || !said.contains(&Said::Stays), "{said:?}");
        said
    }
}

fn loops(seeds: u64) -> impl Iterator<Item = (u64, Loop, Dice)> {
    (0..seeds).filter_map(|seed| {
        let mut dice = Dice(seed);
        let found = Loop::random(&mut dice)?;
        Some((seed, found, dice))
    })
}

/// The first of a trajectory's states whose rank is below what the ones before promise.
fn first_broken(of: &Loop, states: &[State]) -> Option<usize> {
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

#[test]
fn no_solver_finds_a_trajectory_that_breaks_a_rank() {
    let mut tallies = [Tally::default(); 2];
    for (seed, it, mut dice) in loops(SOLVED_SEEDS) {
        for _ in 0..3 {
            let start = it.cell(&it.ranked_state(&mut dice));
            let promise = it.promise(it.rank_of(start), 1);
            let question = Question {
                of: &it,
                start: it.part(start),
                rounds: 1,
                bad: it.broken(start, 1, promise),
            };
            for said in question.ask(&mut tallies) {
                assert!(!matches!(said, Said::Leaves(_)), "seed {seed}: {said:?}");
            }
        }
    }
    for tally in &tallies[..ENGINES] {
        assert!(
            tally.stays >= 15 && tally.unsure * 4 <= tally.stays,
            "{tally:?}"
        );
    }
}

/// A cell that a trajectory meets, or one beside it, gets rank zero: where a solver reaches it,
/// the ranks are refuted, and the true ones are kept by the very same trajectory.
#[test]
#[ignore = "its time with z3 is not known to fit into the gate"]
fn solvers_refute_lowered_ranks_with_trajectories_that_keep_the_true_ones() {
    let mut tallies = [Tally::default(); 2];
    for (seed, it, mut dice) in loops(SOLVED_SEEDS) {
        for rounds in [1, 1, 2] {
            let start = it.ranked_state(&mut dice);
            let states = it
                .plant()
                .follow(start, &Loop::shows(rounds, &mut dice))
                .unwrap();
            let mut target = it.cell(states.last().unwrap());
            let beside = dice.between(0, 3) as usize / 2;
            target.memory = (target.memory + beside).min(it.grid.memories() - 1);
            let question = Question {
                of: &it,
                start: it.part(it.cell(&start)),
                rounds,
                bad: vec![it.part(target)],
            };
            for said in question.ask(&mut tallies) {
                if let Said::Leaves(states) = said {
                    assert_eq!(first_broken(&it, &states), None, "seed {seed}");
                }
            }
        }
    }
    for tally in &tallies[..ENGINES] {
        assert!(tally.leaves * 4 >= tally.stays + tally.unsure, "{tally:?}");
    }
}

const SEEDS: u64 = 60;
/// Of these, the first are put to solvers as well.
const SOLVED_SEEDS: u64 = 24;
/// Floors of three layers and of a step, over some rounds.
const MARGIN: i64 = 64;
const SECONDS: f64 = 2.0;
const ENGINES: usize = if cfg!(feature = "smt") { 2 } else { 1 };
#[cfg(feature = "smt")]
const WORK: u64 = 1_000_000;
