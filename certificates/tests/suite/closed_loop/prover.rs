//! A hand-made policy, a coarse grid, and a search for ranks that asks the checker's own images.

use std::collections::BTreeSet;

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::{
    Buffer, Cells, Grid, Image, LoopBounds, LoopClaim, Losses, MEMORY_MAX, Path, PathFamily,
    Policy, Powers, Slice,
};
use tautline_certificates::format::{Certificate, Section};
use tautline_certificates::semantics::Program;
use tautline_core::features::index;
use tautline_core::fixed::Q16;
use tautline_core::policy::{ModelHeader, Skip};

use crate::support;

/// One eighth of an octave.
pub(crate) const GAIN: Q16 = Q16::from_units(1 << 13);
const OCTAVE: i32 = 1 << 8;

pub(crate) fn header() -> ModelHeader {
    ModelHeader {
        step_gain: GAIN,
        ..support::header(1, &[(2, 12)], 1, Skip::Linear)
    }
}

/// rate = 3·(0.4 − x) − 2·max(x − 1, 0) − 3·loss + last_step/8, x mostly the standing queue: linear
/// but for a neuron that acts on long queues.
pub(crate) fn parameters() -> Vec<i16> {
    let mut hidden = [[0i16; 13]; 2];
    hidden[0][index::QUEUEING] = 4096;
    hidden[0][12] = -4096;
    hidden[1][index::LOSS] = 4096;
    let mut output = [0i16; 15];
    (output[0], output[1]) = (-8192, -4096);
    output[2 + index::STANDING_QUEUE] = -9830;
    output[2 + index::QUEUEING_EWMA] = -2458;
    output[2 + index::LOSS] = -8192;
    output[2 + index::LAST_STEP] = 512;
    output[14] = 4915;
    hidden.into_iter().flatten().chain(output).collect()
}

pub(crate) fn model(parameters: &[i16]) -> Vec<u8> {
    support::file(&header(), parameters)
}

pub(crate) fn policy(model: &[u8]) -> Policy {
    Policy::new(model, &Program::decode(model).unwrap()).unwrap()
}

pub(crate) fn powers() -> Powers {
    Powers::prove(tautline_core::log2::table()).unwrap()
}

pub(crate) fn claim() -> LoopClaim {
    LoopClaim {
        name: "settles".to_owned(),
        says: "carries most and queues little".to_owned(),
        family: PathFamily {
            jitter: 655,
            log_bdp: (12 * OCTAVE, 13 * OCTAVE),
            buffer: Buffer {
                least: 2 << 16,
                most: None,
            },
        },
        losses: Losses::Any,
        start: (-OCTAVE / 4, OCTAVE * 3 / 4),
        then: LoopBounds {
            utilisation: 60_000,
            queue: 60_000,
            rounds: 60,
        },
    }
}

/// Both halves of the claim's family.
pub(crate) fn parts(claim: &LoopClaim) -> Vec<((i32, i32), Buffer)> {
    let (low, high) = claim.family.log_bdp;
    let middle = i32::midpoint(low, high);
    let buffer = claim.family.buffer;
    vec![((low, middle), buffer), ((middle, high), buffer)]
}

/// Cells of 1/32 octave.
pub(crate) fn grid(reach: u16) -> Grid {
    let fine = (0..20).map(|edge| edge * 6554);
    Grid {
        low: -OCTAVE,
        width: 8,
        windows: 76,
        reach,
        falls: 1,
        memory: fine.chain([MEMORY_MAX]).collect(),
    }
}

/// Ranks by iterated images from the start: R₁ is all that can be reached, and R of the next rank
/// the image of R.
pub(crate) fn prove(
    policy: &Policy,
    claim: &LoopClaim,
    (log_bdp, buffer): ((i32, i32), Buffer),
) -> Slice {
    let grid = grid(4);
    // No window grows beyond the start's.
    let drops = (claim.losses == Losses::Any).then_some(claim.start.1);
    let path = Path::new(&powers(), &claim.family, log_bdp, buffer, drops).unwrap();
    let cells = Cells::new(policy, path, &grid).unwrap();
    let count = grid.cells().unwrap();
    let mut slice = Slice {
        log_bdp,
        buffer,
        ranks: vec![0; count],
        grid: grid.clone(),
    };
    let numbers = |image: Image| {
        image
            .cells()
            .map(|cell| grid.number(cell).unwrap_or_else(|| panic!("{cell:?}")))
    };
    let mut images = vec![vec![]; count];
    let mut open: Vec<usize> = (0..count)
        .filter(|&number| {
            let (low, high) = grid.edges(grid.cell(number).unwrap().window);
            low < claim.start.1 && high > claim.start.0
        })
        .collect();
    let mut reached: BTreeSet<usize> = open.iter().copied().collect();
    loop {
        while let Some(number) = open.pop() {
            let cell = grid.cell(number).unwrap();
            let image = cells.image(&cells.judge(cell).unwrap(), cell.memory);
            images[number] = numbers(image.unwrap()).collect();
            open.extend(images[number].iter().filter(|&&to| reached.insert(to)));
        }
        let mut level = reached.clone();
        slice.ranks.fill(0);
        for rank in 1.. {
            let next: BTreeSet<usize> = level.iter().flat_map(|&at| images[at].clone()).collect();
            for &number in &level {
                slice.ranks[number] = rank;
            }
            if next.len() == level.len() || rank == 61 {
                break;
            }
            level = next;
        }
        for &number in &level {
            let cell = grid.cell(number).unwrap();
            let drained = cells.drained(&cells.judge(cell).unwrap(), cell.memory);
            open.extend(numbers(drained.unwrap()).filter(|&to| reached.insert(to)));
        }
        if open.is_empty() {
            return slice;
        }
    }
}

/// The bytes of a file with one claim and these slices.
pub(crate) fn file(model: &[u8], claim: &LoopClaim, slices: &[Slice]) -> Vec<u8> {
    let slices = slices.iter().map(|slice| slice.encode().unwrap()).collect();
    let certificate = Certificate {
        model: Program::decode(model).unwrap().digest(),
        claims: claims(claim),
        sections: vec![Section::RankGrid { claim: 0, slices }],
    };
    certificate.encode().unwrap()
}

pub(crate) fn claims(claim: &LoopClaim) -> ClaimSet {
    ClaimSet {
        feature_table: 1,
        claims: vec![],
        loops: vec![claim.clone()],
        ratios: vec![],
    }
}
