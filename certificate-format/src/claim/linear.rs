//! Linear constraints as text: `rate - 0.5*last_step <= 0.6`.

use std::collections::BTreeMap;

use super::decimal::Decimal;
use super::{MAX_BOUND, MAX_COEFFICIENT};

/// Σ coefficient · name ≤ bound, scaled to integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Linear {
    pub(super) terms: BTreeMap<String, i64>,
    pub(super) bound: i64,
}

/// What the text should have had, and what it has.
pub(super) type Mismatch = (&'static str, String);

/// Reads a constraint. `≥` is negated; the coefficients are multiplied by the smallest power of
/// ten that makes them integers, and the bound is then rounded down, which changes nothing for
/// integer inputs.
pub(super) fn parse(text: &str) -> Result<Linear, Mismatch> {
    let (left, right, at_least) = match (text.split_once("<="), text.split_once(">=")) {
        (Some((left, right)), None) => (left, right, false),
        (None, Some((left, right))) => (left, right, true),
        _ => return Err(("a sum, one <= or >=, and a decimal", text.to_owned())),
    };
    let bound = Decimal::parse(right.trim())
        .ok_or_else(|| ("a decimal on the right", right.trim().to_owned()))?;
    let mut terms = BTreeMap::<String, Decimal>::new();
    for (negative, term) in split_terms(left)? {
        let (coefficient, name) = read_term(&term)?;
        let signed = if negative == at_least {
            coefficient
        } else {
            coefficient.negated()
        };
        let sum = terms.get(&name).map_or(signed, |old| old.plus(signed));
        terms.insert(name, sum);
    }
    let bound = if at_least { bound.negated() } else { bound };
    scale(&terms, bound)
}

/// Splits `a - b + c` into signed terms.
fn split_terms(text: &str) -> Result<Vec<(bool, String)>, Mismatch> {
    let mut terms = vec![];
    let mut negative = false;
    let mut term = String::new();
    for character in text.trim().chars() {
        if character != '+' && character != '-' {
            term.push(character);
            continue;
        }
        let leading = terms.is_empty() && character == '-' && !negative;
        if !term.trim().is_empty() {
            terms.push((negative, term.trim().to_owned()));
        } else if !leading {
            return Err(("a term between two signs", text.trim().to_owned()));
        }
        term.clear();
        negative = character == '-';
    }
    if term.trim().is_empty() {
        return Err(("a term after the last sign", text.trim().to_owned()));
    }
    terms.push((negative, term.trim().to_owned()));
    Ok(terms)
}

/// Reads `name` or `decimal*name`.
fn read_term(term: &str) -> Result<(Decimal, String), Mismatch> {
    let expected = "terms like rate or 0.5*last_step";
    let (coefficient, name) = match term.split_once('*') {
        Some((coefficient, name)) => (Decimal::parse(coefficient.trim()), name.trim()),
        None => (Some(Decimal::ONE), term),
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "_.".contains(character)
        });
    match coefficient {
        Some(coefficient) if is_name => Ok((coefficient, name.to_owned())),
        _ => Err((expected, term.to_owned())),
    }
}

fn scale(terms: &BTreeMap<String, Decimal>, bound: Decimal) -> Result<Linear, Mismatch> {
    let places = terms.values().map(|term| term.places()).max().unwrap_or(0);
    let mut scaled = BTreeMap::new();
    for (name, &coefficient) in terms {
        if coefficient == Decimal::ZERO {
            return Err(("coefficients that do not cancel", format!("0*{name}")));
        }
        let value = coefficient.scaled(places);
        let integer = i64::try_from(value)
            .ok()
            .filter(|value| value.abs() <= MAX_COEFFICIENT)
            .ok_or_else(|| {
                let expected = "coefficients within 2^31 once scaled to integers";
                (expected, format!("{value}*{name}"))
            })?;
        scaled.insert(name.clone(), integer);
    }
    let units = bound.floor_units(places);
    let bound = i64::try_from(units)
        .ok()
        .filter(|bound| bound.abs() <= MAX_BOUND)
        .ok_or_else(|| ("a right-hand side within 2^40", units.to_string()))?;
    Ok(Linear {
        terms: scaled,
        bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(list: &[(&str, i64)]) -> BTreeMap<String, i64> {
        list.iter().map(|&(name, c)| (name.to_owned(), c)).collect()
    }

    #[test]
    fn coefficients_are_scaled_together_and_at_least_is_negated() {
        let smooth = parse("rate - 0.5*last_step <= 0.6").unwrap();
        assert_eq!(smooth.terms, terms(&[("last_step", -5), ("rate", 10)]));
        assert_eq!(smooth.bound, 393_216);
        let fills = parse("rate >= 0.02").unwrap();
        assert_eq!(fills.terms, terms(&[("rate", -1)]));
        assert_eq!(
            fills.bound, -1311,
            "0.02 · 65536 = 1310.72, so −rate ≤ −1311"
        );
        let signs = parse("-a - 2*b + a + a >= -1").unwrap();
        assert_eq!(signs.terms, terms(&[("a", -1), ("b", 2)]));
        assert_eq!(signs.bound, 65_536);
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for bad in [
            "rate",
            "rate < 1",
            "rate <= x",
            "<= 1",
            "rate + <= 1",
            "rate -- x <= 1",
            "2 <= 1",
            "rate*2 <= 1",
            "rate - rate <= 1",
            "Rate <= 1",
            "a <= 1 <= 2",
            "a >= 1 <= 2",
            "+a <= 1",
            "0.123456789*a + 999999999*b <= 1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
