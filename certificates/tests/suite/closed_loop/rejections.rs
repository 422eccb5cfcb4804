//! A proof is accepted as it is; each way to break it is rejected at the right place.

use std::sync::OnceLock;

use proptest::prelude::*;
use tautline_certificates::closed_loop::{
    CheckedLoop, LoopChecker, LoopClaim, Losses, Powers, Slice,
};
use tautline_certificates::{Reason, Rejection, Rule, Step};
use tautline_core::policy::Digest;

use super::prover::{claim, claims, file, header, model, parameters, parts, policy, powers, prove};
use crate::support;

/// The claim's slices, proven once.
pub(crate) fn slices() -> &'static [Slice] {
    static SLICES: OnceLock<Vec<Slice>> = OnceLock::new();
    SLICES.get_or_init(|| {
        let (policy, claim) = (policy(&model(&parameters())), claim());
        let parts = parts(&claim).into_iter();
        parts.map(|part| prove(&policy, &claim, part)).collect()
    })
}

pub(crate) fn check(
    model: &[u8],
    claim: &LoopClaim,
    slices: &[Slice],
) -> Result<CheckedLoop, Rejection> {
    let bytes = file(model, claim, slices);
    let checker = LoopChecker::new(model, &bytes, Some(&claims(claim)))?;
    let slices = (0..checker.slices()).map(|slice| checker.check_slice(slice));
    checker.finish(slices.collect::<Result<_, _>>()?)
}

fn rejection(slices: &[Slice]) -> (Step, Rule, Reason) {
    rejection_of(&model(&parameters()), &claim(), slices)
}

fn rejection_of(model: &[u8], claim: &LoopClaim, slices: &[Slice]) -> (Step, Rule, Reason) {
    let Rejection { step, rule, reason } = check(model, claim, slices).unwrap_err();
    (step, rule, *reason)
}

#[test]
fn a_proof_is_accepted_and_shows_what_its_ranks_show() {
    let checked = check(&model(&parameters()), &claim(), slices()).unwrap();
    let [proven] = checked.claims() else {
        panic!("one claim");
    };
    let shown = proven.shown();
    let most = slices().iter().flat_map(|slice| &slice.ranks).max();
    assert_eq!(Some(shown.rounds + 1), most.copied());
    assert!(shown.utilisation >= claim().then.utilisation);
    assert!(shown.queue <= claim().then.queue);
    assert!(shown.windows.0 < shown.windows.1);
    assert!(shown.reached.0 <= claim().start.0 && shown.windows.1 < shown.reached.1);
    assert_eq!(proven.slices().len(), 2);
    assert_eq!(proven.claim(), &claim());
}

#[test]
fn a_lowered_rank_is_rejected_wherever_a_cell_leads_to_it_or_it_starts() {
    let slices = slices();
    let ranks = &slices[0].ranks;
    let most = ranks.iter().copied().max().unwrap();
    let mut rejected = 0;
    let mut at = 7;
    while at < ranks.len() {
        let rank = ranks[at];
        if rank > 0 {
            let mut bad = slices.to_vec();
            bad[0].ranks[at] = u8::from(rank == most);
            if let Err(rejection) = check(&model(&parameters()), &claim(), &bad) {
                let Step::Cell {
                    claim: 0, slice: 0, ..
                } = rejection.step
                else {
                    panic!("{rejection}");
                };
                assert!(matches!(
                    rejection.rule,
                    Rule::Rank | Rule::Start | Rule::Drain
                ));
                rejected += 1;
            }
        }
        at += 1999;
    }
    assert!(rejected >= 5, "{rejected}");
}

#[test]
fn an_unranked_start_is_rejected_at_its_cell() {
    let mut bad = slices().to_vec();
    let grid = &bad[1].grid;
    let cell = (0..grid.cells().unwrap())
        .find(|&number| grid.edges(grid.cell(number).unwrap().window).0 >= claim().start.0)
        .unwrap();
    let most = bad[1].ranks.iter().copied().max().unwrap();
    bad[1].ranks[cell] = 0;
    let (step, rule, reason) = rejection(&bad);
    let place = Step::Cell {
        claim: 0,
        slice: 1,
        cell,
    };
    // The cell itself, unless one before it in the file leads there.
    if rule == Rule::Rank {
        assert!(matches!(reason, Reason::ImageRank { got: 0, .. }));
    } else {
        assert_eq!((step, rule), (place, Rule::Start));
        let (low, high) = (1, i64::from(most));
        let what = "rank";
        assert_eq!(
            reason,
            Reason::OutOfRange {
                what,
                low,
                high,
                got: 0
            }
        );
    }
}

