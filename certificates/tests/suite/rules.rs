//! Every proof rule, used well and badly; the model is `rate = x0 + x1`, `pacing = x2`.

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::FormatError;
use tautline_certificates::{CheckedCertificate, Reason, Rejection, Rule, Step, check};
use tautline_core::policy::{HeadKind, ModelHeader, Policy, Skip};

use crate::raw::{CORNER, INTERVAL, Raw, empty, linear, split, write};
use crate::support::{claims, file, header};

fn sum_model() -> (ModelHeader, Vec<i16>) {
    let header = header(0, &[], 2, Skip::None);
    let mut parameters = vec![0i16; header.parameter_count()];
    (parameters[0], parameters[1], parameters[17 + 2]) = (4096, 4096, 4096);
    (header, parameters)
}

fn check_trees(claims: &ClaimSet, payload: &[u8]) -> Result<CheckedCertificate, Rejection> {
    let (header, parameters) = sum_model();
    let policy = Policy::new(header, parameters.as_slice()).unwrap();
    let bytes = write(policy.digest(), claims, &[Raw::tree(0, payload)]);
    check(&file(&header, &parameters), &bytes, Some(claims))
}

fn point(given: &str, rest: &str) -> ClaimSet {
    claims(&format!(
        "kind = \"point\"\ngiven = {{ {given} }}\n{rest}\n"
    ))
}

#[track_caller]
fn rejected(claims: &ClaimSet, payload: &[u8], node: u64, rule: Rule, reason: &Reason) {
    let rejection = check_trees(claims, payload).unwrap_err();
    let step = Step::Node {
        claim: 0,
        constraint: 0,
        node,
    };
    assert_eq!(
        (rejection.step, rejection.rule, &*rejection.reason),
        (step, rule, reason),
        "{rejection}"
    );
}

const fn not_proven(reached: i128, bound: i128) -> Reason {
    Reason::NotProven { reached, bound }
}

#[test]
fn an_interval_leaf_proves_its_exact_bound_and_no_unit_less() {
    let given = "x0 = [\"-0.5\", \"0.25\"], x1 = [\"0\", \"0.25\"]";
    let exact = point(given, "then = [\"rate <= 0.5\"]");
    let checked = check_trees(&exact, INTERVAL).unwrap();
    assert_eq!(
        (checked.claims()[0].leaves(), checked.claims()[0].qc()),
        (1, "1/1")
    );
    let less = point(given, "then = [\"rate <= 0.49999\"]");
    let reason = not_proven(3_276_800_000 / 100_000, 32_767);
    rejected(&less, INTERVAL, 0, Rule::Interval, &reason);
}

#[test]
fn a_relaxation_leaf_keeps_what_features_and_heads_share() {
    // rate − x0 − x1 is zero; intervals do not see it.
    let shared = point(
        "x0 = [\"-0.25\", \"0.25\"], x1 = [\"-0.25\", \"0.25\"]",
        "then = [\"rate - x0 - x1 <= 0\"]",
    );
    assert!(check_trees(&shared, &linear(&[])).is_ok());
    rejected(&shared, INTERVAL, 0, Rule::Interval, &not_proven(65_536, 0));
    // Beyond the clamp the difference is real.
    let clamped = point(
        "x0 = [\"-1\", \"-0.5\"]",
        "then = [\"rate - x0 - x1 <= 0\"]",
    );
    assert!(check_trees(&clamped, &linear(&[])).is_err());
}

#[test]
fn a_fact_counts_with_the_multiplier_that_the_witness_names() {
    let text = "where = [\"x0 + x1 <= 0.25\"]\nthen = [\"rate <= 0.25\"]";
    let linked = point("x0 = [\"0\", \"1\"]", text);
    assert!(check_trees(&linked, &linear(&[(0, 65_536)])).is_ok());
    rejected(
        &linked,
        &linear(&[]),
        0,
        Rule::Relaxation,
        &not_proven(65_536, 16_384),
    );
    let half = check_trees(&linked, &linear(&[(0, 32_768)])).unwrap_err();
    assert!(matches!(*half.reason, Reason::NotProven { reached, .. } if reached > 16_384));
    // A multiplier is about the left-hand side as it stands, here three times the head.
    let text = "where = [\"x0 + x1 <= 0.25\"]\nthen = [\"3*rate <= 0.75\"]";
    let scaled = point("x0 = [\"0\", \"1\"]", text);
    assert!(check_trees(&scaled, &linear(&[(0, 3 * 65_536)])).is_ok());
    assert!(check_trees(&scaled, &linear(&[(0, 65_536)])).is_err());
    let unknown = Reason::UnknownFact { index: 1, facts: 1 };
    rejected(
        &linked,
        &linear(&[(1, 65_536)]),
        0,
        Rule::Relaxation,
        &unknown,
    );
}

