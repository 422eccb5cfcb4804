//! Small closed loops with the prover's ranks, and questions about them for other engines.

use tautline_abstract_interp::closed_loop::image::Step;
use tautline_abstract_interp::closed_loop::path::Paths;
use tautline_abstract_interp::closed_loop::ranks::{SliceWatch, rank};
use tautline_abstract_interp::closed_loop::rate::ModelRate;
use tautline_abstract_interp::interval::Interval;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::opinion::unrolled::{Part, Plant, Seen, State};
use tautline_certificate_format::closed_loop::{Buffer, Cell, Grid, MEMORY_MAX};
use tautline_core::features::index;
use tautline_core::policy::{MAX_HIDDEN_LAYERS, Policy, Scratch, Skip};

use crate::models::{Dice, header};

const ONE: i64 = 1 << 16;
/// G is 2^−2.
pub(crate) const GAIN_SHIFT: u32 = 2;
const SHIFT: u8 = 8;

/// A policy on a path, and what the prover says of its cells.
pub(crate) struct Loop {
    pub(crate) policy: Policy<Vec<i16>>,
    pub(crate) network: Network,
    pub(crate) jitter: i64,
    pub(crate) log_bdp: i32,
    pub(crate) buffer: Option<i64>,
    pub(crate) grid: Grid,
    pub(crate) ranks: Vec<u8>,
    pub(crate) last: u8,
}

impl Loop {
    /// A random loop whose start set never leaves the grid; none where the dice give no such one.
    pub(crate) fn random(dice: &mut Dice) -> Option<Self> {
        let policy = falling_policy(dice);
        let network = Network::new(&policy);
        let jitter = [1024, 2048, 3072, 4096, 6144][dice.between(0, 4) as usize];
        let log_bdp = dice.between(7 * 256, 12 * 256) as i32;
        let buffer = match dice.between(0, 2) {
            0 => Some(dice.between(ONE / 4, 2 * ONE)),
            _ => None,
        };
        let width = [16, 32][dice.between(0, 1) as usize];
        // Close enough together for the average to leave any of them in a round.
        let memory = [0, 10, 20, 30, 40, 52, 66, 82, 100, 125, 155, 200];
        let memory = memory.map(|percent| MEMORY_MAX * percent / 200).to_vec();
        let grid = Grid {
            low: -384,
            width,
            windows: 896 / width,
            reach: 64 / width,
            falls: dice.between(1, 2) as u16,
            memory,
        };
        let mut found = Self {
            policy,
            network,
            jitter,
            log_bdp,
            buffer,
            grid,
            ranks: vec![],
            last: 0,
        };
        let start = (dice.between(-60, 60) as i32, dice.between(100, 300) as i32);
        found.rank(start)?;
        (found.last > 1).then_some(found)
    }

    fn rank(&mut self, start: (i32, i32)) -> Option<()> {
        let rate = ModelRate::new(&self.policy).unwrap();
        let buffer = Buffer {
            least: self.buffer.map_or(1 << 24, |units| units as u32),
            most: self.buffer.map(|units| units as u32),
        };
        let step = Step {
            rate: &rate,
            paths: Paths::new(self.jitter as u32, (self.log_bdp, self.log_bdp), buffer),
            grid: &self.grid,
        };
        let watch = SliceWatch {
            imaged: &|_| {},
            stop: &|| false,
        };
        let ranked = rank(&step, start, 60, watch).unwrap();
        if !ranked.leaving.is_empty() {
            return None;
        }
        self.ranks = ranked.ranks;
        self.last = ranked.last;
        Some(())
    }

