//! Trajectories from one state: the prover's cells against solvers and against enumeration.
//!
//! A question is whether a cell is reached after some rounds, whatever they show. Where the cell is
//! outside the prover's images none may find a way there; where a trajectory is known to end in it,
//! as if a proof had lost that cell, none may say that there is no way.

use std::collections::BTreeSet;

use tautline_abstract_interp::interval::Interval;
use tautline_abstract_interp::opinion::unrolled::{Part, Seen, State};
use tautline_certificate_format::closed_loop::Cell;

use super::loops::Loop;
use super::unrolled::{Question, Said, Tally, first_broken, loops};
use crate::models::Dice;

const fn point(state: &State) -> Part {
    Part {
        window: Interval::point(state.window),
        before: Interval::point(state.before),
        earlier: Interval::point(state.earlier),
        memory: Interval::point(state.memory),
    }
}

/// A start with what the prover says of it.
struct From<'l> {
    of: &'l Loop,
    start: State,
    rounds: usize,
    /// Numbers of the cells that the prover allows after the last round.
    allowed: BTreeSet<usize>,
}

impl<'l> From<'l> {
    fn random(of: &'l Loop, rounds: usize, dice: &mut Dice) -> Self {
        let start = of.ranked_state(dice);
        let mut reached = of.reached(of.cell(&start), rounds);
        Self {
            of,
            start,
            rounds,
            allowed: reached.pop().unwrap(),
        }
    }

    fn question(&self, cell: Cell) -> Question<'l> {
        Question {
            of: self.of,
            start: point(&self.start),
            rounds: self.rounds,
            bad: vec![self.of.part(cell)],
        }
    }

    /// Where a random adversary leads.
    fn visited(&self, dice: &mut Dice) -> Cell {
        let seen = Loop::shows(self.rounds, dice);
        let states = self.of.plant().follow(self.start, &seen).unwrap();
        self.of.cell(states.last().unwrap())
    }

    /// The first cell outside the prover's images from one inside on, towards larger or smaller
    /// windows or averages; none beyond the end of the grid.
    fn beside(&self, mut cell: Cell, dice: &mut Dice) -> Option<Cell> {
        let side = [-1, 1][dice.between(0, 1) as usize];
        let of_window = dice.between(0, 1) == 0;
        loop {
            if of_window {
                cell.window += side;
                cell.before -= side;
            } else {
                cell.memory = usize::try_from(cell.memory as i64 + i64::from(side)).ok()?;
            }
            let number = self.of.grid.number(cell)?;
            if !self.allowed.contains(&number) {
                return Some(cell);
            }
        }
    }

    /// The cells of every trajectory whose rounds show a queue on a lattice of `sides` values over
    /// what they may show. Loss is at its ends.
    fn enumerated(&self, sides: i64) -> BTreeSet<usize> {
        let plant = self.of.plant();
        let mut states = vec![self.start];
        for _ in 0..self.rounds {
            let mut next = vec![];
            for state in &states {
                let shown = plant.shown(state);
                let at = |place: i64| {
                    let width = shown.excess.high - shown.excess.low;
                    shown.excess.low + width * place / (sides - 1)
                };
                let (least, most) = (shown.loss.low, shown.loss.high);
                for queueing in 0..sides {
                    for standing in 0..=queueing {
                        for (loss, held) in [(least, false), (most, false), (most, true)] {
                            let seen = Seen {
                                queueing: at(queueing),
                                standing: at(standing),
                                loss,
                                held,
                            };
                            if most > 0 || !held {
                                next.extend(plant.next(state, &seen));
                            }
                        }
                    }
                }
            }
            next.sort_by_key(|it| (it.window, it.before, it.earlier, it.memory));
            next.dedup();
            states = next;
        }
        let cells = states.iter().map(|state| self.of.cell(state));
        cells.map(|it| self.of.grid.number(it).unwrap()).collect()
    }
}

/// What was asked, and what was said of it.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    milp: Tally,
    z3: Tally,
    /// Of the MILP's answers, those that were sure, by rounds less one.
    decided: [u32; MOST_ROUNDS],
    /// Cells that no interval of a coordinate meets: no solver was asked.
    by_bounds: u32,
}