#[test]
fn an_empty_leaf_needs_a_fact_that_cannot_hold() {
    let text = "where = [\"x0 + x1 <= -0.5\"]\nthen = [\"rate <= -0.5\"]";
    let claims = point("x0 = [\"0\", \"1\"], x1 = [\"-1\", \"0\"]", text);
    // Right of x1 = −0.5 the fact cannot hold: the smallest sum is one unit above.
    let tree = [split(1, -32_768), linear(&[(0, 65_536)]), empty(0)].concat();
    assert!(check_trees(&claims, &tree).is_ok());
    let early = [split(1, -32_769), linear(&[(0, 65_536)]), empty(0)].concat();
    let reason = Reason::NotEmpty {
        index: 0,
        smallest: -32_768,
        bound: -32_768,
    };
    rejected(&claims, &early, 2, Rule::Empty, &reason);
    let unknown = Reason::UnknownFact { index: 7, facts: 1 };
    rejected(&claims, &empty(7), 0, Rule::Empty, &unknown);
}

#[test]
fn a_split_covers_both_sides_and_cuts_inside_the_box() {
    let text = "then = [\"rate <= 0.5\"]";
    let claims = point("x0 = [\"-0.25\", \"0.25\"], x1 = [\"0\", \"0.25\"]", text);
    let tree = [&split(0, 0), INTERVAL, &split(1, 5), INTERVAL, INTERVAL].concat();
    assert_eq!(check_trees(&claims, &tree).unwrap().claims()[0].leaves(), 3);
    for cut in [-16_385, 16_384, i32::MIN, i32::MAX] {
        let tree = [split(0, cut).as_slice(), INTERVAL, INTERVAL].concat();
        let reason = Reason::SplitCut {
            feature: 0,
            cut,
            low: -16_384,
            high: 16_384,
        };
        rejected(&claims, &tree, 0, Rule::Split, &reason);
    }
    let feature = Reason::SplitFeature {
        feature: 16,
        inputs: 16,
    };
    rejected(&claims, &split(16, 0), 0, Rule::Split, &feature);
    // The box is restored after the left subtree: the right one still sees x1 whole.
    let tree = [
        split(0, 0),
        split(1, 5),
        INTERVAL.to_vec(),
        INTERVAL.to_vec(),
        split(1, 5),
    ];
    let tree = [tree.concat().as_slice(), INTERVAL, INTERVAL].concat();
    assert!(check_trees(&claims, &tree).is_ok());
    // And it is the right side: cutting it at 0 again is outside.
    let tree = [split(0, 0), INTERVAL.to_vec(), split(0, 0)].concat();
    let reason = Reason::SplitCut {
        feature: 0,
        cut: 0,
        low: 1,
        high: 16_384,
    };
    rejected(&claims, &tree, 2, Rule::Split, &reason);
}

#[test]
fn below_a_corner_no_fact_holds_and_no_corner_follows() {
    let text = "where = [\"x0 + x1 <= 0.25\"]\nthen = [\"rate <= 0.25\"]";
    let claims = point("x0 = [\"0\", \"0.1\"], x1 = [\"0\", \"0.15\"]", text);
    let corner = |below: &[u8]| [CORNER, below].concat();
    assert!(check_trees(&claims, &corner(INTERVAL)).is_ok());
    let none = Reason::UnknownFact { index: 0, facts: 0 };
    rejected(
        &claims,
        &corner(&linear(&[(0, 1)])),
        1,
        Rule::Relaxation,
        &none,
    );
    rejected(&claims, &corner(&empty(0)), 1, Rule::Empty, &none);
    let under = Rule::Corner;
    let nested = Reason::Misplaced { under };
    rejected(&claims, &corner(CORNER), 1, Rule::Corner, &nested);
    // Facts are back beside the corner, and another corner is allowed there.
    let tree = [split(0, 0), corner(INTERVAL), linear(&[(0, 65_536)])].concat();
    assert!(check_trees(&claims, &tree).is_ok());
    let tree = [split(0, 0), corner(INTERVAL), corner(INTERVAL)].concat();
    assert!(check_trees(&claims, &tree).is_ok());
    // The corner of a falling left-hand side is the low end: nothing is left to cut.
    let reason = Reason::SplitCut {
        feature: 0,
        cut: 0,
        low: 6553,
        high: 6553,
    };
    rejected(&claims, &corner(&split(0, 0)), 1, Rule::Split, &reason);
}

