//! Claims files and their canonical encoding.

use tautline_certificates::claim::{ClaimKind, ClaimSet, Difference, EncodingError};
use tautline_core::policy::HeadKind;

const STANDARD: &str = include_str!("../../../claims/standard.toml");

fn standard() -> ClaimSet {
    ClaimSet::from_toml(STANDARD, "standard.toml").unwrap()
}

#[test]
fn the_standard_claims_are_what_their_decimals_say() {
    let set = standard();
    let names: Vec<_> = set.claims.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "fills-idle-link",
            "drains-standing-queue",
            "backs-off-on-congestion-loss",
            "backs-off-on-marks",
            "rides-out-random-loss",
            "backs-off-on-heavy-loss",
            "smooth",
            "monotone"
        ]
    );
    let fills = &set.claims[0];
    assert_eq!(fills.region.bounds[0], (0, 13_107));
    assert_eq!(fills.region.bounds[3], (0, 0));
    assert_eq!(
        fills.region.bounds[7],
        (8192, 73_728),
        "free: the table's range"
    );
    assert_eq!(fills.constraints[0].heads, [(HeadKind::Rate, -1)]);
    let heavy = &set.claims[5];
    assert_eq!(heavy.region.bounds[4], (6553, 65_536));
    assert_eq!(heavy.constraints[0].bound, -6554);
    let smooth = &set.claims[6].constraints[0];
    assert_eq!(
        (smooth.heads[0].1, smooth.features.as_slice()),
        (10, &[(9, -5)][..])
    );
    assert_eq!(
        set.claims[7].kind,
        ClaimKind::Pair {
            raise: vec![0, 1, 2, 3, 4, 5]
        }
    );
}

#[test]
fn a_claim_set_comes_back_from_its_encoding_and_nothing_else_does() {
    let set = standard();
    let bytes = set.encode().unwrap();
    assert_eq!(ClaimSet::decode(&bytes).unwrap(), set);
    for end in 0..bytes.len() {
        assert!(ClaimSet::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        ClaimSet::decode(&longer).unwrap_err(),
        EncodingError::Truncated {
            needed: longer.len() + 1,
            got: longer.len(),
        }
    );
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x81;
        if let Ok(other) = ClaimSet::decode(&changed) {
            assert_ne!(other, set, "byte {place}");
            assert_eq!(other.encode().unwrap(), changed, "byte {place}");
        }
    }
}

#[test]
fn mistakes_name_file_line_field_expected_and_got() {
    let head = "version = 1\nfeature_table = 1\n[[claim]]\nname = \"c\"\nsays = \"s\"\n";
    let good = "kind = \"point\"\nthen = [\"rate <= 1\"]\n";
    assert!(ClaimSet::from_toml(&format!("{head}{good}"), "f").is_ok());
    for &(body, line, field, expected) in MISTAKES {
        let error = ClaimSet::from_toml(&format!("{head}{body}"), "my.toml").unwrap_err();
        assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
        assert!(error.expected.contains(expected), "{error}");
        assert!(error.to_string().starts_with(&format!("my.toml:{line}: ")));
    }
    let twice = format!("{head}{good}[[claim]]\nname = \"c\"\nsays = \"s\"\n{good}");
    let error = ClaimSet::from_toml(&twice, "f").unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (9, "name"));
}

