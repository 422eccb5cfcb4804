//! Bounds as decimals that say exactly what was proven.
//!
//! Features, heads and their differences are integers, in units of 2⁻¹⁶. A bound on them is
//! written as the shortest decimal that lets through the same integers and no other: `rate ≤ 0.6`
//! for 39 321 units, since 0.6 lies between 39 321 and 39 322 of them. Nothing is rounded to a
//! number that would be another claim.

/// Units per one.
const ONE: i128 = 65_536;

/// Places to which scaled coefficients are written; longer ones stay integers.
const MOST_PLACES: u32 = 12;

/// `x` with `x ≤ …` for a bound of `units`.
pub(crate) fn at_most(units: i64) -> String {
    bound(units.into(), ONE)
}

/// `x` with `x ≥ …` for a bound of `units`.
pub(crate) fn at_least(units: i64) -> String {
    negated(&bound(-i128::from(units), ONE))
}

/// `name in low to high`, or `name = value`.
pub(crate) fn range(name: &str, low: i64, high: i64) -> String {
    if low == high {
        return format!("{name} = {}", value(low));
    }
    format!("{name} in {} to {}", at_least(low), at_most(high))
}

/// Σ coefficient · name ≤ bound, with the first coefficient scaled to one where all others are
/// then short decimals; `bound` in units.
pub(crate) fn inequality(terms: &[(i64, String)], bound_units: i64) -> String {
    let first = terms.first().map_or(1, |&(coefficient, _)| coefficient);
    let flip = if first < 0 { -1 } else { 1 };
    let scale = i128::from(first.unsigned_abs());
    let scaled: Option<Vec<_>> = terms
        .iter()
        .map(|&(coefficient, _)| quotient(coefficient.unsigned_abs().into(), scale))
        .collect();
    let (sizes, scale) = scaled.map_or_else(
        || {
            let sizes = terms.iter().map(|(it, _)| it.unsigned_abs().to_string());
            (sizes.collect(), 1)
        },
        |sizes| (sizes, scale),
    );
    let mut text = String::new();
    for (number, ((coefficient, name), size)) in terms.iter().zip(sizes).enumerate() {
        text.push_str(match ((*coefficient < 0) == (first < 0), number) {
            (true, 0) => "",
            (true, _) => " + ",
            (false, _) => " − ",
        });
        if size != "1" {
            text.push_str(&size);
            text.push('·');
        }
        text.push_str(name);
    }
    let limit = bound(bound_units.into(), ONE.saturating_mul(scale));
    if flip < 0 {
        format!("{text} ≥ {}", negated(&limit))
    } else {
        format!("{text} ≤ {limit}")
    }
}

/// The shortest decimal `d` with ⌊d · denominator⌋ = numerator; the one next to the quotient among
/// those of its length.
fn bound(numerator: i128, denominator: i128) -> String {
    let mut power = 1i128;
    for places in 0.. {
        let (Some(least), Some(end)) = (
            numerator.checked_mul(power),
            numerator
                .checked_add(1)
                .and_then(|next| next.checked_mul(power)),
        ) else {
            break;
        };
        // ⌈least / denominator⌉
        let digits = -(-least).div_euclid(denominator);
        let Some(there) = digits.checked_mul(denominator) else {
            break;
        };
        if there < end {
            return decimal(digits, places);
        }
        let Some(next) = power.checked_mul(10) else {
            break;
        };
        power = next;
    }
    // Longer than any claim that a certificate can carry.
    format!("{numerator}/{denominator}")
}

/// A number of units, exactly.
fn value(units: i64) -> String {
    // 2⁻¹⁶ has sixteen places.
    let power = 10i128.pow(16) / ONE;
    decimal(i128::from(units).saturating_mul(power), 16)
}

/// `numerator / denominator`, both positive, where that is a short decimal.
fn quotient(numerator: i128, denominator: i128) -> Option<String> {
    (0..=MOST_PLACES).find_map(|places| {
        let scaled = numerator.checked_mul(10i128.checked_pow(places)?)?;
        let digits = scaled.checked_div(denominator)?;
        (digits.checked_mul(denominator)? == scaled).then(|| decimal(digits, places as usize))
    })
}

/// `digits / 10^places`, without trailing zeros and with a real minus sign.
fn decimal(digits: i128, places: usize) -> String {
    let sign = if digits < 0 { "−" } else { "" };
    let size = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
    let (whole, part) = size.split_at(size.len() - places);
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}

