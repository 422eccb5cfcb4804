//! Claims and feature vectors for people to read.

use std::path::Path;

use serde::Serialize;
use tautline_abstract_interp::Evaluation;
use tautline_certificates::claim::{Claim, ClaimKind, Constraint, RatioClaim};
use tautline_certificates::closed_loop::{Buffer, LoopBounds, LoopClaim, PathFamily};
use tautline_core::features::{Feature, FeatureTable};
use tautline_core::policy::ModelHeader;

use crate::exact::{at_least, at_most, inequality, range as ends};

/// Units of features and heads per one.
const ONE: f64 = 65_536.0;

/// `given`: the features that a claim restricts; "everywhere" if none.
pub(crate) fn region(claim: &Claim, table: &FeatureTable) -> String {
    let bounds = table.features.iter().zip(&claim.region.bounds);
    let parts = bounds.filter_map(|(feature, &(low, high))| {
        let (least, most) = (feature.low.units(), feature.high.units());
        let name = feature.name;
        match (low > least, high < most) {
            (false, false) => None,
            (true, false) => Some(format!("{name} ≥ {}", at_least(low.into()))),
            (false, true) if low != high => Some(format!("{name} ≤ {}", at_most(high.into()))),
            (_, true) => Some(ends(name, low.into(), high.into())),
        }
    });
    let mut parts: Vec<_> = parts.collect();
    for fact in &claim.region.linear {
        let terms = fact.terms.iter();
        let terms =
            terms.map(|&(index, coefficient)| (coefficient, feature_name(table, index).to_owned()));
        parts.push(inequality(&terms.collect::<Vec<_>>(), fact.bound));
    }
    parts.extend(difference(&claim.kind, table));
    if parts.is_empty() {
        "everywhere".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The range of a feature in a claim's region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FeatureRange {
    /// The feature.
    pub(crate) feature: &'static str,
    /// What it measures; features are pure numbers.
    pub(crate) meaning: &'static str,
    /// Ends of the range, exact as well: multiples of 2⁻¹⁶ are doubles.
    pub(crate) low: f64,
    /// See `low`.
    pub(crate) high: f64,
    /// Ends of the range, exact, in units of 2⁻¹⁶.
    pub(crate) low_units: i32,
    /// See `low_units`.
    pub(crate) high_units: i32,
}

/// The ranges of the features that a claim restricts.
pub(crate) fn ranges(claim: &Claim, table: &FeatureTable) -> Vec<FeatureRange> {
    ranges_of(&claim.region.bounds, table)
}

/// The ranges of the features that a box restricts.
pub(crate) fn ranges_of(bounds: &[(i32, i32)], table: &FeatureTable) -> Vec<FeatureRange> {
    let bounds = table.features.iter().zip(bounds);
    let restricted =
        bounds.filter(|(feature, bounds)| **bounds != (feature.low.units(), feature.high.units()));
    restricted.map(range).collect()
}

/// The ranges of what a second input has more, for the features that may differ at all.
pub(crate) fn changes_of(changes: &[(i32, i32)], table: &FeatureTable) -> Vec<FeatureRange> {
    let changes = table.features.iter().zip(changes);
    let differing = changes.filter(|(_, ends)| **ends != (0, 0));
    differing.map(range).collect()
}

fn range((feature, &(low_units, high_units)): (&Feature, &(i32, i32))) -> FeatureRange {
    FeatureRange {
        feature: feature.name,
        meaning: feature.meaning,
        low: f64::from(low_units) / ONE,
        high: f64::from(high_units) / ONE,
        low_units,
        high_units,
    }
}

/// Text that somebody else wrote, without letters that move a terminal's cursor, end the line, turn
/// the direction of reading or cannot be seen.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                out.extend(letter.escape_unicode());
            }
            _ if letter.is_control() => out.extend(letter.escape_default()),
            _ => out.push(letter),
        }
    }
    out
}

/// A path that somebody else may have named, as [`plain`] text.
pub(crate) fn plain_path(path: &Path) -> String {
    plain(&path.to_string_lossy())
}