#[test]
fn a_tree_may_be_512_deep_and_no_deeper() {
    let claims = point("x2 = [\"0\", \"1\"]", "then = [\"rate <= 1\"]");
    let chain = |depth: i32| {
        let mut tree = vec![];
        for cut in 0..depth {
            tree.extend(split(2, cut));
            tree.extend(INTERVAL);
        }
        tree.extend(INTERVAL);
        tree
    };
    // The walk's frames fit a small stack.
    let deepest = chain(512);
    let (twin, stack) = (
        claims.clone(),
        std::thread::Builder::new().stack_size(1 << 20),
    );
    let walk = stack.spawn(move || check_trees(&twin, &deepest).is_ok());
    assert!(walk.unwrap().join().unwrap());
    let reason = Reason::TooDeep { limit: 512 };
    rejected(&claims, &chain(513), 1025, Rule::Format, &reason);
}

#[test]
fn heads_that_are_missing_or_constant_earn_no_claim() {
    let claims = point("", "then = [\"buffer <= 1\"]");
    let rejection = check_trees(&claims, INTERVAL).unwrap_err();
    let kind = HeadKind::Buffer;
    assert_eq!(*rejection.reason, Reason::MissingHead { kind });
    let (header, mut parameters) = sum_model();
    parameters[17..].fill(0);
    let policy = Policy::new(header, parameters.as_slice()).unwrap();
    let claims = point("", "then = [\"pacing <= 1\"]");
    let bytes = write(policy.digest(), &claims, &[Raw::tree(0, INTERVAL)]);
    let rejection = check(&file(&header, &parameters), &bytes, None).unwrap_err();
    let kind = HeadKind::Pacing;
    assert_eq!(*rejection.reason, Reason::ConstantHead { kind });
}

#[test]
fn a_pair_claim_is_proven_by_signs_or_not_at_all() {
    let (header, parameters) = sum_model();
    let policy = Policy::new(header, parameters.as_slice()).unwrap();
    let verdict = |raise: &str, then: &str| {
        let claims = claims(&format!(
            "kind = \"pair\"\nraise = [{raise}]\nthen = [\"{then}\"]\n"
        ));
        let section = Raw {
            kind: 2,
            claim: 0,
            payload: vec![],
        };
        let bytes = write(policy.digest(), &claims, &[section]);
        check(&file(&header, &parameters), &bytes, Some(&claims)).map_err(|rejection| {
            assert_eq!(rejection.rule, Rule::Sign);
            *rejection.reason
        })
    };
    assert!(verdict("\"x0\", \"x1\"", "rate >= 0").is_ok());
    assert!(verdict("\"x2\", \"x3\"", "rate <= 0").is_ok());
    assert!(verdict("\"x0\", \"x2\"", "rate + pacing >= -0.5").is_ok());
    let unknown = |feature| Reason::SignUnknown { feature };
    assert_eq!(
        verdict("\"x0\", \"x3\"", "rate <= 0").unwrap_err(),
        unknown(0)
    );
    assert_eq!(
        verdict("\"x2\"", "rate - pacing >= 0").unwrap_err(),
        unknown(2)
    );
    assert_eq!(
        verdict("\"x0\"", "rate >= 0.1").unwrap_err(),
        not_proven(0, -6554)
    );
    // Raising x0 raises both; weights alone do not tell by how much.
    assert_eq!(verdict("\"x0\"", "rate - x0 >= 0").unwrap_err(), unknown(0));
    assert!(verdict("\"x0\"", "rate + x0 >= 0").is_ok());
}

#[test]
fn a_missing_leaf_and_bytes_after_the_tree_are_told_apart() {
    let claims = point(
        "x0 = [\"-1\", \"0\"], x1 = [\"-1\", \"0\"]",
        "then = [\"rate <= 0\"]",
    );
    let truncated = FormatError::PayloadTruncated { needed: 8, got: 7 };
    let tree = [split(0, -5).as_slice(), INTERVAL].concat();
    rejected(&claims, &tree, 2, Rule::Format, &truncated.into());
    let rejection = check_trees(&claims, &[INTERVAL, INTERVAL].concat()).unwrap_err();
    let trailing = FormatError::PayloadTrailing { got: 1 };
    assert_eq!(*rejection.reason, trailing.into());
    rejected(
        &claims,
        &[9],
        0,
        Rule::Format,
        &FormatError::Tag { got: 9 }.into(),
    );
    let zero = FormatError::ZeroMultiplier { index: 0 };
    rejected(&claims, &linear(&[(0, 0)]), 0, Rule::Format, &zero.into());
    let order = FormatError::MultiplierOrder {
        previous: 1,
        got: 1,
    };
    rejected(
        &claims,
        &linear(&[(1, 9), (1, 9)]),
        0,
        Rule::Format,
        &order.into(),
    );
}
