//! Claims files: TOML in, integers out, every mistake with its place.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tautline_core::features::FeatureTable;
use tautline_core::policy::HeadKind;
use toml::Spanned;

use super::decimal::Decimal;
use super::{
    Claim, ClaimError, ClaimKind, ClaimSet, Constraint, LinearConstraint, MAX_CLAIMS, Region,
    linear, loop_file, pair, ratio,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: Spanned<i64>,
    feature_table: Spanned<i64>,
    claim: Vec<Spanned<RawClaim>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClaim {
    pub(super) name: Spanned<String>,
    kind: Spanned<String>,
    pub(super) says: Spanned<String>,
    #[serde(default)]
    pub(super) given: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(default, rename = "where")]
    pub(super) facts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) raise: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) differ: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(default)]
    pub(super) between: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) assume: Vec<Spanned<String>>,
    pub(super) then: Spanned<Vec<Spanned<String>>>,
}

/// What `given` says of one name.
pub(super) enum Value {
    One(String),
    Many(Vec<String>),
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::One(text) => write!(f, "{text:?}"),
            Self::Many(texts) => write!(f, "{texts:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("a decimal string or a list of them")
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::One(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut read = vec![];
        while let Some(text) = seq.next_element()? {
            read.push(text);
        }
        Ok(Value::Many(read))
    }
}

impl ClaimSet {
    /// Reads a claims file.
    ///
    /// # Errors
    /// [`ClaimError`] with the file, line and field of the first mistake.
    ///
    /// # Examples
    /// ```
    /// use tautline_certificate_format::claim::ClaimSet;
    /// let text = r#"
    /// version = 1
    /// feature_table = 1
    /// [[claim]]
    /// name = "bounded"
    /// kind = "point"
    /// says = "The rate head never exceeds one."
    /// then = ["rate <= 1"]
    /// "#;
    /// let claims = ClaimSet::from_toml(text, "bounded.toml")?;
    /// assert_eq!(claims.claims[0].constraints[0].bound, 65_536);
    /// # Ok::<(), tautline_certificate_format::claim::ClaimError>(())
    /// ```
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ClaimError> {
        let place = Place { file, text };
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            place.error(at, "claims file", "a claims file", error.message())
        })?;
        if *raw.version.get_ref() != 1 {
            return Err(place.of(&raw.version, "version", "1"));
        }
        let table = u16::try_from(*raw.feature_table.get_ref())
            .ok()
            .and_then(FeatureTable::by_version)
            .ok_or_else(|| place.of(&raw.feature_table, "feature_table", "a known table"))?;
        if raw.claim.is_empty() || raw.claim.len() > MAX_CLAIMS {
            let got = raw.claim.len().to_string();
            return Err(place.error(0, "claim", "1 to 256 claims", &got));
        }
        let mut set = Self {
            feature_table: table.version,
            claims: vec![],
            loops: vec![],
            ratios: vec![],
        };
        let mut names = BTreeSet::new();
        for raw in raw.claim.iter().map(Spanned::get_ref) {
            let name = raw.name.get_ref();
            if name.is_empty() {
                return Err(place.of(&raw.name, "name", "a name"));
            }
            if !names.insert(name) {
                return Err(place.of(&raw.name, "name", "a name not used before"));
            }
            if let Some(first) = raw.assume.first().filter(|_| raw.kind.get_ref() != "loop") {
                let expected = "assumptions in closed-loop claims only";
                return Err(place.of(first, &format!("{name}.assume"), expected));
            }
            match raw.kind.get_ref().as_str() {
                "loop" => set.loops.push(loop_file::read(&place, raw)?),
                "ratio" => set.ratios.push(ratio::read(&place, raw)?),
                _ => set.claims.push(read_claim(&place, table, raw)?),
            }
        }
        set.validate().map_err(|error| {
            place.error(
                0,
                "claims file",
                "claims within the limits",
                &error.to_string(),
            )
        })?;
        Ok(set)
    }
}

/// Where mistakes are.
pub(super) struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl Place<'_> {
    pub(super) fn error(&self, at: usize, field: &str, expected: &str, got: &str) -> ClaimError {
        let before = self.text.as_bytes().iter().take(at);
        let newlines = before.filter(|&&byte| byte == b'\n').count();
        ClaimError {
            file: self.file.to_owned(),
            line: newlines.saturating_add(1),
            field: field.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        }
    }

    pub(super) fn of<T: ToString>(
        &self,
        value: &Spanned<T>,
        field: &str,
        expected: &str,
    ) -> ClaimError {
        let got = value.get_ref().to_string();
        self.error(value.span().start, field, expected, &got)
    }
}