/// The other sign.
fn negated(number: &str) -> String {
    match number.strip_prefix('−') {
        Some(size) => size.to_owned(),
        None if number == "0" => number.to_owned(),
        None => format!("−{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tautline_certificates::claim::ClaimSet;

    /// The integers of a claim that says `then`.
    fn read(then: &str) -> (Vec<i64>, i64) {
        let then = then
            .replace('·', "*")
            .replace('−', "-")
            .replace('≤', "<=")
            .replace('≥', ">=");
        let text = format!(
            "version = 1\nfeature_table = 1\n[[claim]]\nname = \"a\"\nkind = \"point\"\n\
             says = \"b\"\nthen = [\"{then}\"]\n"
        );
        let mut claims = ClaimSet::from_toml(&text, "claims.toml").unwrap().claims;
        let one = claims.remove(0).constraints.remove(0);
        let heads = one.heads.iter().map(|it| it.1);
        (
            heads.chain(one.features.iter().map(|it| it.1)).collect(),
            one.bound,
        )
    }

    fn rate(coefficient: i64) -> (i64, String) {
        (coefficient, "rate".to_owned())
    }

    #[test]
    fn bounds_next_to_zero_are_not_zero() {
        assert_eq!(inequality(&[rate(1)], 2), "rate ≤ 0.00004");
        assert_eq!(inequality(&[rate(1)], 0), "rate ≤ 0");
        assert_eq!(inequality(&[rate(1)], -1), "rate ≤ −0.00001");
        assert_eq!(inequality(&[rate(-1)], -1), "rate ≥ 0.00001");
        assert_eq!(inequality(&[rate(-1)], 0), "rate ≥ 0");
        assert_eq!(range("x", -1, 1), "x in −0.00002 to 0.00002");
        assert_eq!(range("x", 1, 1), "x = 0.0000152587890625");
        assert_eq!(range("x", 0, 0), "x = 0");
        assert_eq!(range("x", -65_536, 98_304), "x in −1 to 1.5");
    }

    #[test]
    fn small_coefficients_are_written_and_thirds_stay_integers() {
        let last_step = |coefficient| (coefficient, "last_step".to_owned());
        assert_eq!(
            inequality(&[rate(1_000_000), last_step(-1)], 0),
            "rate − 0.000001·last_step ≤ 0"
        );
        assert_eq!(
            inequality(&[rate(-10), last_step(5)], -13_108),
            "rate − 0.5·last_step ≥ 0.02"
        );
        assert_eq!(
            inequality(&[rate(3), last_step(-7)], 65_536),
            "3·rate − 7·last_step ≤ 1"
        );
        assert_eq!(
            inequality(&[rate(-3), last_step(-7)], 65_536),
            "3·rate + 7·last_step ≥ −1"
        );
    }

    #[test]
    fn a_claim_that_is_copied_from_a_report_is_the_claim() {
        let bounds = [
            -65_537,
            -39_322,
            -6554,
            -1311,
            -3,
            -1,
            0,
            1,
            2,
            3,
            655,
            39_321,
            1 << 30,
        ];
        let mut copied = 0;
        // A claims file writes no longer scale than it needs, so not all are multiples of ten.
        for (first, other) in [
            (1, 1),
            (1, -7),
            (-10, 5),
            (100, -17),
            (-1000, 3),
            (10_000, 99_999),
        ] {
            let terms = [rate(first), (other, "last_step".to_owned())];
            for bound in bounds {
                let text = inequality(&terms, bound);
                assert_eq!(read(&text), (vec![first, other], bound), "{text}");
                copied += 1;
            }
        }
        assert_eq!(copied, 6 * bounds.len());
    }

    #[test]
    fn ends_let_through_their_integers_and_no_others() {
        let read = |text: &str| text.replace('−', "-").parse::<f64>().unwrap() * ONE as f64;
        let spread = (-200i64..200).map(|number| number * 10_737_418);
        for units in (-1000..1000).chain(spread) {
            let most = read(&at_most(units));
            assert!(most >= units as f64 && most < (units + 1) as f64, "{most}");
            let least = read(&at_least(units));
            assert!(
                least <= units as f64 && least > (units - 1) as f64,
                "{least}"
            );
            assert!((read(&value(units)) - units as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn numbers_beyond_any_certificate_are_written_all_the_same() {
        for (first, bound) in [(i64::MIN, i64::MIN), (i64::MAX, i64::MIN), (1, i64::MAX)] {
            let text = inequality(&[rate(first), rate(3)], bound);
            assert!(text.contains("rate"), "{text}");
        }
    }
}
