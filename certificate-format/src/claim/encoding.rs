//! The canonical binary encoding of a claim set.
//!
//! Decoding accepts only what encoding produces: positions increase, coefficients are not zero,
//! bounds lie in the table's ranges, and nothing follows the last claim. Closed-loop claims, if there
//! are any, follow the others; a set without them ends where it ended before there were any.

use tautline_core::features::FeatureTable;
use tautline_core::policy::{Digest, HeadKind};

use super::{
    Claim, ClaimKind, ClaimSet, Constraint, Difference, EncodingError, LinearConstraint, MAX_BOUND,
    MAX_CLAIMS, MAX_COEFFICIENT, MAX_TEXT, RatioClaim, Region, loop_bytes, pair::width, ratio,
};
use crate::bytes::{Reader, Short};
use crate::closed_loop::LoopClaim;

impl ClaimSet {
    /// The canonical encoding.
    ///
    /// # Errors
    /// [`EncodingError`] where the set is not one that decoding would accept.
    pub fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        self.validate()?;
        let mut out = vec![];
        out.extend(self.feature_table.to_le_bytes());
        out.extend(count_u16(self.claims.len()));
        for claim in &self.claims {
            encode_claim(&mut out, claim);
        }
        if !self.loops.is_empty() || !self.ratios.is_empty() {
            out.extend(count_u16(self.loops.len()));
        }
        for claim in &self.loops {
            loop_bytes::encode(&mut out, claim);
        }
        if !self.ratios.is_empty() {
            out.extend(count_u16(self.ratios.len()));
        }
        for claim in &self.ratios {
            ratio::encode(&mut out, claim);
        }
        Ok(out)
    }

    /// The digest of the canonical encoding.
    ///
    /// # Errors
    /// As [`ClaimSet::encode`].
    pub fn digest(&self) -> Result<Digest, EncodingError> {
        Ok(Digest::of(&self.encode()?))
    }

    /// Reads a canonical encoding.
    ///
    /// # Errors
    /// [`EncodingError`] for anything that [`ClaimSet::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::new(bytes);
        let feature_table = reader.u16()?;
        let count = usize::from(reader.u16()?);
        let least = usize::from(reader.remaining() == 0);
        in_range(0, "claim count", count, least, MAX_CLAIMS)?;
        let claims = (0..count)
            .map(|claim| decode_claim(&mut reader, claim))
            .collect::<Result<_, _>>()?;
        let loops = match reader.remaining() {
            0 => vec![],
            _ => decode_loops(&mut reader, count)?,
        };
        let ratios = match reader.remaining() {
            0 => vec![],
            _ => decode_ratios(&mut reader, count.saturating_add(loops.len()))?,
        };
        if reader.remaining() != 0 {
            return Err(EncodingError::Trailing {
                got: reader.remaining(),
            });
        }
        let set = Self {
            feature_table,
            claims,
            loops,
            ratios,
        };
        set.validate()?;
        Ok(set)
    }

    /// Checks everything that decoding promises.
    ///
    /// # Errors
    /// [`EncodingError`] naming the claim and the field.
    pub fn validate(&self) -> Result<(), EncodingError> {
        let table = self.table().ok_or(EncodingError::UnknownFeatureTable {
            got: self.feature_table,
        })?;
        in_range(0, "claim count", self.count(), 1, MAX_CLAIMS)?;
        for (number, claim) in self.claims.iter().enumerate() {
            claim.validate(number, table)?;
        }
        for (number, claim) in self.loops.iter().enumerate() {
            claim.validate(self.claims.len().saturating_add(number))?;
        }
        for (number, claim) in self.ratios.iter().enumerate() {
            claim.validate(self.count().saturating_add(number))?;
        }
        let names = self.claims.iter().map(|claim| &claim.name);
        let names = names.chain(self.loops.iter().map(|claim| &claim.name));
        let names: Vec<_> = names
            .chain(self.ratios.iter().map(|claim| &claim.name))
            .collect();
        for (second, name) in names.iter().enumerate() {
            let earlier = names.iter().take(second).position(|other| other == name);
            if let Some(first) = earlier {
                return Err(EncodingError::DuplicateName { first, second });
            }
        }
        Ok(())
    }
}