#[test]
fn a_start_beyond_the_grid_is_rejected() {
    let mut wide = claim();
    wide.start.1 = 353;
    let (step, rule, reason) = rejection_of(&model(&parameters()), &wide, slices());
    assert_eq!(
        (step, rule),
        (Step::Slice { claim: 0, slice: 0 }, Rule::Start)
    );
    assert!(matches!(
        reason,
        Reason::OutOfRange {
            what: "end of the start",
            got: 353,
            ..
        }
    ));
}

#[test]
fn more_jitter_than_was_proven_is_rejected_at_a_cell() {
    let mut wide = claim();
    wide.family.jitter *= 3;
    let (step, ..) = rejection_of(&model(&parameters()), &wide, slices());
    assert!(matches!(step, Step::Cell { claim: 0, .. }), "{step}");
}

#[test]
fn tighter_bounds_than_were_proven_are_rejected_with_what_is_reached() {
    let model = model(&parameters());
    let mut tight = claim();
    let shown = check(&model, &tight, slices()).unwrap();
    let shown = shown.claims()[0].shown();
    tight.then.queue = shown.queue;
    tight.then.utilisation = shown.utilisation;
    tight.then.rounds = shown.rounds;
    check(&model, &tight, slices()).unwrap();
    for (what, change) in [("queue", [1, 0]), ("largest rank", [0, 1])] {
        let mut tighter = tight.clone();
        tighter.then.queue -= change[0];
        tighter.then.rounds -= u8::try_from(change[1]).unwrap();
        let (_, rule, reason) = rejection_of(&model, &tighter, slices());
        assert_eq!(rule, Rule::Settled);
        assert!(
            matches!(reason, Reason::OutOfRange { what: found, .. } if found == what),
            "{what}: {reason}"
        );
    }
}

#[test]
fn a_proof_that_assumes_a6_is_none_of_a_claim_that_does_not() {
    let model = model(&parameters());
    let bare = claim();
    let assuming = LoopClaim {
        losses: Losses::Assumed,
        ..bare.clone()
    };
    let checked = check(&model, &assuming, slices()).unwrap();
    assert_eq!(checked.claims()[0].claim().losses, Losses::Assumed);
    // The file says that it assumes A6, and that is not what is asked for; nor the other way round.
    for (says, asked) in [(&assuming, &bare), (&bare, &assuming)] {
        let bytes = file(&model, says, slices());
        let refused = LoopChecker::new(&model, &bytes, Some(&claims(asked))).unwrap_err();
        assert_eq!(refused.rule, Rule::Claims);
        assert!(matches!(*refused.reason, Reason::WrongClaims { .. }));
    }
    // Where the buffer is shallow, no ranks prove it without.
    let mut shallow = bare;
    shallow.family.buffer.least = 1 << 15;
    let mut slices = slices().to_vec();
    for slice in &mut slices {
        slice.buffer = shallow.family.buffer;
    }
    let (step, rule, reason) = rejection_of(&model, &shallow, &slices);
    let place = Step::Slice { claim: 0, slice: 0 };
    assert_eq!((step, rule), (place, Rule::Burst));
    let what = "twice the buffer";
    assert!(
        matches!(reason, Reason::OutOfRange { what: found, .. } if found == what),
        "{reason}"
    );
}

#[test]
fn a_burst_that_may_overflow_is_rejected_at_its_cell() {
    // Deep enough for windows that are held, but not for a burst between windows above 2^1.875.
    let mut tight = claim();
    tight.family.buffer.least = 3 << 15;
    tight.start = (512, 544);
    let mut bad = slices().to_vec();
    for slice in &mut bad {
        slice.buffer = tight.family.buffer;
        slice.grid.windows = 100;
        let cells = 0..slice.grid.cells().unwrap();
        let ranked = |number| {
            slice
                .grid
                .cell(number)
                .is_some_and(|cell| cell.window >= 96)
        };
        slice.ranks = cells.map(|number| u8::from(ranked(number))).collect();
    }
    let (step, rule, reason) = rejection_of(&model(&parameters()), &tight, &bad);
    assert!(matches!(step, Step::Cell { slice: 0, .. }), "{step}");
    assert_eq!(rule, Rule::Burst);
    let Reason::OutOfRange {
        what: "burst",
        high,
        got,
        ..
    } = reason
    else {
        panic!("{reason}");
    };
    assert!(got > high && high == 3 << 29, "{got} {high}");
}

#[test]
fn less_utilisation_than_claimed_is_rejected_with_what_is_carried() {
    // All that is reached counts as settled, from the smallest windows on.
    let mut flat = slices().to_vec();
    for slice in &mut flat {
        for rank in &mut slice.ranks {
            *rank = (*rank).min(1);
        }
    }
    let mut loose = claim();
    loose.then.queue = 3 << 16;
    let (step, rule, reason) = rejection_of(&model(&parameters()), &loose, &flat);
    assert!(matches!(step, Step::Cell { slice: 0, .. }), "{step}");
    assert_eq!(rule, Rule::Settled);
    let Reason::OutOfRange {
        what: "utilisation",
        low: 60_000,
        high: 65_536,
        got,
    } = reason
    else {
        panic!("{reason}");
    };
    assert!((40_000..60_000).contains(&got), "{got}");
}

