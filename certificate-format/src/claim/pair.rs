//! Pair claims: how two inputs of one claim may differ, and the facts that follow.
//!
//! A pair is written as `2n` numbers for `n` features: first what the second input has more than
//! the first one, feature by feature, then the first input itself.

use tautline_core::features::FeatureTable;
use toml::Spanned;

use super::file::{Place, RawClaim, Value, read_linear, read_units};
use super::{Claim, ClaimError, ClaimKind, LinearConstraint, Region};

/// By how much one feature of the second input exceeds that of the first, at least and at most.
///
/// # Units
/// 2⁻¹⁶.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The feature, as a position in the table.
    pub feature: usize,
    /// Smallest difference.
    pub low: i32,
    /// Largest difference, at least `low`; not both are zero.
    pub high: i32,
}

impl ClaimKind {
    /// How the features differ that may differ, in table order; `None` for a claim about one input.
    pub fn differences(&self, table: &FeatureTable) -> Option<Vec<Difference>> {
        let raised = |&feature: &usize| {
            let range = table.features.get(feature)?;
            Some(Difference {
                feature,
                low: 0,
                high: range.high.units().saturating_sub(range.low.units()),
            })
        };
        match self {
            Self::Point => None,
            Self::Pair { raise } => Some(raise.iter().filter_map(raised).collect()),
            Self::Difference { differ, .. } => Some(differ.clone()),
        }
    }
}

impl Claim {
    /// The box of the pairs that the claim speaks about, `None` for a claim about one input:
    /// differences, cut to the region's width, then the region's bounds.
    pub fn pair_bounds(&self, table: &FeatureTable) -> Option<Vec<(i32, i32)>> {
        let mut bounds = vec![(0, 0); table.features.len()];
        for difference in self.kind.differences(table)? {
            let width = width(&self.region, difference.feature);
            if let Some(bound) = bounds.get_mut(difference.feature) {
                *bound = (
                    difference.low.max(width.saturating_neg()),
                    difference.high.min(width),
                );
            }
        }
        bounds.extend(&self.region.bounds);
        Some(bounds)
    }

    /// The constraints that a proof about pairs may use, in the order that witnesses count them;
    /// none for a claim about one input. They are the region's facts at the first input, those that
    /// speak of a feature that may differ at the second one, what the claim says about the pair,
    /// and the region's bounds of features that may differ, upper before lower, at the second one.
    pub fn pair_facts(&self, table: &FeatureTable) -> Vec<LinearConstraint> {
        let Some(differences) = self.kind.differences(table) else {
            return vec![];
        };
        let inputs = table.features.len();
        let first = |terms: &[(usize, i64)]| -> Vec<(usize, i64)> {
            let moved = terms.iter();
            moved
                .map(|&(at, c)| (at.saturating_add(inputs), c))
                .collect()
        };
        let differs = |at: usize| differences.iter().any(|one| one.feature == at);
        let second = |terms: &[(usize, i64)]| {
            let changed = terms.iter().copied().filter(|&(at, _)| differs(at));
            changed.chain(first(terms)).collect::<Vec<_>>()
        };
        let region = self.region.facts(table);
        let mut facts: Vec<_> = region
            .iter()
            .map(|fact| LinearConstraint {
                terms: first(&fact.terms),
                bound: fact.bound,
            })
            .collect();
        let moving = region
            .iter()
            .filter(|fact| fact.terms.iter().any(|&(at, _)| differs(at)));
        facts.extend(moving.map(|fact| LinearConstraint {
            terms: second(&fact.terms),
            bound: fact.bound,
        }));
        if let ClaimKind::Difference { between, .. } = &self.kind {
            facts.extend(between.iter().cloned());
        }
        for one in &differences {
            let (low, high) = self
                .region
                .bounds
                .get(one.feature)
                .copied()
                .unwrap_or_default();
            for (sign, bound) in [(1, i64::from(high)), (-1, i64::from(low).saturating_neg())] {
                facts.push(LinearConstraint {
                    terms: second(&[(one.feature, sign)]),
                    bound,
                });
            }
        }
        facts
    }
}

