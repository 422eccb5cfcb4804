use std::sync::atomic::{AtomicBool, Ordering};

use tautline_trainer::{Checkpoint, ClaimSet, Outcome, TrainError, train};

use crate::small;

fn checkpoint() -> Checkpoint {
    let params = small::params().check().unwrap();
    match train(&params, &small::claims(), None, &mut (), &|| true).unwrap() {
        Outcome::Interrupted(state) => *state,
        Outcome::Trained(_) => panic!("the stop callback was ignored"),
    }
}

#[test]
fn a_checkpoint_resumes_only_under_its_own_parameters_and_claims() {
    let mut params = small::params();
    params.evolve.sigma *= 2.0;
    let params = params.check().unwrap();
    let error = train(
        &params,
        &small::claims(),
        Some(checkpoint()),
        &mut (),
        &|| true,
    );
    assert!(
        matches!(error, Err(TrainError::CheckpointParams { .. })),
        "{error:?}"
    );
    let params = small::params().check().unwrap();
    let mut fewer = small::claims();
    fewer.claims.truncate(1);
    let error = train(&params, &fewer, Some(checkpoint()), &mut (), &|| true);
    assert!(
        matches!(error, Err(TrainError::CheckpointClaims { .. })),
        "{error:?}"
    );
}

#[test]
fn a_claim_about_an_untrained_head_is_refused_by_name() {
    let text = r#"
version = 1
feature_table = 1
[[claim]]
name = "small-buffer"
kind = "point"
says = "The buffer head stays below a half."
then = ["buffer <= 0.5"]
"#;
    let claims = ClaimSet::from_toml(text, "buffer.toml").unwrap();
    let params = small::params().check().unwrap();
    let asked = AtomicBool::new(false);
    let stop = || !asked.fetch_or(true, Ordering::Relaxed);
    let error = train(&params, &claims, None, &mut (), &stop).unwrap_err();
    assert!(error.to_string().contains("small-buffer"), "{error}");
    assert!(
        !asked.load(Ordering::Relaxed),
        "refused only after training began"
    );
}
