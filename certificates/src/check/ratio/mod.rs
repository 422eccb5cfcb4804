//! Rule *ratio*: from claims about pairs of inputs to the ratio of two flows' throughputs.
//!
//! Everything is exact or rounded to the side that says less. Numbers are multiples of 2⁻³² where
//! nothing else is said; features and heads count in units of 2⁻¹⁶ as everywhere.

use tautline_core::features::{FeatureTable, index};
use tautline_core::policy::HeadKind;

use super::exact::{Overflow, product, sum};
use super::rejection::Reason;
use crate::claim::{Claim, ClaimKind, ClaimSet, Constraint, LinearConstraint, RatioClaim, Region};

mod closes;

/// Checks one ratio claim over proven claims; `gain` is the step gain in units of 2⁻¹⁶.
pub(super) fn check(claim: &RatioClaim, set: &ClaimSet, gain: i32) -> Result<(), Reason> {
    let reached = log_ratio(claim, set, gain)?;
    let bound = i128::from(claim.log_ratio);
    if reached <= bound {
        return Ok(());
    }
    Err(Reason::NotProven { reached, bound })
}

/// The bound that the named claims give, in units of 2⁻¹⁶ octaves.
fn log_ratio(claim: &RatioClaim, set: &ClaimSet, gain: i32) -> Result<i128, Reason> {
    let table = set.table().ok_or(missing("a known feature table"))?;
    // Averages of rounded features stay within eight units of what is shown about real ones.
    if claim.jitter > 1 << 15 {
        return Err(missing("a jitter of at most half the base RTT"));
    }
    let find = |name: &str, what| {
        let found = set.claims.iter().find(|other| other.name == name);
        found.ok_or_else(|| missing(what))
    };
    let window = find(&claim.window, "a claim about the own window")?;
    let memory = find(&claim.memory, "a claim about the last step")?;
    let noise = find(&claim.noise, "a claim about what is seen differently")?;
    let closes = claim.closes.as_deref();
    let closes = closes.map(|name| find(name, "a claim about windows far apart"));
    let closes = closes.transpose()?;
    let all = [window, memory, noise].into_iter().chain(closes);
    check_region(&window.region, all, table)?;
    check_window(window, table)?;
    check_memory(memory, table)?;
    check_noise(noise, table, claim.jitter)?;
    let (least, over) = slope(window, index::LOG_WINDOW, 1, 1)?;
    let (most, under) = slope(window, index::LOG_WINDOW, -1, -1)?;
    let (up, up_over) = slope(memory, index::LAST_STEP, 1, -1)?;
    let (down, down_over) = slope(memory, index::LAST_STEP, -1, -1)?;
    let (raised, lowered) = (
        slope(noise, NO_FEATURE, 1, 1)?,
        slope(noise, NO_FEATURE, -1, 1)?,
    );
    // What moves the rates apart beside windows and last steps: seen differences, the claims' own
    // slacks, a feature's unit in each slope, the step's rounding.
    let apart = raised.1.max(lowered.1);
    let slack = sum(over, least)?.max(sum(under, most)?);
    let kept = sum(up_over.max(down_over), product(up.max(down), 2)?)?;
    let gain = i128::from(gain.max(1));
    let rounding = (1i128 << 48).div_euclid(gain).saturating_add(1);
    let unsteady = sum(kept, rounding)?;
    let rates = Rates {
        window: (least, most),
        memory: (up, down),
        unsteady,
        drive: sum(sum(apart, slack)?, unsteady)?,
        gain,
    };
    let windows = match closes {
        Some(closes) => closes::windows(closes, table, claim.jitter, &rates)?,
        None => rates.windows()?,
    };
    // log₂(1 + D) <= D / ln 2.
    let paths = product(i128::from(claim.jitter), INVERSE_LN_2)?.div_euclid(1 << 16);
    Ok(sum(windows, paths.saturating_add(1))?)
}

/// How two flows' rates differ, of which slopes are in units of 2⁻³² and others in units times 2³².
struct Rates {
    /// By how much the rate falls with the own window, at least and at most: δ₁ and δ₂.
    window: (i128, i128),
    /// By how much a rise of the last step raises the rate at most and lowers it at most: c and n.
    memory: (i128, i128),
    /// What roundings and the slack of the claim about the last step add.
    unsteady: i128,
    /// E: all that moves the rates apart beside windows and last steps.
    drive: i128,
    /// G, in units of 2⁻¹⁶.
    gain: i128,
}

