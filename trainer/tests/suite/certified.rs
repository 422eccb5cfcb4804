use tautline_core::features::{FeatureTable, index};
use tautline_core::policy::{Policy, Scratch, Skip};
use tautline_trainer::Trained;

use crate::small;

fn least_certified(trained: &Trained) -> f64 {
    let certified = trained.report.certified.iter();
    certified.fold(1.0, |least: f64, (_, proven)| least.min(*proven))
}

#[test]
fn training_for_the_task_alone_proves_less_than_training_for_the_claims_too() {
    let mut params = small::params();
    // Steps large enough that a few generations leave the clone's neighbourhood.
    params.evolve.learning_rate = 0.02;
    params.evolve.claim_weight = 0.0;
    let without = small::trained(params.clone());
    params.evolve.claim_weight = 10.0;
    params.repair.rounds = 10;
    params.repair.steps = 150;
    let with = small::trained(params);
    let (without, with) = (least_certified(&without), least_certified(&with));
    assert!(with - without > 0.05, "λ = 0: {without}, λ = 10: {with}");
}

#[test]
fn every_claim_of_the_standard_set_is_proven_after_repair() {
    let mut params = small::params();
    params.clone.steps = 1200;
    params.repair.rounds = 10;
    params.repair.steps = 150;
    params.repair.boxes = 2000;
    let trained = small::trained(params);
    let names = small::claims()
        .claims
        .into_iter()
        .map(|claim| (claim.name, 1.0));
    assert_eq!(trained.report.certified, names.collect::<Vec<_>>());
}

#[test]
fn the_trained_program_keeps_the_sign_pattern() {
    let trained = small::trained(small::params());
    let policy = Policy::new(trained.header, trained.parameters).unwrap();
    let layers = policy.header().layers().collect::<Vec<_>>();
    let output = layers.last().unwrap();
    assert_eq!(policy.header().skip, Skip::Linear);
    let row = output.rows(policy.parameters()).next().unwrap();
    let skip = &row[output.inputs - 12..output.inputs];
    // 16 · 0.006 per unit of the log-window feature, in units of the grid.
    assert!(f64::from(skip[index::LOG_WINDOW]) <= -0.096 * 4096.0);
    let signs = policy.header().head_list()[0].signs;
    let first = &layers[0];
    for (unit, row) in first.rows(policy.parameters()).enumerate() {
        let sigma = if unit % 2 == 0 { 1 } else { -1 };
        for feature in (0..12).filter(|&f| signs[f] == -1) {
            assert!(
                i32::from(row[feature]) * sigma >= 0,
                "unit {unit}, feature {feature}"
            );
        }
        assert!(
            i32::from(row_of_output(&policy, unit)) * sigma <= 0,
            "unit {unit}"
        );
    }
    // And what the pattern is for: raising any monotone feature never raises the rate.
    let table = FeatureTable::by_version(1).unwrap();
    let mut scratch = Scratch::new();
    let middle = table
        .features
        .iter()
        .map(|f| i32::midpoint(f.low.units(), f.high.units()));
    let middle = middle.collect::<Vec<_>>();
    for feature in (0..12).filter(|&f| signs[f] == -1) {
        let range = table.features[feature];
        let mut before = i32::MAX;
        for step in 0..=64 {
            let mut features = middle.clone();
            let width = range.high.units() - range.low.units();
            features[feature] = range.low.units() + (i64::from(width) * step / 64) as i32;
            let rate = policy.forward(&features, &mut scratch)[0];
            assert!(rate <= before, "feature {feature}, step {step}");
            before = rate;
        }
    }
}

/// Weight from the last hidden layer's `unit` to the rate.
fn row_of_output(policy: &Policy<Vec<i16>>, unit: usize) -> i16 {
    let output = policy.header().layers().last().unwrap();
    output.rows(policy.parameters()).next().unwrap()[unit]
}
