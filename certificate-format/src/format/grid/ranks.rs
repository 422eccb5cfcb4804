//! The ranks of a slice: each is guessed from its neighbours, and the guess is all that costs.
//!
//! Cells come in the order of their numbers. The neighbours of a cell are those one lower in one
//! coordinate. Guesses are that the change along the average goes on as it does beside each of the
//! other three, then the four neighbours' own ranks; each rank is asked once, by a bit whose chance
//! depends on which neighbours agree with each other. A rank that nobody guesses is written out, and
//! one that somebody guessed must not be.

use super::SliceError;
use super::coder::{Bits, Chance};
use crate::closed_loop::Grid;

/// Writes the ranks in `given`, or reads and returns as many as the grid has cells.
pub(super) fn walk<B: Bits>(
    grid: &Grid,
    bits: &mut B,
    given: Option<&[u8]>,
) -> Result<Vec<u8>, SliceError> {
    let cells = grid.cells().ok_or(SliceError::Cells)?;
    let steps = Steps::of(grid);
    let mut model = Model::new();
    let mut ranks = Vec::with_capacity(cells);
    let mut at = [0usize; 4];
    for number in 0..cells {
        let wanted = given.and_then(|given| given.get(number).copied());
        let around = steps.around(&ranks, at);
        let rank = model.code(bits, &around, wanted.unwrap_or_default())?;
        ranks.push(rank);
        steps.advance(&mut at);
    }
    Ok(ranks)
}

/// The coordinates, fastest first.
struct Steps {
    /// Places of each coordinate.
    ends: [usize; 4],
    /// Cells between neighbours in each coordinate.
    apart: [usize; 4],
}

/// What is known around a cell.
struct Around {
    /// The neighbours: in the average, the turn, the window before and the window.
    beside: [u8; 4],
    /// The last three's own neighbours in the average.
    corner: [u8; 3],
    /// The last three's next cells in the average.
    ahead: [u8; 3],
}

impl Steps {
    /// Of a grid whose cells are counted, so nothing saturates.
    fn of(grid: &Grid) -> Self {
        let (reach, falls) = (usize::from(grid.reach), usize::from(grid.falls));
        let ends = [
            grid.memories(),
            reach.saturating_add(falls).saturating_add(1),
            reach.saturating_mul(2).saturating_add(1),
            usize::from(grid.windows),
        ];
        let mut apart = [1; 4];
        let mut cells = 1usize;
        for (apart, end) in apart.iter_mut().zip(ends) {
            *apart = cells;
            cells = cells.saturating_mul(end);
        }
        Self { ends, apart }
    }

    fn advance(&self, at: &mut [usize; 4]) {
        for (at, end) in at.iter_mut().zip(self.ends) {
            *at = at.saturating_add(1);
            if *at < end {
                return;
            }
            *at = 0;
        }
    }

    fn around(&self, ranks: &[u8], at: [usize; 4]) -> Around {
        let back = |cells: usize| {
            let number = ranks.len().checked_sub(cells);
            number.and_then(|number| ranks.get(number).copied())
        };
        let [memory, others @ ..] = at;
        let [places, ..] = self.ends;
        let [_, apart @ ..] = self.apart;
        let left = if memory > 0 { back(1) } else { None };
        let left = left.unwrap_or_default();
        let mut around = Around {
            beside: [left; 4],
            corner: [left; 3],
            ahead: [left; 3],
        };
        let [_, beside @ ..] = &mut around.beside;
        let slots = beside.iter_mut().zip(&mut around.corner);
        let slots = slots.zip(&mut around.ahead);
        for (((beside, corner), ahead), (at, apart)) in slots.zip(others.into_iter().zip(apart)) {
            if at == 0 {
                continue;
            }
            *beside = back(apart).unwrap_or_default();
            if memory > 0 {
                *corner = back(apart.saturating_add(1)).unwrap_or_default();
            }
            let last = memory.saturating_add(1) >= places;
            *ahead = if last {
                None
            } else {
                back(apart.saturating_sub(1))
            }
            .unwrap_or(*beside);
        }
        around
    }
}

/// The chances.
struct Model {
    /// Per guess and pattern of agreement: that the guess is right.
    guesses: Vec<[Chance; PATTERNS]>,
    /// Per bits read so far: the next bit of a rank that is written out.
    digits: Vec<Chance>,
}

impl Model {
    fn new() -> Self {
        Self {
            guesses: vec![[Chance::EVEN; PATTERNS]; GUESSES],
            digits: vec![Chance::EVEN; 256],
        }
    }

    fn code<B: Bits>(&mut self, bits: &mut B, around: &Around, rank: u8) -> Result<u8, SliceError> {
        let pattern = around.pattern();
        let guesses = around.guesses();
        for (number, (guess, chances)) in guesses.into_iter().zip(&mut self.guesses).enumerate() {
            if guesses.iter().take(number).any(|&earlier| earlier == guess) {
                continue;
            }
            let Some(chance) = chances.get_mut(pattern) else {
                continue;
            };
            if bits.bit(chance, rank == guess)? {
                return Ok(guess);
            }
        }
        let read = self.write_out(bits, rank)?;
        if guesses.contains(&read) {
            return Err(SliceError::NotCanonical);
        }
        Ok(read)
    }

    /// Eight bits, highest first.
    fn write_out<B: Bits>(&mut self, bits: &mut B, rank: u8) -> Result<u8, SliceError> {
        let mut path = 1usize;
        let mut read = 0u8;
        for place in (0..8).rev() {
            let wanted = (rank >> place) & 1 == 1;
            let Some(chance) = self.digits.get_mut(path) else {
                break;
            };
            let bit = u8::from(bits.bit(chance, wanted)?);
            read = (read << 1) | bit;
            path = (path << 1) | usize::from(bit);
        }
        Ok(read)
    }
}

impl Around {
    /// What the rank may be, likeliest first: the changes along one coordinate go on as they did
    /// beside the cell, or there is none.
    fn guesses(&self) -> [u8; GUESSES] {
        let [left, turn, before, window] = self.beside;
        let [a, b, c] = self.corner;
        let on = |beside: u8, corner: u8| {
            let sum = u16::from(left).saturating_add(u16::from(beside));
            let rank = sum.saturating_sub(u16::from(corner)).min(u8::MAX.into());
            u8::try_from(rank).unwrap_or(u8::MAX)
        };
        [
            on(turn, a),
            on(before, b),
            on(window, c),
            left,
            turn,
            before,
            window,
        ]
    }

    /// Which neighbours agree.
    fn pattern(&self) -> usize {
        let [left, turn, before, window] = self.beside;
        let [turn_corner, before_corner, window_corner] = self.corner;
        let [turn_ahead, before_ahead, window_ahead] = self.ahead;
        let agree = [
            turn == before,
            before == window,
            turn == window,
            left == turn,
            left == turn_corner,
            left == before_corner,
            left == window_corner,
            turn == turn_ahead,
            before == before_ahead,
            window == window_ahead,
        ];
        let pack = |sum: usize, bit| (sum << 1) | usize::from(bit);
        agree.into_iter().fold(0, pack)
    }
}

const PATTERNS: usize = 1 << 10;
const GUESSES: usize = 7;
