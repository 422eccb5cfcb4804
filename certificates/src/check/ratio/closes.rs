//! Windows far apart: a claim that the larger one takes the smaller step, whatever is seen
//! differently, bounds how far they end apart by where it begins.

use tautline_core::features::{FeatureTable, index};
use tautline_core::policy::HeadKind;

use super::super::exact::{product, sum};
use super::super::rejection::Reason;
use super::{
    Rates, SEEN, between, check_seen, implied, missing, narrow, reaches, times, together, width,
};
use crate::claim::{Claim, Constraint};

/// How far windows end apart, in units of 2⁻¹⁶ octaves.
///
/// Where they are t or more apart they close by μ per round, less what last steps undo. So they end
/// within t and what a last step carries beyond it:
/// Δ <= t + V/(1 − c), with V <= (Gδ₂Δ + GE)/(1 − c − n).
pub(super) fn windows(
    claim: &Claim,
    table: &FeatureTable,
    jitter: u32,
    rates: &Rates,
) -> Result<i128, Reason> {
    let from = begins(claim, table, jitter)?;
    let fall = fall(claim)?;
    let ((_, most), (up, down), drive) = (rates.window, rates.memory, rates.drive);
    let kept = (1i128 << 32).saturating_sub(up);
    let both = kept.saturating_sub(down);
    // (1 − c)(1 − c − n), G·δ₂ and G·E in features' units: 2⁻¹⁶ · 2⁻³² / 16 to 2⁻³².
    let stays = times(kept, both)?.div_euclid(1 << 32);
    let jump = times(rates.gain, most)?
        .div_euclid(1 << 20)
        .saturating_add(1);
    let driven = times(rates.gain, drive)?
        .div_euclid(1 << 20)
        .saturating_add(1);
    let pull = stays.saturating_sub(jump);
    if both <= 0 || pull <= 0 {
        return Err(missing("a last step that does not carry windows apart"));
    }
    let push = sum(times(from, stays.saturating_add(1))?, driven)?;
    let apart = push.div_euclid(pull).saturating_add(1);
    // n·V/G.
    let moved = sum(times(most, apart)?, drive)?;
    let undone = times(down, moved)?.div_euclid(both).saturating_add(1);
    if fall <= sum(rates.unsteady, undone)? {
        return Err(missing(
            "a rate that falls, where windows are far apart, by more than the last step undoes",
        ));
    }
    Ok(product(apart, 16)?)
}

/// From what difference of windows on the claim holds for all that two flows may see differently,
/// in units of `log_window`, which is rounded down.
fn begins(claim: &Claim, table: &FeatureTable, jitter: u32) -> Result<i128, Reason> {
    let own = check_seen(claim, table, jitter)?.saturating_add(1);
    let differences = claim.kind.differences(table).unwrap_or_default();
    let mut windows = differences
        .iter()
        .filter(|one| one.feature == index::LOG_WINDOW);
    let from = windows.next().map_or(0, |one| i64::from(one.low));
    let across = width(claim, index::LOG_WINDOW);
    let most = |of: i128| narrow(of, claim, index::OWN_QUEUE);
    let own_queue = (
        most(own.saturating_sub(from.into())).saturating_neg(),
        most(own.saturating_add(across.into())),
    );
    let wide = from >= 0
        && reaches(claim, table, index::LOG_WINDOW, (from, across))
        && reaches(claim, table, index::OWN_QUEUE, own_queue);
    for fact in between(claim) {
        if !together(fact, own) && !implied(fact, claim, jitter)? {
            return Err(missing(SEEN));
        }
    }
    if wide {
        return Ok(i128::from(from).saturating_add(1));
    }
    Err(missing(
        "windows that differ by all of the region's width, own_queue with them",
    ))
}

/// μ in rate <= −μ, in units times 2³², rounded down.
fn fall(claim: &Claim) -> Result<i128, Reason> {
    let read = |constraint: &Constraint| match constraint.heads.as_slice() {
        &[(HeadKind::Rate, scale)] if scale > 0 && constraint.features.is_empty() => {
            let fall = i128::from(constraint.bound.saturating_neg()).saturating_mul(1 << 32);
            Some(fall.div_euclid(scale.into()))
        }
        _ => None,
    };
    let found = claim.constraints.iter().find_map(read);
    found.ok_or(missing("a bound of the rate's change from above"))
}
