//! Whether a checkpoint is one that a run of these parameters can have left.
//!
//! A checkpoint's digest only shows that its bytes are those which were written, so every number that
//! training computes with is held to what a run can reach.

use tautline_core::policy::Digest;

use crate::checkpoint::{Checkpoint, Phase};
use crate::error::TrainError;
use crate::params::ValidParams;

/// Accepts `state` for resumption under `params` and the claims with digest `claims`.
///
/// # Errors
/// The [`TrainError`] that names the first thing which does not fit.
pub(crate) fn check(
    state: &Checkpoint,
    params: &ValidParams,
    claims: Digest,
) -> Result<(), TrainError> {
    if state.params != params.digest() {
        return Err(TrainError::CheckpointParams {
            expected: params.digest(),
            got: state.params,
        });
    }
    if state.claims != claims {
        return Err(TrainError::CheckpointClaims {
            expected: claims,
            got: state.claims,
        });
    }
    check_steps(state, params)?;
    check_lengths(state, params.layout().len())?;
    check_values(state, params.layout().bounds())
}

fn check_steps(state: &Checkpoint, params: &ValidParams) -> Result<(), TrainError> {
    let params = params.params();
    let (total, each) = match state.phase {
        Phase::Clone => (params.clone.steps, 1),
        Phase::Evolve => (params.evolve.generations, 1),
        Phase::Repair => (params.repair.rounds, params.repair.steps),
    };
    if state.step > total {
        return Err(TrainError::CheckpointStep {
            phase: state.phase,
            total,
            got: state.step,
        });
    }
    let expected = state.step.saturating_mul(each);
    if state.adam.steps != expected {
        return Err(TrainError::CheckpointOptimiser {
            expected,
            got: state.adam.steps,
        });
    }
    Ok(())
}

fn check_lengths(state: &Checkpoint, expected: usize) -> Result<(), TrainError> {
    let best = state.best.as_ref().map(|(_, weights)| weights.len());
    let teacher = if state.phase == Phase::Repair {
        expected
    } else {
        0
    };
    let lengths = [
        (expected, state.weights.len()),
        (expected, state.adam.mean.len()),
        (expected, state.adam.square.len()),
        (expected, best.unwrap_or(expected)),
        (teacher, state.teacher.len()),
    ];
    match lengths.into_iter().find(|(expected, got)| got != expected) {
        Some((expected, got)) => Err(TrainError::CheckpointLen { expected, got }),
        None => Ok(()),
    }
}

fn check_values(state: &Checkpoint, bounds: &[(f64, f64)]) -> Result<(), TrainError> {
    let best = state.best.as_ref();
    let best_weights = best.map_or(&[][..], |(_, weights)| weights);
    let score = best.map_or(0.0, |(score, _)| *score);
    within("weights", &state.weights, bounds.iter().copied())?;
    within("teacher", &state.teacher, bounds.iter().copied())?;
    within("best", best_weights, bounds.iter().copied())?;
    let anything = || core::iter::repeat((f64::MIN, f64::MAX));
    within("best score", &[score], anything())?;
    within("mean", &state.adam.mean, anything())?;
    let squares = core::iter::repeat((0.0, f64::MAX));
    within("square", &state.adam.square, squares)?;
    within("history", &state.history, anything())
}

/// Not a number is in no range, and the infinities are beyond every one.
fn within(
    field: &'static str,
    values: &[f64],
    ranges: impl Iterator<Item = (f64, f64)>,
) -> Result<(), TrainError> {
    for (place, (&got, (low, high))) in values.iter().zip(ranges).enumerate() {
        if !(low..=high).contains(&got) {
            return Err(TrainError::CheckpointValue {
                field,
                place,
                low,
                high,
                got,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::Adam;
    use crate::params::Params;

    fn params() -> ValidParams {
        Params::quick().check().unwrap()
    }

    fn state(phase: Phase) -> Checkpoint {
        let params = params();
        let weights = params.layout().initial(1);
        let each = match phase {
            Phase::Clone | Phase::Evolve => 1,
            Phase::Repair => params.params().repair.steps,
        };
        let mut adam = Adam::new(weights.len());
        adam.steps = 2 * each;
        Checkpoint {
            params: params.digest(),
            claims: Digest::of(b"claims"),
            phase,
            step: 2,
            teacher: match phase {
                Phase::Clone | Phase::Evolve => Vec::new(),
                Phase::Repair => weights.clone(),
            },
            best: (phase == Phase::Evolve).then(|| (-0.5, weights.clone())),
            weights,
            adam,
            history: vec![0.01],
        }
    }

    /// What a resealed file says after `change`.
    fn verdict(phase: Phase, change: impl Fn(&mut Checkpoint)) -> String {
        let mut state = state(phase);
        change(&mut state);
        let resealed = Checkpoint::decode(&state.encode()).unwrap();
        match check(&resealed, &params(), Digest::of(b"claims")) {
            Ok(()) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_checkpoint_of_every_phase_is_accepted() {
        for phase in [Phase::Clone, Phase::Evolve, Phase::Repair] {
            assert_eq!(verdict(phase, |_| ()), "accepted", "{phase:?}");
        }
    }

    #[test]
    fn step_counts_that_no_run_reaches_are_refused() {
        assert_eq!(
            verdict(Phase::Evolve, |state| state.adam.steps = u64::MAX),
            "checkpoint counts 18446744073709551615 optimiser steps, 2 belong to its step"
        );
        assert_eq!(
            verdict(Phase::Repair, |state| state.adam.steps = 2),
            "checkpoint counts 2 optimiser steps, 600 belong to its step"
        );
        assert_eq!(
            verdict(Phase::Evolve, |state| state.step = u64::MAX),
            "checkpoint is at step 18446744073709551615 of phase evolve, which has 24"
        );
    }

    #[test]
    fn numbers_that_no_run_reaches_are_refused_by_vector_and_place() {
        let weight = verdict(Phase::Clone, |state| state.weights[3] = f64::NAN);
        assert!(
            weight.starts_with("checkpoint: weights[3] is NaN, expected "),
            "{weight}"
        );
        let teacher = verdict(Phase::Repair, |state| state.teacher[0] = 1e300);
        assert!(teacher.contains("teacher[0] is 1000"), "{teacher}");
        let best = verdict(Phase::Evolve, |state| {
            state.best = Some((f64::INFINITY, state.weights.clone()));
        });
        assert!(best.contains("best score[0] is inf"), "{best}");
        let mean = verdict(Phase::Clone, |state| {
            state.adam.mean[1] = f64::NEG_INFINITY;
        });
        assert!(mean.contains("mean[1] is -inf"), "{mean}");
        let square = verdict(Phase::Clone, |state| state.adam.square[1] = -1.0);
        assert!(
            square.contains("square[1] is -1, expected 0 to"),
            "{square}"
        );
        let history = verdict(Phase::Evolve, |state| state.history = vec![f64::NAN]);
        assert!(history.contains("history[0] is NaN"), "{history}");
    }

    #[test]
    fn vectors_of_another_network_are_refused() {
        let short = verdict(Phase::Evolve, |state| {
            state.weights.pop();
        });
        assert_eq!(
            short,
            "checkpoint holds a vector of 1516 weights, expected 1517"
        );
        let best = verdict(Phase::Evolve, |state| state.best = Some((0.0, vec![0.0])));
        assert_eq!(
            best,
            "checkpoint holds a vector of 1 weights, expected 1517"
        );
    }
}