impl Rates {
    /// How far windows end apart where nothing is known but slopes, in units of 2⁻¹⁶ octaves.
    fn windows(&self) -> Result<i128, Reason> {
        let (push, pull) = balance(self.window, self.memory, self.gain)?;
        if pull <= 0 {
            return Err(missing(
                "a rate that falls with the own window by more than the last step undoes",
            ));
        }
        let windows = times(product(self.drive, 16)?, push)?;
        let windows = windows.div_euclid(pull).div_euclid(1 << 32);
        Ok(windows.saturating_add(1))
    }
}

/// The theorem's numerator over the drive, (1 − c)² + G·δ₁, rounded up, and 16 times its
/// denominator, δ₁·(1 − c − n)·(1 − c) − δ₂·(n·(1 − c) + G·δ₁), rounded down. A rise of the last step raises
/// the rate by c per unit at most and lowers it by n at most.
fn balance(
    (least, most): (i128, i128),
    (up, down): (i128, i128),
    gain: i128,
) -> Result<(i128, i128), Reason> {
    let kept = (1i128 << 32).saturating_sub(up);
    let both = kept.saturating_sub(down);
    if both <= 0 || least <= 0 {
        return Ok((1, 0));
    }
    let up_to = |product: i128| {
        product
            .saturating_sub(1)
            .div_euclid(1 << 32)
            .saturating_add(1)
    };
    // G·δ₁: 2⁻¹⁶ · 2⁻³² / 16 to 2⁻³², rounded up.
    let jump = times(gain, least)?.div_euclid(1 << 20).saturating_add(1);
    let push = sum(up_to(times(kept, kept)?), jump)?;
    let stays = times(times(least, both)?.div_euclid(1 << 32), kept)?.div_euclid(1 << 32);
    let undone = times(most, sum(up_to(times(down, kept)?), jump)?)?;
    Ok((push, stays.saturating_sub(up_to(undone))))
}

fn times(a: i128, b: i128) -> Result<i128, Overflow> {
    a.checked_mul(b).ok_or(Overflow)
}

/// All claims speak of one box, in which nothing is lost or marked and only the window's and the
/// path's part of `own_queue` say what it is.
fn check_region<'a>(
    region: &Region,
    mut claims: impl Iterator<Item = &'a Claim>,
    table: &FeatureTable,
) -> Result<(), Reason> {
    let calm = [index::LOSS, index::SLOW_LOSS, index::CE];
    let calm = calm
        .iter()
        .all(|&at| region.bounds.get(at) == Some(&(0, 0)));
    let own = table.features.get(index::OWN_QUEUE);
    let own = own.map(|feature| (feature.low.units(), feature.high.units()));
    let free = region.bounds.get(index::OWN_QUEUE).copied() == own;
    let clamped = QUEUE.iter().any(|&at| {
        let most = table.features.get(at).map(|feature| feature.high.units());
        region.bounds.get(at).map(|bounds| bounds.1) >= most
    });
    let same = claims.all(|claim| claim.region == *region);
    if same && calm && free && !clamped && region.linear.is_empty() && table.version == 1 {
        return Ok(());
    }
    Err(missing(
        "one region for all of them, without loss and marks, own_queue free, queues below their clamp",
    ))
}

/// Any window of the region against any other, `own_queue` with it but for its own rounding.
fn check_window(claim: &Claim, table: &FeatureTable) -> Result<(), Reason> {
    let width = width(claim, index::LOG_WINDOW);
    let wide = reaches(claim, table, index::LOG_WINDOW, (0, width))
        && reaches(claim, table, index::OWN_QUEUE, (0, width.saturating_add(1)));
    if wide && between(claim).iter().all(|fact| together(fact, 1)) {
        return Ok(());
    }
    Err(missing(
        "log_window and own_queue differing together, over the region's windows",
    ))
}