/// The closed-loop claims behind `before` others.
fn decode_loops(reader: &mut Reader<'_>, before: usize) -> Result<Vec<LoopClaim>, EncodingError> {
    let count = usize::from(reader.u16()?);
    let most = MAX_CLAIMS.saturating_sub(before);
    let numbers = before..before.saturating_add(count);
    let claims = numbers
        .map(|claim| loop_bytes::decode(reader, claim))
        .collect::<Result<_, _>>()?;
    // None at all is written only where claims of the next kind follow.
    let least = usize::from(reader.remaining() == 0);
    in_range(before, "closed-loop claim count", count, least, most)?;
    Ok(claims)
}

/// The claims about two flows behind `before` others.
fn decode_ratios(reader: &mut Reader<'_>, before: usize) -> Result<Vec<RatioClaim>, EncodingError> {
    let count = usize::from(reader.u16()?);
    in_range(before, "ratio claim count", count, 1, MAX_CLAIMS)?;
    let numbers = before..before.saturating_add(count);
    numbers.map(|claim| ratio::decode(reader, claim)).collect()
}

impl From<Short> for EncodingError {
    fn from(short: Short) -> Self {
        Self::Truncated {
            needed: short.needed,
            got: short.got,
        }
    }
}

impl Claim {
    /// Checks everything that decoding promises of one claim, the `number`-th of its set, over a
    /// table.
    ///
    /// # Errors
    /// [`EncodingError`] naming the claim and the field.
    pub fn validate(&self, number: usize, table: &FeatureTable) -> Result<(), EncodingError> {
        let features = table.features.len();
        in_range(number, "name length", self.name.len(), 1, MAX_TEXT)?;
        in_range(number, "sentence length", self.says.len(), 0, MAX_TEXT)?;
        let bounds = &self.region.bounds;
        in_range(number, "bounds", bounds.len(), features, features)?;
        for (&(low, high), feature) in bounds.iter().zip(table.features) {
            let (least, most) = (feature.low.units(), feature.high.units());
            field(number, "lower bound", low.into(), least.into(), most.into())?;
            field(number, "upper bound", high.into(), low.into(), most.into())?;
        }
        validate_kind(number, self, table)?;
        let room = MAX_FACTS.saturating_sub(table.links.len());
        in_range(
            number,
            "region constraints",
            self.region.linear.len(),
            0,
            room,
        )?;
        for fact in &self.region.linear {
            validate_fact(number, fact, features)?;
        }
        in_range(number, "constraints", self.constraints.len(), 1, 255)?;
        for constraint in &self.constraints {
            let kinds = HeadKind::ALL.len();
            in_range(number, "heads", constraint.heads.len(), 1, kinds)?;
            let codes = constraint
                .heads
                .iter()
                .map(|(kind, _)| usize::from(kind.code()));
            increasing(number, "head", codes, 256)?;
            for &(_, coefficient) in &constraint.heads {
                validate_coefficient(number, coefficient)?;
            }
            validate_terms(number, &constraint.features, features)?;
            field(
                number,
                "constraint bound",
                constraint.bound,
                -MAX_BOUND,
                MAX_BOUND,
            )?;
        }
        Ok(())
    }
}

fn validate_kind(number: usize, claim: &Claim, table: &FeatureTable) -> Result<(), EncodingError> {
    let features = table.features.len();
    match &claim.kind {
        ClaimKind::Point => return Ok(()),
        ClaimKind::Pair { raise } => {
            in_range(number, "raised features", raise.len(), 1, features)?;
            increasing(number, "raised feature", raise.iter().copied(), features)?;
        }
        ClaimKind::Difference { differ, between } => {
            in_range(number, "differences", differ.len(), 1, features)?;
            let positions = differ.iter().map(|one| one.feature);
            increasing(number, "feature that differs", positions, features)?;
            for one in differ {
                let (low, high) = (i64::from(one.low), i64::from(one.high));
                let widest = i64::from(width(&Region::whole(table), one.feature));
                let reach = i64::from(width(&claim.region, one.feature));
                field(
                    number,
                    "smallest difference",
                    low,
                    widest.saturating_neg(),
                    reach,
                )?;
                let least = low.max(reach.saturating_neg()).max(i64::from(low == 0));
                field(number, "largest difference", high, least, widest)?;
            }
            in_range(number, "constraints between", between.len(), 0, 255)?;
            for fact in between {
                validate_between(number, fact, differ, features)?;
            }
        }
    }
    let facts = claim.pair_facts(table).len();
    in_range(number, "facts about a pair", facts, 0, MAX_FACTS)
}