/// How far a feature reaches in a region.
pub(super) fn width(region: &Region, feature: usize) -> i32 {
    let bounds = region.bounds.get(feature);
    bounds.map_or(0, |(low, high)| high.saturating_sub(*low))
}

pub(super) fn read_kind(
    place: &Place<'_>,
    table: &FeatureTable,
    raw: &RawClaim,
) -> Result<ClaimKind, ClaimError> {
    let raise = read_raise(place, table, raw)?;
    if raise.is_empty() && raw.differ.is_empty() {
        let field = format!("{}.raise", raw.name.get_ref());
        let expected = "the raised features of a pair claim, or how features differ";
        return Err(place.of(&raw.name, &field, expected));
    }
    if raw.differ.is_empty() && raw.between.is_empty() {
        return Ok(ClaimKind::Pair { raise });
    }
    let mut differ = ClaimKind::Pair { raise }
        .differences(table)
        .unwrap_or_default();
    for (feature, range) in &raw.differ {
        let field = format!("{}.differ.{}", raw.name.get_ref(), feature.get_ref());
        let known = table.index_of(feature.get_ref());
        let known = known.and_then(|index| Some((index, table.features.get(index)?)));
        let Some((index, ends)) = known else {
            return Err(place.of(feature, &field, "a feature of the table"));
        };
        if differ.iter().any(|other| other.feature == index) {
            return Err(place.of(feature, &field, "a feature that is not raised already"));
        }
        let width = ends.high.units().saturating_sub(ends.low.units());
        differ.push(read_difference(place, &field, index, width, range)?);
    }
    differ.sort_unstable_by_key(|one| one.feature);
    let field = format!("{}.between", raw.name.get_ref());
    let position = |name: &str| match name.strip_prefix(FIRST) {
        Some(name) => table
            .index_of(name)
            .map(|at| at.saturating_add(table.features.len())),
        None => table
            .index_of(name)
            .filter(|&at| differ.iter().any(|one| one.feature == at)),
    };
    let expected = "features that differ, or first.<feature> for the first input's";
    let between = raw.between.iter();
    let between = between.map(|text| read_linear(place, &field, text, position, expected));
    Ok(ClaimKind::Difference {
        between: between.collect::<Result<_, _>>()?,
        differ,
    })
}

fn read_raise(
    place: &Place<'_>,
    table: &FeatureTable,
    raw: &RawClaim,
) -> Result<Vec<usize>, ClaimError> {
    let field = format!("{}.raise", raw.name.get_ref());
    let mut raise = vec![];
    for feature in &raw.raise {
        let index = table
            .index_of(feature.get_ref())
            .ok_or_else(|| place.of(feature, &field, "a feature of the table"))?;
        if raise.contains(&index) {
            return Err(place.of(feature, &field, "every feature once"));
        }
        raise.push(index);
    }
    raise.sort_unstable();
    Ok(raise)
}

/// Two features round down, so their difference may show as the unit around either end.
fn read_difference(
    place: &Place<'_>,
    field: &str,
    feature: usize,
    width: i32,
    text: &Spanned<Value>,
) -> Result<Difference, ClaimError> {
    let (low, high) = read_units(place, field, text)?;
    let error = |expected: &str| place.of(text, field, expected);
    let width = i128::from(width);
    let (low, high) = (low.floor_units(0), high.ceil_units());
    if low < width.saturating_neg() || high > width {
        let expected = format!("differences within {width} units of 2^-16, the feature's width");
        return Err(error(&expected));
    }
    match (i32::try_from(low), i32::try_from(high)) {
        (Ok(0), Ok(0)) => Err(error("a range beside zero")),
        (Ok(low), Ok(high)) if low <= high => Ok(Difference { feature, low, high }),
        _ => Err(error("a range with its lower end first")),
    }
}

/// What names the first input's value of a feature.
const FIRST: &str = "first.";