/// The rules take a drain for half of W·m/r at most, every 128 decisions.
#[test]
fn drains_are_what_the_rules_take_them_for() {
    use tautline_core::controller::{CLAIMED_DRAIN_MARGIN, DRAIN_PERIOD_ROUNDS};
    assert_eq!(DRAIN_PERIOD_ROUNDS, 128);
    assert!(CLAIMED_DRAIN_MARGIN >= tautline_core::fixed::Q16::ONE);
}

#[test]
fn a_changed_weight_is_rejected() {
    let mut other = parameters();
    let at = other.len() - 1;
    other[at] += 2000;
    let (step, ..) = rejection_of(&model(&other), &claim(), slices());
    assert!(matches!(step, Step::Cell { .. }), "{step}");
    // The certificate of the first model is not one of the second.
    let bytes = file(&model(&parameters()), &claim(), slices());
    let foreign = LoopChecker::new(&model(&other), &bytes, None).unwrap_err();
    assert!(matches!(*foreign.reason, Reason::WrongModel { .. }));
}

#[test]
fn a_feature_that_moves_the_rate_both_ways_is_named() {
    let mut other = parameters();
    // previous_step into the first neuron, whose effect falls, and into the rate, rising.
    other[10] = 4096;
    other[26 + 2 + 10] = 4096;
    let (step, rule, reason) = rejection_of(&model(&other), &claim(), slices());
    let cell = slices()[0].ranks.iter().position(|&rank| rank > 0);
    let cell = cell.unwrap();
    assert_eq!(
        step,
        Step::Cell {
            claim: 0,
            slice: 0,
            cell
        }
    );
    assert_eq!(rule, Rule::Rank);
    let feature = "previous_step";
    assert_eq!(reason, Reason::MixedSign { feature });
    assert_eq!(reason.to_string(), "previous_step moves the rate both ways");
}

#[test]
fn a_model_that_decides_every_second_round_or_never_moves_is_refused() {
    let settled = tautline_core::policy::Cadence::Settled;
    let header = tautline_core::policy::ModelHeader {
        cadence: settled,
        ..header()
    };
    let other = support::file(&header, &parameters());
    let (step, rule, reason) = rejection_of(&other, &claim(), slices());
    assert_eq!(
        (step, rule, reason),
        (Step::Model, Rule::Model, Reason::Cadence)
    );
    let still = vec![0; parameters().len()];
    let (.., reason) = rejection_of(&model(&still), &claim(), slices());
    assert!(matches!(reason, Reason::ConstantHead { .. }));
}

#[test]
fn a_grid_with_another_reach_is_rejected() {
    let claim = claim();
    for reach in [3, 5] {
        let mut bad = slices().to_vec();
        bad[0].grid = super::prover::grid(reach);
        bad[0].ranks = vec![1; bad[0].grid.cells().unwrap()];
        let (step, rule, reason) = rejection(&bad);
        assert_eq!(
            (step, rule),
            (Step::Slice { claim: 0, slice: 0 }, Rule::Grid)
        );
        let what = "reach";
        assert_eq!(
            reason,
            Reason::OutOfRange {
                what,
                low: 4,
                high: 4,
                got: i64::from(reach)
            }
        );
    }
    let mut far = slices().to_vec();
    far[0].grid.low = -30 << 8;
    let (.., reason) = rejection_of(&model(&parameters()), &claim, &far);
    assert!(matches!(
        reason,
        Reason::OutOfRange {
            what: "lower edge",
            ..
        }
    ));
}

#[test]
fn windows_that_a_clamp_may_cut_are_rejected() {
    let mut low = claim();
    low.family.log_bdp = (2 << 8, 2 << 8);
    let mut bad = slices()[..1].to_vec();
    bad[0].log_bdp = low.family.log_bdp;
    let (_, rule, reason) = rejection_of(&model(&parameters()), &low, &bad);
    assert_eq!(rule, Rule::Grid);
    assert!(
        matches!(
            reason,
            Reason::OutOfRange {
                what: "log2 of the least window",
                low: 512,
                ..
            }
        ),
        "{reason}"
    );
}

