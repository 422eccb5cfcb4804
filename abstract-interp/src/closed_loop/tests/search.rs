//! Searches: what is proven, what fails and why, and the checker's word on both.

use core::sync::atomic::{AtomicUsize, Ordering};

use tautline_certificate_format::claim::ClaimSet;
use tautline_certificate_format::closed_loop::{LoopClaim, Losses, Slice};
use tautline_certificate_format::format::{Certificate, Section};
use tautline_certificates::closed_loop::{CheckedLoop, LoopChecker};
use tautline_certificates::{Rejection, Rule};
use tautline_core::fixed::Q16;
use tautline_core::policy::{Policy, decode, encode};

use super::{GAIN, JITTER, QUIET, claim, coarse, linear_law};
use crate::closed_loop::{
    ClosedLoopError, LoopProgress, LoopWatch, ModelRate, Trouble, Tuning, plan, prove_loop,
};

#[test]
fn a_law_that_settles_is_proven_and_its_slices_cover_the_family() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let claim = claim(0.9, 1.5);
    let result = prove_loop(&rate, &claim, &coarse(), &[], QUIET).unwrap();
    let troubles: Vec<_> = result
        .failures
        .iter()
        .map(|failure| &failure.troubles)
        .collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    let slices = result.slices().unwrap();
    assert_eq!(slices[0].log_bdp.0, claim.family.log_bdp.0);
    assert_eq!(slices.last().unwrap().log_bdp.1, claim.family.log_bdp.1);
    assert!(
        slices
            .windows(2)
            .all(|pair| pair[0].log_bdp.1 == pair[1].log_bdp.0)
    );
    for slice in &slices {
        assert_eq!(
            Slice::decode(&slice.encode().expect("a slice of the prover")).unwrap(),
            *slice
        );
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_interruptions() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let claim = claim(0.9, 1.5);
    let on = |threads: usize, finished: &[Slice]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let run = || prove_loop(&rate, &claim, &coarse(), finished, QUIET).unwrap();
        pool.unwrap().install(run)
    };
    let (one, three) = (on(1, &[]), on(3, &[]));
    assert_eq!(one, three);
    let slices = one.slices().unwrap();
    let resumed = on(2, &slices[..1]);
    assert_eq!(resumed.slices().unwrap(), slices);
    assert_eq!(resumed.proven[0].imaged, 0);
    assert_eq!(resumed.proven[0].settled, one.proven[0].settled);
}

#[test]
fn a_search_stops_when_it_is_told_to() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let asked = AtomicUsize::new(0);
    let watch = LoopWatch {
        progress: &|_| {},
        stop: &|| asked.fetch_add(1, Ordering::Relaxed) > 2,
    };
    let result = prove_loop(&rate, &claim(0.9, 1.5), &coarse(), &[], watch);
    assert_eq!(result, Err(ClosedLoopError::Stopped));
}

#[test]
fn a_claim_that_is_too_strong_names_what_it_misses_and_why() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let result = prove_loop(&rate, &claim(0.9, 0.2), &coarse(), &[], QUIET).unwrap();
    assert_eq!(result.slices(), None);
    let failure = &result.failures[0];
    let queue = |trouble: &Trouble| matches!(trouble, Trouble::Queue { got } if *got > 13_107);
    assert!(failure.troubles.iter().any(queue), "{:?}", failure.troubles);
    let explanation = &failure.explanation;
    assert!(explanation.blocking > 0 && explanation.examined > 0);
    let seen: u32 = explanation.averages.blocking.iter().sum();
    assert_eq!(seen as usize, explanation.blocking);
    let last = failure.settled.rounds + 1;
    assert!(explanation.befores.longest.contains(&last));
    assert!(
        explanation
            .averages
            .longest
            .iter()
            .all(|&rank| rank <= last)
    );
    let [most, rest @ ..] = explanation.features.as_slice() else {
        panic!("no feature matters");
    };
    assert!(most.share > 0.0 && most.share < 1.0, "{most:?}");
    assert!(rest.iter().all(|it| it.cells <= most.cells), "{rest:?}");
}

#[test]
fn a_buffer_too_shallow_for_lemma_x_is_named_and_a6_gets_over_it() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let bursts = |losses| {
        let mut shallow = claim(0.3, 1.5);
        shallow.family.buffer.least = 1 << 15;
        shallow.losses = losses;
        let result = prove_loop(&rate, &shallow, &coarse(), &[], QUIET).unwrap();
        let troubles = result.failures.iter().flat_map(|failure| &failure.troubles);
        let short = troubles.filter_map(|trouble| match trouble {
            Trouble::Bursts { short } => Some(*short),
            _ => None,
        });
        short.max()
    };
    // Three times it is less than the largest window of the start, two, and four times D.
    let least = (2 << 16) + 4 * i64::from(JITTER) - (3 << 15);
    assert!(bursts(Losses::Any).is_some_and(|short| short > least));
    assert_eq!(bursts(Losses::Assumed), None);
}