/// How the two inputs of a pair claim differ.
fn difference(kind: &ClaimKind, table: &FeatureTable) -> Vec<String> {
    let (differ, between) = match kind {
        ClaimKind::Point => return vec![],
        ClaimKind::Pair { raise } => {
            let names: Vec<_> = raise.iter().map(|&at| feature_name(table, at)).collect();
            return vec![format!("raising {}", names.join(", "))];
        }
        ClaimKind::Difference { differ, between } => (differ, between),
    };
    let ranges = differ.iter().map(|one| {
        let name = feature_name(table, one.feature);
        let change = format!("change of {name}");
        ends(&change, one.low.into(), one.high.into())
    });
    let facts = between.iter().map(|fact| {
        let terms = fact.terms.iter().map(|&(at, coefficient)| {
            let name = match at.checked_sub(table.features.len()) {
                None => format!("change of {}", feature_name(table, at)),
                Some(first) => feature_name(table, first).to_owned(),
            };
            (coefficient, name)
        });
        inequality(&terms.collect::<Vec<_>>(), fact.bound)
    });
    ranges.chain(facts).collect()
}

/// `given` of a closed-loop claim.
pub(crate) fn family(claim: &LoopClaim) -> String {
    let PathFamily {
        jitter,
        log_bdp,
        buffer: depth,
    } = claim.family;
    let (from, below) = claim.start;
    let assumed = match claim.losses.names() {
        [] => String::new(),
        names => format!(", assuming {}", names.join(", ")),
    };
    format!(
        "jitter ≤ {} base RTT, {}, {}, window at first from 2^{} to below 2^{} of the BDP{assumed}",
        at_most(jitter.into()),
        bdp(log_bdp),
        buffer(depth),
        octaves(from),
        octaves(below)
    )
}

/// `given` of a claim about two flows.
pub(crate) fn ratio_given(claim: &RatioClaim) -> String {
    let closes = claim.closes.iter().map(|name| format!(", {}", plain(name)));
    format!(
        "{}, {}{} and {} hold, jitter ≤ {} base RTT",
        plain(&claim.window),
        plain(&claim.memory),
        closes.collect::<String>(),
        plain(&claim.noise),
        at_most(claim.jitter.into())
    )
}

/// `then` of a claim about two flows.
pub(crate) fn ratio_then(claim: &RatioClaim) -> String {
    let most = at_most(claim.log_ratio.into());
    format!("log₂ of the ratio of throughputs ≤ {most}")
}

/// A range of bandwidth-delay products.
pub(crate) fn bdp((low, high): (i32, i32)) -> String {
    format!("BDP 2^{} to 2^{} datagrams", octaves(low), octaves(high))
}

/// A range of buffers.
pub(crate) fn buffer(range: Buffer) -> String {
    let Buffer { least, most } = range;
    match most {
        Some(most) => format!("{} BDP", ends("buffer", least.into(), most.into())),
        None => format!("buffer ≥ {} BDP", at_least(least.into())),
    }
}

/// `then` of a closed-loop claim.
pub(crate) fn bounds(claim: &LoopClaim) -> String {
    let LoopBounds {
        utilisation,
        queue,
        rounds,
    } = claim.then;
    format!(
        "utilisation ≥ {} and queue ≤ {} base RTT after {rounds} rounds",
        at_least(utilisation.into()),
        at_most(queue.into())
    )
}

/// Units of 2⁻⁸, exactly.
pub(crate) fn octaves(units: i32) -> String {
    let text = (f64::from(units) / 256.0).to_string();
    text.replace('-', "−")
}

/// `then`: what a claim's constraints say, joined by "and".
pub(crate) fn conclusion(claim: &Claim, table: &FeatureTable) -> String {
    let constraints = claim.constraints.iter();
    let parts = constraints.map(|one| constraint(one, &claim.kind, table));
    parts.collect::<Vec<_>>().join(" and ")
}

/// One constraint: `rate − 0.5·last_step ≤ 0.6`.
pub(crate) fn constraint(one: &Constraint, kind: &ClaimKind, table: &FeatureTable) -> String {
    let change = match kind {
        ClaimKind::Point => "",
        ClaimKind::Pair { .. } | ClaimKind::Difference { .. } => "change of ",
    };
    let heads = one.heads.iter();
    let mut terms: Vec<_> = heads
        .map(|&(head, coefficient)| (coefficient, format!("{change}{}", head.name())))
        .collect();
    terms.extend(one.features.iter().map(|&(index, coefficient)| {
        let name = feature_name(table, index);
        (coefficient, format!("{change}{name}"))
    }));
    inequality(&terms, one.bound)
}

/// Features and heads of one input, a line each: name, value, meaning.
pub(crate) fn evaluation(at: &Evaluation, header: &ModelHeader) -> Vec<(String, f64, String)> {
    let table = header.table();
    let features = table.features.iter().zip(&at.features);
    let features = features.map(|(feature, &value)| {
        let meaning = feature.meaning.to_owned();
        (feature.name.to_owned(), f64::from(value) / ONE, meaning)
    });
    let heads = header.head_list().iter().zip(&at.heads);
    let heads = heads.map(|(head, &value)| {
        let meaning = "what the model answers".to_owned();
        (head.kind.name().to_owned(), f64::from(value) / ONE, meaning)
    });
    features.chain(heads).collect()
}