/// Whether a fact says no more than that `own_queue` differs as `log_window` does but for `more`.
fn together(fact: &LinearConstraint, more: i128) -> bool {
    match fact.terms.as_slice() {
        &[(index::LOG_WINDOW, one), (index::OWN_QUEUE, other)] => {
            let least = i128::from(one.saturating_abs()).saturating_mul(more);
            one == other.saturating_neg() && i128::from(fact.bound) >= least
        }
        _ => false,
    }
}

fn check_memory(claim: &Claim, table: &FeatureTable) -> Result<(), Reason> {
    let width = width(claim, index::LAST_STEP);
    if reaches(claim, table, index::LAST_STEP, (0, width)) && between(claim).is_empty() {
        return Ok(());
    }
    Err(missing("last_step differing by the region's width"))
}

/// All that two flows may see differently may differ in the claim.
fn check_noise(claim: &Claim, table: &FeatureTable, jitter: u32) -> Result<(), Reason> {
    let own = check_seen(claim, table, jitter)?;
    let own = narrow(own, claim, index::OWN_QUEUE);
    let wide = reaches(claim, table, index::OWN_QUEUE, (own.saturating_neg(), own));
    for fact in between(claim) {
        if !implied(fact, claim, jitter)? {
            return Err(missing(SEEN));
        }
    }
    wide.then_some(()).ok_or_else(|| missing(SEEN))
}

/// Queues and what the claims leave free may differ as far as the jitter goes; by how much
/// `own_queue` does then at one window.
fn check_seen(claim: &Claim, table: &FeatureTable, jitter: u32) -> Result<i128, Reason> {
    let both = |at, most: i128| {
        let most = narrow(most, claim, at);
        reaches(claim, table, at, (most.saturating_neg(), most))
    };
    let mut all = true;
    let mut least = i64::MAX;
    let mut widest = 0;
    for at in QUEUE {
        let (low, high) = claim.region.bounds.get(at).copied().unwrap_or_default();
        let (_, most) = apart(jitter, high.into());
        all &= both(at, most);
        widest = most.max(widest);
        least = least.min(low.into());
    }
    for at in [index::ACKED_RATIO, index::PREVIOUS_STEP, index::COMPETITOR] {
        all &= both(at, i128::MAX);
    }
    if all {
        return Ok(own_apart(least, widest)?);
    }
    Err(missing(SEEN))
}

/// A difference of a feature, at most the region's width.
fn narrow(most: i128, claim: &Claim, feature: usize) -> i64 {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    most.min(width(claim, feature))
}

/// x' − x for a feature of the queue of which one flow sees x: at least for that x, and at most
/// where x' is that value. x' <= x + D (2 + x) in either direction, and eight units for roundings.
fn apart(jitter: u32, x: i64) -> (i128, i128) {
    let jitter = i128::from(jitter);
    let up = jitter.saturating_mul(i128::from(x).saturating_add(2 << 16));
    let share = up
        .div_euclid(jitter.saturating_add(1 << 16))
        .saturating_add(9);
    (share.saturating_neg(), share)
}

