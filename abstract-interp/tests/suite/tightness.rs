//! Linear bounds are never looser than intervals, and much tighter where it matters.

use tautline_abstract_interp::bab::{self, Branching, Budget, End, Flow, Goal};
use tautline_abstract_interp::domain::propagate;
use tautline_abstract_interp::interval::Intervals;
use tautline_abstract_interp::linear_bounds::LinearBounds;
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::problem::Problem;
use tautline_abstract_interp::zonotope::Zonotope;
use tautline_core::policy::Skip;

use crate::models::{Dice, attacked_maximum, header, random_box, random_policy, rate_claim};

#[test]
fn linear_bounds_lie_within_intervals_on_every_net() {
    let mut dice = Dice(11);
    for shape in [&[6u16][..], &[8, 8], &[16, 16, 8]] {
        for scale in [0.01, 0.1, 0.5, 1.0] {
            let network =
                Network::new(&random_policy(header(0, shape, 2, Skip::Linear), &mut dice));
            let region = random_box(0, scale, &mut dice);
            let mut intervals = Intervals::default();
            let mut linear = LinearBounds::default();
            let wide = propagate(&network, &region, &mut intervals);
            let narrow = propagate(&network, &region, &mut linear);
            for (narrow, wide) in narrow.iter().zip(wide) {
                assert!(wide.low <= narrow.low && narrow.high <= wide.high);
                assert!(narrow.low <= narrow.high);
            }
        }
    }
}

#[test]
fn linear_bounds_halve_the_width_of_intervals_on_small_boxes() {
    let mut dice = Dice(12);
    let (mut wide_sum, mut narrow_sum) = (0, 0);
    for _ in 0..20 {
        let network = Network::new(&random_policy(
            header(0, &[32, 32], 1, Skip::None),
            &mut dice,
        ));
        let region = random_box(0, 0.05, &mut dice);
        let (mut intervals, mut linear) = (Intervals::default(), LinearBounds::default());
        wide_sum += propagate(&network, &region, &mut intervals)[0].width();
        narrow_sum += propagate(&network, &region, &mut linear)[0].width();
    }
    assert!(narrow_sum * 2 < wide_sum, "{narrow_sum} against {wide_sum}");
}

#[test]
fn zonotopes_lie_within_intervals_and_are_much_narrower_on_small_boxes() {
    let mut dice = Dice(13);
    let (mut wide_sum, mut narrow_sum) = (0, 0);
    for shape in [&[6u16][..], &[8, 8], &[32, 32], &[16, 16, 8], &[8, 8, 8, 8]] {
        for scale in [0.01, 0.05, 0.5, 1.0] {
            let header = header(0, shape, 2, Skip::Linear);
            let network = Network::new(&random_policy(header, &mut dice));
            let region = random_box(0, scale, &mut dice);
            let (mut intervals, mut zonotope) = (Intervals::default(), Zonotope::default());
            let wide = propagate(&network, &region, &mut intervals);
            let narrow = propagate(&network, &region, &mut zonotope);
            for (narrow, wide) in narrow.iter().zip(wide) {
                assert!(wide.low <= narrow.low && narrow.high <= wide.high);
                assert!(narrow.low <= narrow.high);
                if scale < 0.1 {
                    wide_sum += wide.width();
                    narrow_sum += narrow.width();
                }
            }
        }
    }
    assert!(narrow_sum * 2 < wide_sum, "{narrow_sum} against {wide_sum}");
}

/// What the search makes of one box, with slopes by ascent, against one bound with plain slopes.
#[test]
fn ascended_slopes_are_never_looser_than_plain_ones_and_often_tighter() {
    let (mut tighter, mut all) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let shape = [
            &[8u16, 8][..],
            &[16, 16],
            &[32, 32],
            &[8, 8, 8],
            &[6, 6, 6, 6],
        ][seed as usize % 5];
        let policy = random_policy(header(0, shape, 1, Skip::Linear), &mut dice);
        let sides = random_box(0, 0.2, &mut dice);
        let mut claim = rate_claim(&sides, 1, 0);
        let largest = attacked_maximum(&policy, &claim);
        claim.constraints[0].bound = largest + 20;
        let network = Network::new(&policy);
        let problem = Problem::of_claim(&network, &claim).unwrap().remove(0);
        let mut linear = LinearBounds::default();
        linear.run(&network, &sides);
        let plain = linear.excess(&network, &problem.objective, &problem.facts, &mut vec![]);
        let budget = Budget {
            boxes: 1,
            after_violation: 0,
        };
        let goal = Goal::Decide(Branching::Both);
        let found = bab::search(&problem, budget, goal, &|_| Flow::Continue);
        if plain <= 0.0 || matches!(found.end, End::Violated(_)) {
            continue;
        }
        all += 1;
        let ascended = found.regions.first().map_or(0.0, |region| region.excess);
        assert!(ascended <= plain, "seed {seed}: {ascended} above {plain}");
        tighter += u32::from(ascended < 0.95 * plain);
    }
    assert!(all >= 40 && tighter * 3 > all, "{tighter} of {all}");
}
