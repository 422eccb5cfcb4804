//! Ranks against their definition.

use tautline_certificate_format::closed_loop::Cell;
use tautline_core::policy::Policy;

use super::{JITTER, NONE, claim, grid, linear_law};
use crate::closed_loop::image::{RowAt, Step};
use crate::closed_loop::path::{Drops, Paths};
use crate::closed_loop::ranks::{Ranked, SliceWatch, rank};
use crate::closed_loop::{ModelRate, Rate};

/// The cells that a cell leads to, one by one; none where it leaves the grid.
fn successors<R: Rate>(step: &Step<'_, R>, number: usize) -> Option<Vec<usize>> {
    let cell = step.grid.cell(number)?;
    let at = RowAt {
        window: cell.window,
        before: cell.before,
        turn: cell.turn,
    };
    let mut images = vec![NONE; step.grid.memories()];
    step.row(at, &mut images);
    let image = images[cell.memory];
    let mut found = vec![];
    for window in cell.window + i32::from(image.first)..=cell.window + i32::from(image.last) {
        for memory in image.memory_first..=image.memory_last {
            found.push(step.grid.number(Cell {
                window,
                before: cell.window - window,
                turn: step.grid.turn_of(cell.before),
                memory: usize::from(memory),
            })?);
        }
    }
    Some(found)
}

fn ranked_grid(policy: &Policy<Vec<i16>>, check: impl Fn(&Step<'_, ModelRate>, &Ranked)) {
    let rate = ModelRate::new(policy).unwrap();
    let grid = grid(8, -256, 384, 10);
    let claim = claim(0.5, 2.0);
    let step = Step {
        rate: &rate,
        paths: Paths::new(
            JITTER,
            claim.family.log_bdp,
            claim.family.buffer,
            Drops::Assumed,
        ),
        grid: &grid,
    };
    let watch = SliceWatch {
        imaged: &|_| {},
        stop: &|| false,
    };
    check(&step, &rank(&step, claim.start, 127, watch).unwrap());
}

#[test]
fn ranks_are_the_nested_sets_by_their_definition() {
    ranked_grid(&linear_law(), |step, ranked| {
        assert!(ranked.leaving.is_empty());
        let cells = step.grid.cells().unwrap();
        let images: Vec<_> = (0..cells)
            .map(|cell| (ranked.ranks[cell] > 0).then(|| successors(step, cell).unwrap()))
            .collect();
        // R₁ is the smallest closed set that has the start.
        let mut set: Vec<bool> = (0..cells)
            .map(|cell| {
                let edges = step.grid.edges(step.grid.cell(cell).unwrap().window);
                edges.1 > -128 && edges.0 < 256
            })
            .collect();
        let mut waiting: Vec<usize> = (0..cells).filter(|&cell| set[cell]).collect();
        while let Some(cell) = waiting.pop() {
            for &next in images[cell].as_ref().unwrap() {
                if !set[next] {
                    set[next] = true;
                    waiting.push(next);
                }
            }
        }
        let mut expected = vec![0u8; cells];
        for number in 1..=ranked.last {
            let mut post = vec![false; cells];
            for cell in (0..cells).filter(|&cell| set[cell]) {
                expected[cell] = number;
                images[cell]
                    .as_ref()
                    .unwrap()
                    .iter()
                    .for_each(|&next| post[next] = true);
            }
            set = post;
        }
        assert_eq!(ranked.ranks, expected);
        assert!(ranked.last > 5, "{} sets", ranked.last);
        let settled = expected
            .iter()
            .map(|&rank| usize::from(rank == ranked.last))
            .sum::<usize>();
        assert!(settled > 0 && settled < cells / 2, "{settled} of {cells}");
    });
}