/// Whether a fact over one feature of the queue follows from how far flows see it apart.
fn implied(fact: &LinearConstraint, claim: &Claim, jitter: u32) -> Result<bool, Overflow> {
    let features = claim.region.bounds.len();
    let coefficient = |at: usize| {
        let mut terms = fact.terms.iter();
        terms.find(|term| term.0 == at).map_or(0, |term| term.1)
    };
    let of = |&at: &usize| {
        let own = |place: usize| place == at || place == at.saturating_add(features);
        fact.terms.iter().all(|&(place, _)| own(place))
    };
    let Some(at) = QUEUE.into_iter().find(of) else {
        return Ok(false);
    };
    let (change, first) = (coefficient(at), coefficient(at.saturating_add(features)));
    let (low, high) = claim.region.bounds.get(at).copied().unwrap_or_default();
    for x in [i64::from(low), i64::from(high)] {
        let up = i128::from(jitter).saturating_mul(i128::from(x).saturating_add(2 << 16));
        let most = up.div_euclid(1 << 16).saturating_add(9);
        let step = if change > 0 { most } else { apart(jitter, x).0 };
        let left = sum(product(step, change)?, product(i128::from(x), first)?)?;
        if left > i128::from(fact.bound) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// By how much `own_queue` differs at most where the queue is seen `widest` apart: at the least
/// queue, or at its floor of a ninth, below which it does not move.
fn own_apart(least: i64, widest: i128) -> Result<i128, Overflow> {
    let one = 1i128 << 16;
    let low = i128::from(least).max(one.div_euclid(9));
    let high = sum(low, widest)?;
    let over = high.saturating_mul(sum(one, low)?);
    let under = low.saturating_mul(sum(one, high)?).max(1);
    let share = over
        .checked_mul(1 << 32)
        .ok_or(Overflow)?
        .div_euclid(under)
        .saturating_add(1);
    Ok(log2_above(share)?.div_euclid(16).saturating_add(5))
}

/// At least log₂ of a number of at least one, in units of 2⁻¹⁶: one bit per squaring, rounded up.
fn log2_above(number: i128) -> Result<i128, Overflow> {
    let (one, two) = (1i128 << 32, 1i128 << 33);
    let halved = |number: i128| number.saturating_add(1).div_euclid(2);
    let (mut number, mut log) = (number, 0i128);
    while number >= two {
        number = halved(number);
        log = log.saturating_add(1);
    }
    for _ in 0..16 {
        let square = number.checked_mul(number).ok_or(Overflow)?;
        number = square.saturating_sub(1).div_euclid(one).saturating_add(1);
        log = log.saturating_mul(2);
        if number >= two {
            number = halved(number);
            log = log.saturating_add(1);
        }
    }
    Ok(log.saturating_add(1))
}

/// From `sign`·rate + `side`·a·feature <= b, the one constraint of that sign and feature: a and b
/// over the rate's coefficient, rounded to the side that says less.
fn slope(claim: &Claim, feature: usize, sign: i64, side: i64) -> Result<(i128, i128), Reason> {
    let read = |constraint: &Constraint| {
        let &[(HeadKind::Rate, scale)] = constraint.heads.as_slice() else {
            return None;
        };
        let slope = match constraint.features.as_slice() {
            [] => 0,
            &[(at, slope)] if at == feature => slope.saturating_mul(side),
            _ => return None,
        };
        let size = i128::from(scale.saturating_abs());
        (scale.signum() == sign && slope >= 0).then_some(())?;
        let fixed = |value: i64| i128::from(value).saturating_mul(1 << 32);
        // The least slope is the only number that may not be rounded up.
        let floor = fixed(slope).div_euclid(size);
        let slope = if side > 0 {
            floor
        } else {
            floor.saturating_add(1)
        };
        Some((
            slope,
            fixed(constraint.bound.max(0))
                .div_euclid(size)
                .saturating_add(1),
        ))
    };
    let found = claim.constraints.iter().find_map(read);
    found.ok_or(missing("bounds of the rate's change on both sides"))
}

/// Whether the claim lets a feature differ by all of `low` to `high`.
fn reaches(claim: &Claim, table: &FeatureTable, feature: usize, (low, high): (i64, i64)) -> bool {
    let differences = claim.kind.differences(table).unwrap_or_default();
    let mut of = differences.iter().filter(|one| one.feature == feature);
    let reached = of.any(|one| i64::from(one.low) <= low && i64::from(one.high) >= high);
    reached || (low == 0 && high == 0)
}

fn width(claim: &Claim, feature: usize) -> i64 {
    let (low, high) = claim
        .region
        .bounds
        .get(feature)
        .copied()
        .unwrap_or_default();
    i64::from(high).saturating_sub(low.into())
}

fn between(claim: &Claim) -> &[LinearConstraint] {
    match &claim.kind {
        ClaimKind::Difference { between, .. } => between,
        ClaimKind::Point | ClaimKind::Pair { .. } => &[],
    }
}

const fn missing(what: &'static str) -> Reason {
    Reason::RatioNeeds { what }
}

const SEEN: &str =
    "differences of all that two flows may see differently, as far as the jitter goes";
const QUEUE: [usize; 3] = [index::QUEUEING, index::STANDING_QUEUE, index::QUEUEING_EWMA];
/// No feature stands there.
const NO_FEATURE: usize = usize::MAX;
/// 1 / ln 2 in units of 2⁻¹⁶, rounded up.
const INVERSE_LN_2: i64 = 94_549;

#[cfg(test)]
mod tests;
