//! Claims files and their canonical encoding.

use tautline_certificates::claim::{ClaimKind, ClaimSet, EncodingError};
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
        EncodingError::Trailing { got: 1 }
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
        "kind = \"loop\"\nthen = [\"rate <= 1\"]",
        6,
        "c.kind",
        "not supported by this version",
    ),
    (
        "kind = \"both\"\nthen = [\"rate <= 1\"]",
        6,
        "c.kind",
        "\"point\" or \"pair\"",
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
