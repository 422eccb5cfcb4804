//! Runs of a second or less.

use tautline_trainer::{ClaimSet, Outcome, Params, Trained, train};

pub(crate) fn claims() -> ClaimSet {
    let text = include_str!("../../../claims/standard.toml");
    ClaimSet::from_toml(text, "claims/standard.toml").unwrap()
}

/// Every phase, each as short as it can be.
pub(crate) fn params() -> Params {
    let mut params = Params::quick();
    params.environment.max_packets = 1500.0;
    params.environment.max_seconds = 4.0;
    params.clone.steps = 400;
    params.clone.batch = 128;
    params.clone.recordings = 4;
    params.evolve.generations = 4;
    params.evolve.pairs = 2;
    params.evolve.scenarios = 3;
    params.evolve.validate_every = 2;
    params.evolve.validation_scenarios = 4;
    params.repair.rounds = 3;
    params.repair.steps = 60;
    params.repair.boxes = 300;
    params
}

pub(crate) fn trained(params: Params) -> Trained {
    let params = params.check().unwrap();
    match train(&params, &claims(), None, &mut (), &|| false).unwrap() {
        Outcome::Trained(trained) => *trained,
        Outcome::Interrupted(_) => panic!("nobody asked to stop"),
    }
}