fn read_claim(
    place: &Place<'_>,
    table: &FeatureTable,
    raw: &RawClaim,
) -> Result<Claim, ClaimError> {
    let name = raw.name.get_ref();
    let kind = match raw.kind.get_ref().as_str() {
        "point" => {
            for (texts, field) in [(&raw.raise, "raise"), (&raw.between, "between")] {
                if let Some(first) = texts.first() {
                    let expected = "no raised feature, no second input in a point claim";
                    return Err(place.of(first, &format!("{name}.{field}"), expected));
                }
            }
            if let Some((feature, _)) = raw.differ.first_key_value() {
                let expected = "no raised feature, no second input in a point claim";
                return Err(place.of(feature, &format!("{name}.differ"), expected));
            }
            ClaimKind::Point
        }
        "pair" => pair::read_kind(place, table, raw)?,
        _ => {
            let expected = "\"point\", \"pair\", \"loop\" or \"ratio\"";
            return Err(place.of(&raw.kind, &format!("{name}.kind"), expected));
        }
    };
    let then = raw.then.get_ref();
    if then.is_empty() {
        let field = format!("{name}.then");
        return Err(place.error(raw.then.span().start, &field, "a constraint", "none"));
    }
    let constraints = then
        .iter()
        .map(|text| read_constraint(place, table, name, text));
    Ok(Claim {
        name: name.clone(),
        says: raw.says.get_ref().clone(),
        kind,
        region: read_region(place, table, raw)?,
        constraints: constraints.collect::<Result<_, _>>()?,
    })
}

fn read_region(
    place: &Place<'_>,
    table: &FeatureTable,
    raw: &RawClaim,
) -> Result<Region, ClaimError> {
    let mut region = Region::whole(table);
    for (feature, range) in &raw.given {
        let field = format!("{}.given.{}", raw.name.get_ref(), feature.get_ref());
        let known = table.index_of(feature.get_ref());
        let slot = known.and_then(|index| region.bounds.get_mut(index));
        let Some(slot) = slot else {
            return Err(place.of(feature, &field, "a feature of the table"));
        };
        *slot = read_range(place, &field, *slot, range)?;
    }
    let field = format!("{}.where", raw.name.get_ref());
    for text in &raw.facts {
        let position = |name: &str| table.index_of(name);
        let fact = read_linear(place, &field, text, position, "features of the table")?;
        region.linear.push(fact);
    }
    Ok(region)
}

/// A constraint over what `position` knows by name.
pub(super) fn read_linear(
    place: &Place<'_>,
    field: &str,
    text: &Spanned<String>,
    position: impl Fn(&str) -> Option<usize>,
    expected: &str,
) -> Result<LinearConstraint, ClaimError> {
    let error = |expected: &str, got: &str| place.error(text.span().start, field, expected, got);
    let read = linear::parse(text.get_ref()).map_err(|(expected, got)| error(expected, &got))?;
    let mut terms = vec![];
    for (name, coefficient) in read.terms {
        let index = position(&name).ok_or_else(|| error(expected, &name))?;
        terms.push((index, coefficient));
    }
    terms.sort_unstable();
    Ok(LinearConstraint {
        terms,
        bound: read.bound,
    })
}

/// Two decimals.
pub(super) fn read_units(
    place: &Place<'_>,
    field: &str,
    text: &Spanned<Value>,
) -> Result<(Decimal, Decimal), ClaimError> {
    let error = |expected: &str| place.of(text, field, expected);
    let pair = match text.get_ref() {
        Value::Many(texts) => texts.as_slice(),
        Value::One(_) => &[],
    };
    let [low, high] = pair else {
        return Err(error("two decimal strings, [low, high]"));
    };
    let low = Decimal::parse(low).ok_or_else(|| error("decimals like \"0.1\""))?;
    let high = Decimal::parse(high).ok_or_else(|| error("decimals like \"0.1\""))?;
    Ok((low, high))
}

/// The units between two decimals, which must lie in `range` and leave something between them.
fn read_range(
    place: &Place<'_>,
    field: &str,
    (least, most): (i32, i32),
    text: &Spanned<Value>,
) -> Result<(i32, i32), ClaimError> {
    let error = |expected: &str| place.of(text, field, expected);
    let (low, high) = read_units(place, field, text)?;
    // Features are rounded down, so a value from `low` on may show as the unit below it.
    let units = (low.floor_units(0), high.floor_units(0));
    let range = i128::from(least)..=i128::from(most);
    if !range.contains(&low.floor_units(0)) || !range.contains(&high.ceil_units()) {
        let expected = format!("bounds within the table's range, {least} to {most} units of 2^-16");
        return Err(error(&expected));
    }
    match (i32::try_from(units.0), i32::try_from(units.1)) {
        (Ok(low), Ok(high)) if low <= high => Ok((low, high)),
        _ => Err(error("a range that holds a multiple of 2^-16")),
    }
}

fn read_constraint(
    place: &Place<'_>,
    table: &FeatureTable,
    claim: &str,
    text: &Spanned<String>,
) -> Result<Constraint, ClaimError> {
    let field = format!("{claim}.then");
    let error = |expected: &str, got: &str| place.error(text.span().start, &field, expected, got);
    let read = linear::parse(text.get_ref()).map_err(|(expected, got)| error(expected, &got))?;
    let (mut heads, mut features) = (vec![], vec![]);
    for (name, coefficient) in read.terms {
        let head = HeadKind::ALL.into_iter().find(|kind| kind.name() == name);
        if let Some(kind) = head {
            heads.push((kind, coefficient));
        } else if let Some(index) = table.index_of(&name) {
            features.push((index, coefficient));
        } else {
            return Err(error("heads and features of the table", &name));
        }
    }
    if heads.is_empty() {
        return Err(error("at least one head", text.get_ref()));
    }
    heads.sort_unstable_by_key(|(kind, _)| kind.code());
    features.sort_unstable();
    Ok(Constraint {
        heads,
        features,
        bound: read.bound,
    })
}
