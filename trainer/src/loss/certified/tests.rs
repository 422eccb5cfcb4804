use tautline_core::policy::HeadKind;

use super::*;
use crate::obligation::domain;
use crate::rng::Purpose;

fn obligation(coefficient: f64) -> Obligation {
    Obligation {
        claim: 0,
        heads: vec![(0, coefficient)],
        features: vec![(9, -0.5)],
        bound: -0.3,
        region: domain(),
    }
}

fn layout() -> Layout {
    Layout::new(&[8, 6], &[HeadKind::Rate], 15).unwrap()
}

#[test]
fn both_bounds_of_a_box_hold_at_every_sampled_point_of_it_and_meet_at_a_point() {
    let layout = layout();
    let weights = layout.initial(2);
    let mut stream = Stream::new(2, Purpose::CertifiedBatch, 0);
    let (mut by_intervals, mut by_lines) = (0.0, 0.0);
    for place in 0..40 {
        let obligation = obligation(if place % 2 == 0 { 1.0 } else { -1.0 });
        let bounds = obligation.sub_box(&mut stream, place / 8);
        let boxes = Boxes::new(&[(&obligation, bounds)]);
        let upper = excess(&layout, &weights, &boxes)[0];
        let linear = crown::excess(&layout, &weights, &boxes)[0];
        by_intervals += upper;
        by_lines += linear;
        for _ in 0..200 {
            let point = bounds.map(|(low, high)| {
                let value = stream.between(low, high);
                (value, value)
            });
            let point = Boxes::new(&[(&obligation, point)]);
            let value = excess(&layout, &weights, &point)[0];
            assert!((value - crown::excess(&layout, &weights, &point)[0]).abs() < 1e-9);
            assert!(
                value <= upper + 1e-9,
                "{value} above the interval bound {upper}"
            );
            assert!(
                value <= linear + 1e-9,
                "{value} above the linear bound {linear}"
            );
        }
    }
    assert!(
        by_lines < by_intervals,
        "lines {by_lines}, intervals {by_intervals}"
    );
}

fn boxes_of<'a>(
    obligations: &'a [Obligation],
    stream: &mut Stream,
) -> Vec<(&'a Obligation, Box12)> {
    (0..24)
        .map(|place| {
            let obligation = &obligations[place % obligations.len()];
            (obligation, obligation.sub_box(stream, place as u32 / 5))
        })
        .collect()
}

#[test]
fn the_hinge_gradients_agree_with_finite_differences() {
    type Hinge = fn(&Layout, &[f64], &Boxes<'_>, (f64, f64), &mut [f64]) -> f64;
    let layout = layout();
    // On the grid, so that one step of the grid is a finite difference.
    let weights = rounded(&layout, &layout.initial(4));
    let obligations = [obligation(1.0), obligation(-1.0)];
    let step = 1.0 / 32_768.0;
    for (name, hinge) in [
        ("intervals", add_hinge_gradient as Hinge),
        ("lines", crown::add_hinge_gradient as Hinge),
    ] {
        let mut stream = Stream::new(4, Purpose::CertifiedBatch, 0);
        let boxes = Boxes::new(&boxes_of(&obligations, &mut stream));
        let hinge = |weights: &[f64], gradient: &mut [f64]| {
            hinge(&layout, weights, &boxes, (0.05, 1.0), gradient)
        };
        let mut gradient = vec![0.0; layout.len()];
        let mut unused = vec![0.0; layout.len()];
        assert!(hinge(&weights, &mut gradient) > 0.0);
        let (mut checked, mut off) = (0, 0);
        for place in 0..layout.len() {
            if weights[place].abs() < 2.0 * step {
                continue;
            }
            let mut moved = weights.clone();
            moved[place] += step;
            let above = hinge(&moved, &mut unused);
            moved[place] -= 2.0 * step;
            let below = hinge(&moved, &mut unused);
            let slope = (above - below) / (2.0 * step);
            checked += 1;
            off += usize::from((slope - gradient[place]).abs() > 0.02 * (1.0 + slope.abs()));
        }
        assert!(checked > layout.len() / 2);
        // A kink within the step spoils a difference, but hardly ever.
        assert!(off * 100 <= checked, "{name}: {off} of {checked} are off");
    }
}