    pub(crate) fn plant(&self) -> Plant<'_> {
        let datagram = (ONE as f64 / (f64::from(self.log_bdp) / 256.0).exp2()).floor();
        Plant {
            network: &self.network,
            gain_shift: GAIN_SHIFT,
            jitter: self.jitter,
            datagram: datagram as i64,
            log_bdp: i64::from(self.log_bdp) << 8,
            buffer: self.buffer,
        }
    }

    /// The states of a cell.
    pub(crate) fn part(&self, cell: Cell) -> Part {
        let side = |window: i32| {
            let (low, high) = self.grid.edges(window);
            Interval {
                low: i64::from(low) << 8,
                high: (i64::from(high) << 8) - 1,
            }
        };
        let before = side(cell.window + cell.before);
        let p = cell.window + cell.before;
        let mut earlier = side(p - cell.turn.max(0));
        if cell.turn < 0 {
            let deepest = -cell.turn * self.grid.fall_width();
            earlier.low = side(p + deepest - self.grid.fall_width() + 1).low;
            earlier.high = side(p + deepest).high;
        }
        let memory = self.grid.memory_range(cell.memory).unwrap();
        Part {
            window: side(cell.window),
            before,
            earlier,
            memory: Interval {
                low: memory.0.into(),
                high: memory.1.into(),
            },
        }
    }

    /// The cell of a state, which may lie outside the grid.
    pub(crate) fn cell(&self, state: &State) -> Cell {
        let place = |value: i64| {
            let units = i64::from(self.grid.low) << 8;
            (value - units).div_euclid(i64::from(self.grid.width) << 8) as i32
        };
        let (window, before) = (place(state.window), place(state.before));
        Cell {
            window,
            before: before - window,
            turn: self.grid.turn_of(place(state.earlier) - before),
            memory: self.grid.memory_of(state.memory as i32),
        }
    }

    pub(crate) fn rank_of(&self, cell: Cell) -> u8 {
        self.grid
            .number(cell)
            .map_or(0, |number| self.ranks[number])
    }

    /// The rank that every state has after `rounds` from a cell of rank `from`.
    pub(crate) fn promise(&self, from: u8, rounds: usize) -> u8 {
        from.saturating_add(rounds as u8).min(self.last)
    }

    /// A random state of a ranked cell; small ranks are preferred.
    pub(crate) fn ranked_state(&self, dice: &mut Dice) -> State {
        let mut found: Vec<(u8, State)> = vec![];
        while found.len() < 3 {
            let number = dice.between(0, self.ranks.len() as i64 - 1) as usize;
            if self.ranks[number] == 0 {
                continue;
            }
            let part = self.part(self.grid.cell(number).unwrap());
            let mut within = |side: Interval| dice.between(side.low, side.high);
            let state = State {
                window: within(part.window),
                before: within(part.before),
                earlier: within(part.earlier),
                memory: within(part.memory),
            };
            let gain = ONE >> GAIN_SHIFT;
            let steps = [state.window - state.before, state.before - state.earlier];
            if steps.iter().all(|step| step.abs() <= gain) {
                found.push((self.ranks[number], state));
            }
        }
        found.into_iter().min_by_key(|&(rank, _)| rank).unwrap().1
    }

    /// Rounds of an adversary that prefers the ends of what it may show.
    pub(crate) fn shows(rounds: usize, dice: &mut Dice) -> Vec<Seen> {
        let mut end = || match dice.between(0, 2) {
            0 => 0,
            1 => 2 * ONE,
            _ => dice.between(0, ONE),
        };
        let seen = (0..rounds).map(|_| Seen {
            queueing: end(),
            standing: end(),
            loss: end(),
            held: end() > ONE,
        });
        seen.collect()
    }

    /// Every state that `rounds` from `start` might lead to as far as G is concerned, and whose
    /// cell's rank is below the promise: as few boxes as is easy.
    pub(crate) fn broken(&self, start: Cell, rounds: usize, promise: u8) -> Vec<Part> {
        let reach = i32::from(self.grid.reach);
        let far = |rounds: usize| rounds as i32 * reach;
        let (a, windows) = (start.window, i32::from(self.grid.windows));
        let mut parts = vec![];
        let outside = [(i32::MIN / 2, -1), (windows, i32::MAX / 2)];
        for p in a - far(rounds - 1)..=a + far(rounds - 1) {
            for turn in -i32::from(self.grid.falls)..=reach {
                let mut open: Vec<(i32, i32, usize, usize)> = vec![];
                for window in (p - reach).max(0)..=(p + reach).min(windows - 1) {
                    let runs = self.low_runs(window, p, turn, promise);
                    let mut next = vec![];
                    for (first, last) in runs {
                        let known = open
                            .iter()
                            .position(|it| (it.1, it.2, it.3) == (window - 1, first, last));
                        let from = known.map_or(window, |place| open.remove(place).0);
                        next.push((from, window, first, last));
                    }
                    for closed in open.drain(..) {
                        parts.push(self.block(closed, p, turn));
                    }
                    open = next;
                }
                parts.extend(open.drain(..).map(|it| self.block(it, p, turn)));
            }
        }
        let memories = (0, self.grid.memories() - 1);
        for (first, last) in outside {
            let edge = if first < 0 { last } else { first };
            let mut part = self.block((edge, edge, memories.0, memories.1), edge, 0);
            let whole = Interval {
                low: -(1 << 24),
                high: 1 << 24,
            };
            (part.before, part.earlier) = (whole, whole);
            if first < 0 {
                part.window.low = whole.low;
            } else {
                part.window.high = whole.high;
            }
            parts.push(part);
        }
        parts
    }

    /// Runs of averages whose cells have too low a rank.
    fn low_runs(&self, window: i32, p: i32, turn: i32, promise: u8) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = vec![];
        for memory in 0..self.grid.memories() {
            let cell = Cell {
                window,
                before: p - window,
                turn,
                memory,
            };
            if self.rank_of(cell) >= promise {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.1 + 1 == memory => run.1 = memory,
                _ => runs.push((memory, memory)),
            }
        }
        runs
    }

    fn block(&self, run: (i32, i32, usize, usize), p: i32, turn: i32) -> Part {
        let corner = |window: i32, memory: usize| {
            self.part(Cell {
                window,
                before: p - window,
                turn,
                memory,
            })
        };
        let (mut part, last) = (corner(run.0, run.2), corner(run.1, run.3));
        part.window.high = last.window.high;
        part.memory.high = last.memory.high;
        part
    }
}