/// A constraint over changes, of features that differ only, and over the first input.
fn validate_between(
    number: usize,
    fact: &LinearConstraint,
    differ: &[Difference],
    features: usize,
) -> Result<(), EncodingError> {
    validate_fact(number, fact, features.saturating_mul(2))?;
    let differs = |at: usize| differ.iter().any(|one| one.feature == at);
    let mut positions = fact.terms.iter().map(|term| term.0);
    let still = positions.find(|&at| at < features && !differs(at));
    still.map_or(Ok(()), |feature| {
        let claim = number;
        Err(EncodingError::NoDifference { claim, feature })
    })
}

fn validate_fact(
    number: usize,
    fact: &LinearConstraint,
    places: usize,
) -> Result<(), EncodingError> {
    let (terms, bound) = (&fact.terms, fact.bound);
    in_range(number, "constraint terms", terms.len(), 1, places)?;
    validate_terms(number, terms, places)?;
    field(number, "constraint bound", bound, -MAX_BOUND, MAX_BOUND)
}

fn validate_terms(
    number: usize,
    terms: &[(usize, i64)],
    features: usize,
) -> Result<(), EncodingError> {
    increasing(number, "feature", terms.iter().map(|term| term.0), features)?;
    terms
        .iter()
        .try_for_each(|&(_, coefficient)| validate_coefficient(number, coefficient))
}

fn validate_coefficient(number: usize, coefficient: i64) -> Result<(), EncodingError> {
    let least = if coefficient == 0 {
        1
    } else {
        -MAX_COEFFICIENT
    };
    field(number, "coefficient", coefficient, least, MAX_COEFFICIENT)
}

/// Positions strictly increase and stay below `end`.
fn increasing(
    number: usize,
    name: &'static str,
    positions: impl Iterator<Item = usize>,
    end: usize,
) -> Result<(), EncodingError> {
    let mut least = 0;
    for position in positions {
        in_range(number, name, position, least, end.saturating_sub(1))?;
        least = position.saturating_add(1);
    }
    Ok(())
}

pub(super) fn in_range(
    claim: usize,
    name: &'static str,
    got: usize,
    low: usize,
    high: usize,
) -> Result<(), EncodingError> {
    let wide = |value| i64::try_from(value).unwrap_or(i64::MAX);
    field(claim, name, wide(got), wide(low), wide(high))
}

pub(super) fn field(
    claim: usize,
    field: &'static str,
    got: i64,
    low: i64,
    high: i64,
) -> Result<(), EncodingError> {
    if (low..=high).contains(&got) {
        return Ok(());
    }
    Err(EncodingError::Field {
        claim,
        field,
        low,
        high,
        got,
    })
}

fn encode_claim(out: &mut Vec<u8>, claim: &Claim) {
    encode_text(out, &claim.name);
    encode_text(out, &claim.says);
    match &claim.kind {
        ClaimKind::Point => out.push(KIND_POINT),
        ClaimKind::Pair { raise } => {
            out.push(KIND_PAIR);
            out.push(count_u8(raise.len()));
            out.extend(raise.iter().copied().map(count_u8));
        }
        ClaimKind::Difference { differ, between } => {
            out.push(KIND_DIFFERENCE);
            out.push(count_u8(differ.len()));
            for one in differ {
                out.push(count_u8(one.feature));
                out.extend(one.low.to_le_bytes());
                out.extend(one.high.to_le_bytes());
            }
            encode_facts(out, between);
        }
    }
    out.push(count_u8(claim.region.bounds.len()));
    for (low, high) in &claim.region.bounds {
        out.extend(low.to_le_bytes());
        out.extend(high.to_le_bytes());
    }
    encode_facts(out, &claim.region.linear);
    out.push(count_u8(claim.constraints.len()));
    for constraint in &claim.constraints {
        out.push(count_u8(constraint.heads.len()));
        for (kind, coefficient) in &constraint.heads {
            out.push(kind.code());
            out.extend(coefficient.to_le_bytes());
        }
        encode_terms(out, &constraint.features);
        out.extend(constraint.bound.to_le_bytes());
    }
}

