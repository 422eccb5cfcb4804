//! Small closed loops with the prover's ranks, and questions about them for other engines.

use std::collections::{BTreeMap, BTreeSet};

use tautline_abstract_interp::closed_loop::image::{Image, RowAt, Step};
use tautline_abstract_interp::closed_loop::path::{Drops, Paths};
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
        let step = Step {
            rate: &rate,
            paths: self.paths(),
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

    fn paths(&self) -> Paths {
        let buffer = Buffer {
            least: self.buffer.map_or(1 << 24, |units| units as u32),
            most: self.buffer.map(|units| units as u32),
        };
        let log_bdp = (self.log_bdp, self.log_bdp);
        Paths::new(self.jitter as u32, log_bdp, buffer, Drops::Assumed)
    }

    /// The numbers of the cells that the prover's images lead to, after 0 rounds, 1 and so on.
    pub(crate) fn reached(&self, start: Cell, rounds: usize) -> Vec<BTreeSet<usize>> {
        let rate = ModelRate::new(&self.policy).unwrap();
        let step = Step {
            rate: &rate,
            paths: self.paths(),
            grid: &self.grid,
        };
        let mut rows: BTreeMap<(i32, i32, i32), Vec<Image>> = BTreeMap::new();
        let mut all = vec![BTreeSet::from([self.grid.number(start).unwrap()])];
        for _ in 0..rounds {
            let mut next = BTreeSet::new();
            for &number in all.last().unwrap() {
                let cell = self.grid.cell(number).unwrap();
                let at = RowAt {
                    window: cell.window,
                    before: cell.before,
                    turn: cell.turn,
                };
                let row = rows.entry((at.window, at.before, at.turn));
                let images = row.or_insert_with(|| {
                    let nothing = Image {
                        first: 1,
                        last: 0,
                        memory_first: 0,
                        memory_last: 0,
                    };
                    let mut images = vec![nothing; self.grid.memories()];
                    step.row(at, &mut images);
                    images
                });
                let image = images[cell.memory];
                for moved in image.first..=image.last {
                    for memory in image.memory_first..=image.memory_last {
                        let cell = Cell {
                            window: cell.window + i32::from(moved),
                            before: -i32::from(moved),
                            turn: self.grid.turn_of(cell.before),
                            memory: memory.into(),
                        };
                        next.insert(self.grid.number(cell).unwrap());
                    }
                }
            }
            all.push(next);
        }
        all
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
