use tautline_core::policy::Digest;

use super::*;
use crate::loss::certified::{Boxes, crown};
use crate::network::rounded;
use crate::params::{Params, ValidParams};
use crate::rollout;
use crate::{ClaimSet, Outcome, train};

/// One slice, coarse cells.
fn one_slice() -> ClosedLoopParams {
    ClosedLoopParams {
        hinge_weight: 4.0,
        log_bdp: vec![(10.0, 11.0)],
        width: 12,
        cells: 1024,
        ..ClosedLoopParams::default()
    }
}

fn gain() -> Q16 {
    Q16::from_units(9216)
}

#[test]
fn the_law_keeps_its_own_ranks_and_another_law_does_not() {
    let target = Target::new(&one_slice(), &Law::steady(), gain()).unwrap();
    assert!(
        target.slices[0].last > 10,
        "{} ranks only",
        target.slices[0].last
    );
    let own = target.leaving_of(&target.law);
    assert!(own.ranked > 10_000);
    assert_eq!(own.cells, 0);
    // Half of the margin is within it, ten times the margin is not.
    let raised = |by: f64| {
        let law = Law {
            target_floor: Law::steady().target_floor + by / Law::steady().pull,
            ..Law::steady()
        };
        target.leaving_of(&LawRate::new(law, gain(), 0.0)).cells
    };
    assert_eq!(raised(0.5 * one_slice().margin), 0);
    assert!(raised(10.0 * one_slice().margin) > 100);
}

// Both go into the bytes of models/steady: where one of them changes, so does what
// `tautline train --preset steady --seed 1` gives, and the shipped model has to be trained anew.
#[test]
fn the_shipped_preset_aims_at_the_ranks_and_regions_that_models_steady_was_trained_for() {
    let params = Params::steady();
    let target = Target::new(&params.closed_loop, &params.law, gain()).unwrap();
    let mut ranks = vec![];
    for slice in &target.slices {
        ranks.push(slice.last);
        ranks.extend(&slice.ranks);
    }
    let law = Law {
        target_floor: params.law.target_floor + 0.2 / params.law.pull,
        ..params.law
    };
    let leaving = target.leaving_of(&LawRate::new(law, gain(), 0.0));
    assert!(leaving.obligations.len() > 1000);
    let mut bytes = vec![];
    for obligation in &leaving.obligations {
        bytes.extend(obligation.bound.to_le_bytes());
        for (low, high) in obligation.region {
            bytes.extend(low.to_le_bytes());
            bytes.extend(high.to_le_bytes());
        }
    }
    let found = [ranks, bytes].map(|bytes| Digest::of(&bytes).to_string());
    assert_eq!(
        found,
        [
            "949b9c6d3ec0ab82ee51b95ecd14cac76b46bf90f68c0fc5d88e42588c392e59",
            "e9cf4cbd9fcacacff85dfc6ee9548f7869e0ee28569abcfbb06177f661c1f78e",
        ]
    );
}

/// Every phase as short as it can be, no evolution.
fn small(hinge_weight: f64) -> ValidParams {
    let mut params = Params::steady();
    params.environment.max_packets = 1500.0;
    params.clone.steps = 1500;
    params.clone.recordings = 2;
    params.evolve.validation_scenarios = 2;
    params.repair.rounds = 5;
    params.closed_loop = one_slice();
    params.closed_loop.hinge_weight = hinge_weight;
    params.check().unwrap()
}

#[test]
fn the_hinge_over_cells_has_the_gradient_of_finite_differences() {
    let params = small(4.0);
    let layout = params.layout();
    let target = Target::new(&params.params().closed_loop, &Law::steady(), gain()).unwrap();
    let weights = rounded(layout, &layout.initial(3));
    let policy = rollout::shared_policy(layout, &weights).unwrap();
    let found = target.leaving(layout, &policy).unwrap();
    assert!(found.obligations.len() > 100);
    let boxes = found.obligations.iter().step_by(16).map(|o| (o, o.region));
    let boxes = Boxes::new(&boxes.collect::<Vec<_>>());
    let hinge = |weights: &[f64], gradient: &mut [f64]| {
        crown::add_hinge_gradient(layout, weights, &boxes, (0.005, 1.0), gradient)
    };
    let mut gradient = vec![0.0; layout.len()];
    assert!(hinge(&weights, &mut gradient) > 0.0);
    let step = 1.0 / 4096.0;
    let (mut checked, mut off) = (0, 0);
    let mut unused = vec![0.0; layout.len()];
    for place in (0..layout.len()).filter(|&place| weights[place].abs() > 2.0 * step) {
        let mut at = |shift: f64| {
            let mut moved = weights.clone();
            moved[place] += shift;
            hinge(&moved, &mut unused)
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        checked += 1;
        off += usize::from((slope - gradient[place]).abs() > 0.02 * (1.0 + slope.abs()));
    }
    assert!(checked > layout.len() / 2);
    assert!(off * 50 <= checked, "{off} of {checked} are off");
}

#[test]
fn with_the_hinge_fewer_cells_leave_their_successors() {
    let claims = include_str!("../../../claims/standard.toml");
    let claims = ClaimSet::from_toml(claims, "claims/standard.toml").unwrap();
    let target = Target::new(&one_slice(), &Law::steady(), gain()).unwrap();
    let leaving = |hinge_weight: f64| {
        let params = small(hinge_weight);
        let outcome = train(&params, &claims, None, &mut (), &|| false).unwrap();
        let Outcome::Trained(trained) = outcome else {
            panic!("nobody asked to stop")
        };
        let layout = params.layout();
        let weights = crate::quantize::weights(layout, &trained.parameters);
        let policy = rollout::shared_policy(layout, &weights).unwrap();
        target.leaving(layout, &policy).unwrap().cells
    };
    let (without, with) = (leaving(0.0), leaving(4.0));
    assert!(2 * with < without, "{with} with, {without} without");
}