pub(super) fn encode_text(out: &mut Vec<u8>, text: &str) {
    out.extend(count_u16(text.len()));
    out.extend(text.as_bytes());
}

fn encode_facts(out: &mut Vec<u8>, facts: &[LinearConstraint]) {
    out.push(count_u8(facts.len()));
    for fact in facts {
        encode_terms(out, &fact.terms);
        out.extend(fact.bound.to_le_bytes());
    }
}

fn encode_terms(out: &mut Vec<u8>, terms: &[(usize, i64)]) {
    out.push(count_u8(terms.len()));
    for &(index, coefficient) in terms {
        out.push(count_u8(index));
        out.extend(coefficient.to_le_bytes());
    }
}

fn decode_claim(reader: &mut Reader<'_>, claim: usize) -> Result<Claim, EncodingError> {
    let name = decode_text(reader, claim, "name")?;
    let says = decode_text(reader, claim, "sentence")?;
    let kind = match reader.u8()? {
        KIND_POINT => ClaimKind::Point,
        KIND_PAIR => ClaimKind::Pair {
            raise: decode_list(reader, |reader| Ok(usize::from(reader.u8()?)))?,
        },
        KIND_DIFFERENCE => ClaimKind::Difference {
            differ: decode_list(reader, |reader| {
                Ok(Difference {
                    feature: usize::from(reader.u8()?),
                    low: reader.i32()?,
                    high: reader.i32()?,
                })
            })?,
            between: decode_facts(reader)?,
        },
        other => {
            let (low, high) = (i64::from(KIND_POINT), i64::from(KIND_DIFFERENCE));
            return field(claim, "kind", i64::from(other), low, high).and(Err(
                EncodingError::Text {
                    claim,
                    field: "kind",
                },
            ));
        }
    };
    let bounds = decode_list(reader, |reader| Ok((reader.i32()?, reader.i32()?)))?;
    let linear = decode_facts(reader)?;
    let constraints = decode_list(reader, |reader| {
        let heads = decode_list(reader, |reader| {
            let code = reader.u8()?;
            let kind = HeadKind::from_code(code).ok_or_else(|| EncodingError::Field {
                claim,
                field: "head",
                low: 1,
                high: 4,
                got: i64::from(code),
            })?;
            Ok((kind, reader.i64()?))
        })?;
        Ok(Constraint {
            heads,
            features: decode_terms(reader)?,
            bound: reader.i64()?,
        })
    })?;
    Ok(Claim {
        name,
        says,
        kind,
        region: Region { bounds, linear },
        constraints,
    })
}

pub(super) fn decode_text(
    reader: &mut Reader<'_>,
    claim: usize,
    field: &'static str,
) -> Result<String, EncodingError> {
    let length = usize::from(reader.u16()?);
    let text = core::str::from_utf8(reader.slice(length)?);
    text.map(str::to_owned)
        .map_err(|_| EncodingError::Text { claim, field })
}

fn decode_facts(reader: &mut Reader<'_>) -> Result<Vec<LinearConstraint>, EncodingError> {
    decode_list(reader, |reader| {
        Ok(LinearConstraint {
            terms: decode_terms(reader)?,
            bound: reader.i64()?,
        })
    })
}

fn decode_terms(reader: &mut Reader<'_>) -> Result<Vec<(usize, i64)>, EncodingError> {
    decode_list(reader, |reader| {
        Ok((usize::from(reader.u8()?), reader.i64()?))
    })
}

/// A count of one byte, then the items.
fn decode_list<T>(
    reader: &mut Reader<'_>,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, EncodingError>,
) -> Result<Vec<T>, EncodingError> {
    let count = reader.u8()?;
    (0..count).map(|_| item(reader)).collect()
}

/// Counts and positions fit because [`ClaimSet::validate`] has run.
fn count_u8(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

fn count_u16(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes()
}

const KIND_POINT: u8 = 1;
const KIND_PAIR: u8 = 2;
const KIND_DIFFERENCE: u8 = 3;
/// Witnesses name a fact by one byte.
const MAX_FACTS: usize = 255;