fn feature_name(table: &FeatureTable, index: usize) -> &'static str {
    table
        .features
        .get(index)
        .map_or("?", |feature| feature.name)
}

/// With a real minus sign and without trailing zeros, to four places or as many more as tell
/// multiples of 2⁻¹⁶ apart; nothing but zero reads as zero.
pub(crate) fn decimal(value: f64) -> String {
    let size = value.abs();
    let near = |text: &String| {
        let read = text.parse::<f64>().unwrap_or(0.0);
        (read - size).abs() < 0.5 / ONE && (read > 0.0 || size <= 0.0)
    };
    let mut texts = (4..=5).map(|places| format!("{size:.places$}"));
    let text = texts.find(near).unwrap_or_else(|| size.to_string());
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if value < 0.0 {
        format!("−{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read_claims;
    use tautline_certificates::claim::ClaimSet;
    use tautline_core::features::TABLE_1;

    const CLAIMS: &str = r#"version = 1
feature_table = 1

[[claim]]
name = "region"
kind = "point"
says = "Every form of a bound."
given = { queueing = ["0", "0.25"], standing_queue = ["0.125", "2"], loss = ["0", "0"], ce = ["0.5", "0.75"] }
then = ["rate >= 0.02"]

[[claim]]
name = "everywhere"
kind = "point"
says = "No bound, and a feature in the conclusion."
then = ["rate - 0.5*last_step <= 0.6", "rate <= -0.1"]

[[claim]]
name = "pair"
kind = "pair"
says = "Two inputs."
raise = ["queueing", "loss"]
then = ["rate <= 0"]
"#;

    fn in_words(claims: &ClaimSet) -> Vec<(String, String)> {
        let claims = claims.claims.iter();
        claims
            .map(|claim| (region(claim, &TABLE_1), conclusion(claim, &TABLE_1)))
            .collect()
    }

    #[test]
    fn claims_read_as_they_are_written() {
        let claims = ClaimSet::from_toml(CLAIMS, "claims.toml").unwrap();
        let expected = [
            (
                "queueing ≤ 0.25, standing_queue ≥ 0.125, loss = 0, ce in 0.5 to 0.75",
                "rate ≥ 0.02",
            ),
            ("everywhere", "rate − 0.5·last_step ≤ 0.6 and rate ≤ −0.1"),
            ("raising queueing, loss", "change of rate ≤ 0"),
        ];
        let expected = expected.map(|(given, then)| (given.to_owned(), then.to_owned()));
        assert_eq!(in_words(&claims), expected);
    }

    #[test]
    fn the_range_of_a_feature_is_exact_and_rounded() {
        let claims = ClaimSet::from_toml(CLAIMS, "claims.toml").unwrap();
        let ranges = ranges(&claims.claims[0], &TABLE_1);
        let names: Vec<_> = ranges.iter().map(|it| it.feature).collect();
        assert_eq!(names, ["queueing", "standing_queue", "loss", "ce"]);
        assert_eq!((ranges[0].high, ranges[0].high_units), (0.25, 16_384));
    }

    #[test]
    fn nothing_but_zero_reads_as_zero_and_no_two_units_alike() {
        assert_eq!(decimal(0.0), "0");
        assert_eq!(decimal(-0.25), "−0.25");
        assert_eq!(decimal(100.0), "100");
        assert_eq!(decimal(1.0 / ONE), "0.00002");
        assert_eq!(decimal(-1e-9), "−0.000000001");
        let texts: Vec<_> = (-70_000..70_000)
            .map(|units| decimal(f64::from(units) / ONE))
            .collect();
        assert!(texts.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn letters_that_move_a_terminal_are_written_out() {
        let hostile = "a\u{1b}[2J\n::error::\u{202e}x\u{2066}é";
        assert_eq!(
            plain(hostile),
            "a\\u{1b}[2J\\n::error::\\u{202e}x\\u{2066}é"
        );
    }

    #[test]
    fn standard_claims_have_no_unnamed_part() {
        let claims = in_words(&read_claims(None).unwrap());
        assert!(claims.len() >= 6, "{claims:?}");
        for (given, then) in claims {
            assert!(!given.is_empty() && !given.contains('?'), "{given}");
            assert!(then.contains("rate") && !then.contains('?'), "{then}");
        }
    }
}