#[test]
fn slices_that_leave_a_gap_are_rejected() {
    let gap = |slices: &[Slice]| {
        let (step, rule, reason) = rejection(slices);
        assert_eq!((step, rule), (Step::Section { section: 0 }, Rule::Cover));
        let Reason::Gap { log_bdp, buffer } = reason else {
            panic!("{reason}");
        };
        (log_bdp, buffer)
    };
    let whole = claim().family.log_bdp;
    let middle = slices()[0].log_bdp.1;
    assert_eq!(gap(&slices()[..1]).0, (middle, whole.1));
    assert_eq!(gap(&slices()[1..]).0, (whole.0, middle));
    let mut short = slices().to_vec();
    short[1].log_bdp.0 += 1;
    assert_eq!(gap(&short).0, (middle, middle + 1));
    let mut bounded = slices().to_vec();
    bounded[1].buffer.most = Some(3 << 16);
    assert_eq!(gap(&bounded), ((middle, whole.1), 3 << 16));
    let mut deep = slices().to_vec();
    deep[0].buffer.least += 1;
    assert_eq!(gap(&deep), ((whole.0, middle), 2 << 16));
}

#[test]
fn every_slice_counts_once_and_in_its_own_file() {
    let model = model(&parameters());
    let bytes = file(&model, &claim(), slices());
    let checker = LoopChecker::new(&model, &bytes, None).unwrap();
    let [first, second] = [0, 1].map(|slice| checker.check_slice(slice).unwrap());
    checker.finish(vec![second.clone(), first.clone()]).unwrap();
    let mut other = claim();
    other.says.push('!');
    let others = file(&model, &other, slices());
    let others = LoopChecker::new(&model, &others, None).unwrap();
    let foreign = others.check_slice(1).unwrap();
    for bad in [
        vec![],
        vec![first.clone()],
        vec![first.clone(), first.clone()],
        vec![first.clone(), second.clone(), second],
        vec![first, foreign],
    ] {
        let rejection = checker.finish(bad).unwrap_err();
        assert!(
            matches!(*rejection.reason, Reason::Slices { .. }),
            "{rejection}"
        );
    }
    let rejection = checker.check_slice(2).unwrap_err();
    assert!(matches!(*rejection.reason, Reason::Slices { at: 2, .. }));
}

#[test]
fn slices_in_another_order_prove_the_same_and_wrong_ones_nothing() {
    let mut swapped = slices().to_vec();
    swapped.reverse();
    check(&model(&parameters()), &claim(), &swapped).unwrap();
    let mut crossed = slices().to_vec();
    let first = crossed[0].ranks.clone();
    crossed[0].ranks.fill(1);
    let (step, ..) = rejection(&crossed);
    assert!(
        matches!(step, Step::Cell { .. } | Step::Slice { .. }),
        "{step}"
    );
    assert_ne!(first, crossed[0].ranks);
}

#[test]
fn a_truncated_or_flipped_file_is_rejected_without_a_panic() {
    let model = model(&parameters());
    let bytes = file(&model, &claim(), slices());
    for length in (0..bytes.len()).step_by(bytes.len() / 97) {
        LoopChecker::new(&model, &bytes[..length], None).unwrap_err();
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        LoopChecker::new(&model, &flipped, None).unwrap_err();
    }
}

#[test]
fn claims_about_decisions_and_about_loops_do_not_share_a_file() {
    let model = model(&parameters());
    let bytes = file(&model, &claim(), slices());
    let refused = tautline_certificates::check(&model, &bytes, None).unwrap_err();
    assert_eq!(refused.rule, Rule::Format);
}

#[test]
fn a_wrong_entry_of_the_table_is_found() {
    let table = tautline_core::log2::table();
    powers();
    for (entry, &right) in table.iter().enumerate() {
        for got in [right - 2, right + 2, 0, u64::MAX] {
            let mut wrong = *table;
            wrong[entry] = got;
            let reason = Powers::prove(&wrong).unwrap_err();
            assert_eq!(reason, Reason::PowerEntry { entry, got });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_payload_with_other_bytes_is_never_a_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let model = model(&parameters());
        let mut bytes = file(&model, &claim(), slices());
        let content = bytes.len() - Digest::LEN;
        // Behind the header and the claims, up to the digest, which is made to fit.
        let start = content - file_payload(&slices()[0]) - file_payload(&slices()[1]);
        for (at, to) in flips {
            bytes[start + at.index(content - start)] = to;
        }
        let digest = Digest::of(&bytes[..content]);
        bytes[content..].copy_from_slice(digest.as_bytes());
        let checked = LoopChecker::new(&model, &bytes, None).and_then(|checker| {
            let slices = (0..checker.slices()).map(|slice| checker.check_slice(slice));
            checker.finish(slices.collect::<Result<_, _>>()?)
        });
        // What is accepted all the same proves the claim as it stands.
        if let Ok(checked) = checked {
            let [proven] = checked.claims() else {
                panic!("one claim");
            };
            prop_assert!(proven.shown().queue <= claim().then.queue);
        }
    }
}

/// Bytes of a slice in a payload.
fn file_payload(slice: &Slice) -> usize {
    slice.encode().unwrap().len() + 4
}