impl Asked {
    /// Puts a question to the MILP and, where `also_z3`, to z3: sure answers never differ.
    fn ask(&mut self, question: &Question<'_>, also_z3: bool) -> Vec<Said> {
        if question.unrolled(0).open == 0 {
            self.by_bounds += 1;
            return vec![];
        }
        let mut said = Vec::with_capacity(2);
        said.push(question.by_milp(SECONDS));
        self.milp.count(&said[0]);
        self.decided[question.rounds - 1] += u32::from(said[0] != Said::Unsure);
        #[cfg(feature = "smt")]
        if also_z3 {
            said.push(question.by_z3(WORK));
            self.z3.count(&said[1]);
        }
        let _ = also_z3;
        let leaves = said.iter().any(|it| matches!(it, Said::Leaves(_)));
        assert!(!leaves || !said.contains(&Said::Stays), "{said:?}");
        said
    }
}

#[test]
fn solvers_agree_with_the_cells_on_hundreds_of_questions() {
    let [mut inside, mut outside] = [Asked::default(); 2];
    for (number, (seed, it, mut dice)) in loops(SEEDS).enumerate() {
        let long = [3, 4, 5][number % 3];
        for rounds in [1, 2, 3, 2, 3, 3, long] {
            let from = From::random(&it, rounds, &mut dice);
            let also_z3 = rounds <= 3 && dice.between(0, 1) == 0;
            let visited = from.visited(&mut dice);
            for said in inside.ask(&from.question(visited), also_z3) {
                // What later rounds may show is an inner interval, so a solver may miss a way.
                assert!(
                    said != Said::Stays || rounds > 2,
                    "seed {seed}: {visited:?}"
                );
                if let Said::Leaves(states) = said {
                    assert_eq!(first_broken(&it, &states), None, "seed {seed}: {states:?}");
                }
            }
            for attempt in 0..4 {
                let Some(cell) = from.beside(visited, &mut dice) else {
                    continue;
                };
                for said in outside.ask(&from.question(cell), also_z3 && attempt == 0) {
                    let wrong = matches!(said, Said::Leaves(_));
                    assert!(!wrong, "seed {seed}: {cell:?} {said:?}");
                }
            }
        }
    }
    println!("inside {inside:?}\noutside {outside:?}");
    let sure = |tally: Tally| tally.stays + tally.leaves;
    assert!(
        sure(inside.milp) + sure(outside.milp) >= 200,
        "{inside:?} {outside:?}"
    );
    assert!(
        outside.milp.stays >= 40 && inside.milp.leaves >= 100,
        "{inside:?} {outside:?}"
    );
    assert!(
        inside.milp.leaves * 4 >= 3 * (sure(inside.milp) + inside.milp.unsure),
        "{inside:?}"
    );
    if cfg!(feature = "smt") {
        assert!(
            sure(inside.z3) + sure(outside.z3) >= 50,
            "{inside:?} {outside:?}"
        );
        assert!(inside.z3.leaves >= 30, "{inside:?}");
    }
}

/// Every cell that the prover allows after two rounds, on a lattice and by the MILP: what the
/// lattice reaches the MILP must not exclude, and what it alone reaches it shows by a trajectory.
#[test]
fn enumeration_stays_inside_the_cells_and_finds_no_more_than_the_solver() {
    let mut tally = Tally::default();
    let (mut reached, mut both) = (0, 0);
    for (seed, it, mut dice) in loops(SEEDS / 2) {
        let three = From::random(&it, 3, &mut dice);
        let cells = three.enumerated(5);
        assert!(cells.is_subset(&three.allowed), "seed {seed}");
        reached += cells.len();
        let two = From::random(&it, 2, &mut dice);
        let cells = two.enumerated(17);
        assert!(cells.is_subset(&two.allowed), "seed {seed}");
        for &number in two.allowed.iter().take(MOST_CELLS) {
            let said = two.question(it.grid.cell(number).unwrap()).by_milp(SECONDS);
            tally.count(&said);
            let is_reached = cells.contains(&number);
            assert!(!is_reached || said != Said::Stays, "seed {seed}: {number}");
            both += u32::from(is_reached == matches!(said, Said::Leaves(_)));
        }
    }
    println!("{tally:?}, agree on {both}; three rounds of the lattice meet {reached} cells");
    let all = tally.stays + tally.leaves + tally.unsure;
    assert!(all >= 150 && both * 5 >= all * 4, "{both} of {tally:?}");
}

const SEEDS: u64 = 60;
const MOST_ROUNDS: usize = 5;
const MOST_CELLS: usize = 30;
const SECONDS: f64 = 1.5;
#[cfg(feature = "smt")]
const WORK: u64 = 500_000;