/// 8-8-1 hidden units; the rate falls with everything but the last step, and is zero at some
/// queue between 0.2 and 0.6 base RTTs.
fn falling_policy(dice: &mut Dice) -> Policy<Vec<i16>> {
    let mut header = header(1, &[8, 8], 1, Skip::None);
    for layer in 0..MAX_HIDDEN_LAYERS.min(2) {
        header.hidden[layer].shift = SHIFT;
    }
    header.output_shift = SHIFT;
    let mut parameters = vec![0i16; header.parameter_count()];
    let layers: Vec<_> = header.layers().collect();
    let place = |layer: usize, neuron: usize, input: usize| {
        layers[layer].offset + neuron * layers[layer].row_len() + input
    };
    for neuron in 0..8 {
        for (feature, low, high) in [
            (index::QUEUEING, 0, 100),
            (index::STANDING_QUEUE, 0, 100),
            (index::QUEUEING_EWMA, 0, 40),
            (index::LOSS, 0, 200),
            (index::LOG_WINDOW, 0, 40),
            (index::LAST_STEP, -40, 0),
        ] {
            parameters[place(0, neuron, feature)] = dice.between(low, high) as i16;
        }
        parameters[place(0, neuron, 12)] = dice.between(-120, 60) as i16;
        for below in 0..8 {
            parameters[place(1, neuron, below)] = dice.between(0, 80) as i16;
        }
        parameters[place(1, neuron, 8)] = dice.between(-100, 20) as i16;
        parameters[place(2, 0, neuron)] = -dice.between(1, 40) as i16;
    }
    aim(
        &Policy::new(header, parameters).unwrap(),
        place(2, 0, 8),
        dice,
    )
}

/// Scales the output so that the rate falls by about one per base RTT of queue, and moves it to
/// zero at the target.
fn aim(policy: &Policy<Vec<i16>>, bias: usize, dice: &mut Dice) -> Policy<Vec<i16>> {
    let target = dice.between(ONE / 5, ONE * 3 / 5) as i32;
    let slope = dice.between(ONE * 3 / 5, ONE * 8 / 5);
    let rate = |policy: &Policy<Vec<i16>>, queue: i32| {
        let mut features = [0; 12];
        features[..3].fill(queue);
        features[index::LOG_WINDOW] = 10 << 12;
        i64::from(policy.forward(&features, &mut Scratch::new())[0])
    };
    let mut parameters = policy.parameters().to_vec();
    let with = |parameters: &[i16]| Policy::new(*policy.header(), parameters.to_vec()).unwrap();
    // Away from the clamp, first.
    for weight in &mut parameters[bias - 8..bias] {
        *weight = (*weight / 8).min(-1);
    }
    let drop = rate(&with(&parameters), target / 2) - rate(&with(&parameters), target * 2);
    let drop = (drop * ONE / i64::from(target * 3 / 2)).max(1);
    for weight in &mut parameters[bias - 8..bias] {
        *weight = (i64::from(*weight) * slope / drop).clamp(-2000, -1) as i16;
    }
    for _ in 0..3 {
        let here = rate(&with(&parameters), target);
        let moved = i64::from(parameters[bias]) - ((here << SHIFT) >> 16);
        parameters[bias] = moved.clamp(-32_000, 32_000) as i16;
    }
    with(&parameters)
}
