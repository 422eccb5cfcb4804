//! Linear bounds are never looser than intervals, and much tighter where it matters.

use tautline_abstract_interp::domain::propagate;
use tautline_abstract_interp::interval::Intervals;
use tautline_abstract_interp::linear_bounds::LinearBounds;
use tautline_abstract_interp::network::Network;
use tautline_core::policy::Skip;

use crate::models::{Dice, header, random_box, random_policy};

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