/// After five lines of header: the rest of a claim, and the line, field and expectation named.
const MISTAKES: &[(&str, usize, &str, &str)] = &[
    (
        "kind = \"both\"\nthen = [\"rate <= 1\"]",
        6,
        "c.kind",
        "\"point\", \"pair\", \"loop\" or \"ratio\"",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]",
        4,
        "c.raise",
        "raised features",
    ),
    (
        "kind = \"point\"\nraise = [\"loss\"]\nthen = [\"rate <= 0\"]",
        7,
        "c.raise",
        "no raised",
    ),
    (
        "kind = \"point\"\ndiffer = { loss = [\"0\", \"1\"] }\nthen = [\"rate <= 0\"]",
        7,
        "c.differ",
        "no second input",
    ),
    (
        "kind = \"pair\"\nbetween = [\"loss <= 1\"]\nthen = [\"rate <= 0\"]",
        4,
        "c.raise",
        "how features differ",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]\ndiffer = { loss = [\"-1.5\", \"0\"] }",
        8,
        "c.differ.loss",
        "the feature's width",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]\ndiffer = { loss = [\"0\", \"0\"] }",
        8,
        "c.differ.loss",
        "beside zero",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]\ndiffer = { loss = [\"0.2\", \"0.1\"] }",
        8,
        "c.differ.loss",
        "lower end first",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]\nraise = [\"ce\"]\ndiffer = { ce = [\"0\", \"1\"] }",
        9,
        "c.differ.ce",
        "not raised already",
    ),
    (
        "kind = \"pair\"\nthen = [\"rate <= 0\"]\nraise = [\"ce\"]\nbetween = [\"loss <= 1\"]",
        9,
        "c.between",
        "features that differ",
    ),
    ("kind = \"point\"\nthen = []", 7, "c.then", "a constraint"),
    (
        "kind = \"point\"\nthen = [\"loss <= 1\"]",
        7,
        "c.then",
        "at least one head",
    ),
    (
        "kind = \"point\"\nthen = [\"speed <= 1\"]",
        7,
        "c.then",
        "heads and features",
    ),
    (
        "kind = \"point\"\nthen = [\"rate <= 1\"]\ngiven = { rtt = [\"0\", \"1\"] }",
        8,
        "c.given.rtt",
        "a feature of the table",
    ),
    (
        "kind = \"point\"\nthen = [\"rate <= 1\"]\ngiven = { loss = [\"0\", \"1.5\"] }",
        8,
        "c.given.loss",
        "within the table's range",
    ),
    (
        "kind = \"point\"\nthen = [\"rate <= 1\"]\ngiven = { loss = [\"0.5\", \"0.4\"] }",
        8,
        "c.given.loss",
        "holds a multiple",
    ),
    (
        "kind = \"point\"\nthen = [\"rate <= 1\"]\nwhere = [\"rate <= 1\"]",
        8,
        "c.where",
        "features of the table",
    ),
    (
        "kind = \"point\"\nthen = [\"rate <= 1\"]\ngiven = { loss = [0, 1] }",
        8,
        "claims file",
        "a claims file",
    ),
];

const PAIR: &str = r#"
version = 1
feature_table = 1
[[claim]]
name = "robust"
kind = "pair"
says = "Noise moves little."
given = { queueing = ["0", "1.5"] }
raise = ["ce"]
differ = { queueing = ["-0.05", "0.05"], own_queue = ["-0.1", "1"] }
between = ["queueing - 0.05*first.queueing <= 0.05", "own_queue - ce >= 0"]
then = ["rate + 0.5*queueing <= 0.2"]
"#;

#[test]
fn a_pair_claim_says_how_its_inputs_differ() {
    let set = ClaimSet::from_toml(PAIR, "f").unwrap();
    let table = set.table().unwrap();
    let claim = &set.claims[0];
    let ClaimKind::Difference { differ, between } = &claim.kind else {
        panic!("{:?}", claim.kind)
    };
    let one = |feature, low, high| Difference { feature, low, high };
    // Ends are rounded outward, since either feature was rounded down; a raise spans the table.
    let expected = [
        one(0, -3277, 3277),
        one(5, 0, 65_536),
        one(8, -6554, 65_536),
    ];
    assert_eq!(differ, &expected);
    assert_eq!(between[0].terms, [(0, 100), (12, -5)]);
    assert_eq!(between[0].bound, 327_680);
    assert_eq!(between[1].terms, [(5, 1), (8, -1)]);
    assert_eq!(claim.constraints[0].features, [(0, 5)]);
    let bytes = set.encode().unwrap();
    assert_eq!(ClaimSet::decode(&bytes).unwrap(), set);
    for place in 0..bytes.len() {
        assert!(ClaimSet::decode(&bytes[..place]).is_err(), "cut at {place}");
        let mut changed = bytes.clone();
        changed[place] ^= 0x81;
        if let Ok(other) = ClaimSet::decode(&changed) {
            assert_ne!(other, set, "byte {place}");
            assert_eq!(other.encode().unwrap(), changed, "byte {place}");
        }
    }
    let bounds = claim.pair_bounds(table).unwrap();
    assert_eq!(
        (bounds[0], bounds[1], bounds[8]),
        ((-3277, 3277), (0, 0), (-6554, 65_536))
    );
    assert_eq!(bounds[12], (0, 98_304));
    assert_eq!(bounds.len(), 24);
    // Three links at the first input, all three at the second one, two between, six bounds.
    let facts = claim.pair_facts(table);
    assert_eq!(facts.len(), 14);
    assert_eq!(facts[0].terms, [(12, -1), (13, 1)]);
    assert_eq!(facts[3].terms, [(0, -1), (12, -1), (13, 1)]);
    assert_eq!(facts[8].terms, [(0, 1), (12, 1)]);
    assert_eq!((facts[8].bound, facts[9].bound), (98_304, 0));
}

#[test]
fn what_is_between_two_inputs_names_changes_of_features_that_differ_only() {
    let mut set = ClaimSet::from_toml(PAIR, "f").unwrap();
    let good = set.encode().unwrap();
    let ClaimKind::Difference { between, .. } = &mut set.claims[0].kind else {
        panic!("{set:?}")
    };
    // 12 features: 5 and 8 differ, 6 does not; its value at the first input may be named.
    assert_eq!(between[1].terms, [(5, 1), (8, -1)]);
    between[1].terms = vec![(6, 1), (8, -1)];
    let (claim, feature) = (0, 6);
    let error = EncodingError::NoDifference { claim, feature };
    assert_eq!(set.encode().unwrap_err(), error);
    // Decoding refuses the same: the position of the term is the only byte that changes.
    let at = good
        .windows(10)
        .position(|it| it == [5, 1, 0, 0, 0, 0, 0, 0, 0, 8]);
    let mut bytes = good.clone();
    bytes[at.unwrap()] = 6;
    assert_eq!(ClaimSet::decode(&bytes).unwrap_err(), error);
    let ClaimKind::Difference { between, .. } = &mut set.claims[0].kind else {
        panic!("{set:?}")
    };
    between[1].terms = vec![(8, -1), (12 + 6, 1)];
    assert_eq!(ClaimSet::decode(&set.encode().unwrap()).unwrap(), set);
}

#[test]
fn differences_out_of_reach_are_refused() {
    let mut set = ClaimSet::from_toml(PAIR, "f").unwrap();
    let good = set.clone();
    let mut refuse = |change: &dyn Fn(&mut Vec<Difference>), field: &str| {
        set = good.clone();
        let ClaimKind::Difference { differ, .. } = &mut set.claims[0].kind else {
            panic!("{set:?}")
        };
        change(differ);
        let error = set.encode().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    refuse(&|differ| differ.clear(), "differences");
    refuse(&|differ| differ.swap(0, 1), "feature that differs");
    refuse(&|differ| differ[1].low = 65_537, "smallest difference");
    refuse(&|differ| differ[0].low = i32::MIN, "smallest difference");
    refuse(&|differ| differ[1].high = 65_537, "largest difference");
    refuse(&|differ| differ[1].high = 0, "largest difference");
    refuse(&|differ| differ[0].high = -3278, "largest difference");
    // The region is 98 304 wide: no pair of it differs by more.
    refuse(
        &|differ| (differ[0].low, differ[0].high) = (98_305, 98_306),
        "smallest difference",
    );
    refuse(
        &|differ| (differ[0].low, differ[0].high) = (-98_306, -98_305),
        "largest difference",
    );
}
