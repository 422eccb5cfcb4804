use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use tautline_trainer::{Checkpoint, Outcome, Params, Phase, train};

use crate::small;

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| small::trained(small::params()))
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn another_seed_gives_other_bytes() {
    let mut other = small::params();
    other.seed += 1;
    let other = small::trained(other);
    assert_ne!(small::trained(small::params()).parameters, other.parameters);
}

#[test]
fn a_run_interrupted_in_every_phase_ends_with_the_same_bytes() {
    let params = small::params().check().unwrap();
    let claims = small::claims();
    let mut checkpoint = None;
    let mut phases = BTreeSet::new();
    // Two stops while cloning, one after two generations, then one after each.
    let mut patience = [150, 150, 102].into_iter();
    let resumed = loop {
        let patience = patience.next().unwrap_or(1);
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= patience;
        match train(&params, &claims, checkpoint.take(), &mut (), &stop).unwrap() {
            Outcome::Trained(trained) => break *trained,
            Outcome::Interrupted(state) => {
                phases.insert(state.phase());
                checkpoint = Some(Checkpoint::decode(&state.encode()).unwrap());
            }
        }
    };
    assert_eq!(
        phases,
        BTreeSet::from([Phase::Clone, Phase::Evolve, Phase::Repair])
    );
    assert_eq!(resumed, small::trained(small::params()));
}

#[test]
fn a_run_for_closed_loops_interrupted_in_every_repair_round_ends_with_the_same_bytes() {
    let mut params = Params::steady();
    params.environment.max_packets = 1500.0;
    params.clone.steps = 300;
    params.clone.recordings = 2;
    params.evolve.validation_scenarios = 2;
    params.repair.rounds = 3;
    params.repair.steps = 40;
    params.repair.boxes = 300;
    params.closed_loop.log_bdp = vec![(10.0, 11.0)];
    params.closed_loop.width = 16;
    let valid = params.clone().check().unwrap();
    let mut checkpoint = None;
    let mut in_repair = 0;
    // One stop while cloning; cloning goes on to its end, then one stop after every round.
    let mut patience = [150, 151].into_iter();
    let resumed = loop {
        let patience = patience.next().unwrap_or(1);
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= patience;
        match train(&valid, &small::claims(), checkpoint.take(), &mut (), &stop).unwrap() {
            Outcome::Trained(trained) => break *trained,
            Outcome::Interrupted(state) => {
                in_repair += usize::from(state.phase() == Phase::Repair);
                checkpoint = Some(Checkpoint::decode(&state.encode()).unwrap());
            }
        }
    };
    assert!(in_repair >= 2, "{in_repair} stops in the repair");
    assert_eq!(
        resumed.report.leaving.map(|(_, ranked)| ranked > 0),
        Some(true)
    );
    assert_eq!(resumed, small::trained(params));
}