#[test]
fn cells_that_leave_are_found_and_given_more_room() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let mut tuning = coarse();
    tuning.margins = (0, 0);
    let cut = AtomicUsize::new(0);
    let watch = LoopWatch {
        progress: &|progress| {
            if let LoopProgress::Failed { troubles, .. } = progress {
                assert!(matches!(troubles[0], Trouble::Leaves { cells } if cells > 0));
                cut.fetch_add(1, Ordering::Relaxed);
            }
        },
        stop: &|| false,
    };
    let result = prove_loop(&rate, &claim(0.9, 1.5), &tuning, &[], watch).unwrap();
    assert!(cut.load(Ordering::Relaxed) > 0);
    assert!(
        !result.failures.is_empty(),
        "two refinements give two cells of room"
    );
}

#[test]
fn a_model_that_a_feature_moves_both_ways_is_refused_by_the_features_name() {
    let (header, parameters) = decode(include_bytes!("../../../../models/demo/model.tlm")).unwrap();
    let policy = Policy::new(header, parameters.iter().collect::<Vec<_>>()).unwrap();
    let refused = ModelRate::new(&policy).unwrap_err();
    assert_eq!(
        refused,
        ClosedLoopError::BothWays {
            feature: "acked_ratio"
        }
    );
}

#[test]
fn limits_are_enforced_by_name() {
    let gain = Q16::from_units(GAIN);
    let planned = |tuning: Tuning| plan(&claim(0.9, 1.5), gain, &tuning);
    let zero = planned(Tuning {
        falls: 0,
        ..coarse()
    });
    assert_eq!(zero, Err(ClosedLoopError::Tuning { name: "falls" }));
    let fine = planned(Tuning {
        width: 1,
        averages: (200, 56),
        margins: (2000, 2000),
        ..coarse()
    });
    assert!(
        matches!(fine, Err(ClosedLoopError::TooManyCells { width: 1, .. })),
        "{fine:?}"
    );
    let rate = ModelRate::new(&linear_law()).unwrap();
    let tuning = Tuning {
        memory: 1000,
        ..coarse()
    };
    let poor = prove_loop(&rate, &claim(0.9, 1.5), &tuning, &[], QUIET);
    assert!(matches!(
        poor,
        Err(ClosedLoopError::Memory { limit: 1000, .. })
    ));
}

/// A certificate of these slices.
fn certificate(policy: &Policy<Vec<i16>>, claim: &LoopClaim, slices: &[Slice]) -> Vec<u8> {
    let slices = slices.iter().map(|slice| slice.encode().unwrap()).collect();
    let certificate = Certificate {
        model: policy.digest(),
        claims: ClaimSet {
            feature_table: 1,
            claims: vec![],
            loops: vec![claim.clone()],
            ratios: vec![],
        },
        sections: vec![Section::RankGrid { claim: 0, slices }],
    };
    certificate.encode().unwrap()
}

/// What the checker says of a model with these slices.
fn checked(
    policy: &Policy<Vec<i16>>,
    claim: &LoopClaim,
    slices: &[Slice],
) -> Result<CheckedLoop, Rejection> {
    let mut model = vec![];
    encode(policy.header(), policy.parameters(), |bytes| {
        model.extend_from_slice(bytes);
    });
    let bytes = certificate(policy, claim, slices);
    let checker = LoopChecker::new(&model, &bytes, None)?;
    let checked: Result<Vec<_>, _> = (0..checker.slices())
        .map(|at| checker.check_slice(at))
        .collect();
    checker.finish(checked?)
}

#[test]
fn the_checker_accepts_what_is_proven_and_no_rank_above_it() {
    let (policy, claim) = (linear_law(), claim(0.9, 1.5));
    let rate = ModelRate::new(&policy).unwrap();
    let result = prove_loop(&rate, &claim, &coarse(), &[], QUIET).unwrap();
    let mut slices = result.slices().unwrap();
    checked(&policy, &claim, &slices).unwrap();
    let ranks = &mut slices[0].ranks;
    let last = ranks.iter().copied().max().unwrap();
    let cell = ranks.iter().position(|&rank| rank == 1).unwrap();
    ranks[cell] = last;
    let refused = checked(&policy, &claim, &slices).unwrap_err();
    assert_eq!(refused.rule, Rule::Rank);
}
