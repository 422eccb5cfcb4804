//! Closed-loop claims: from TOML, and to bytes and back.

use proptest::prelude::*;
use tautline_certificate_format::claim::{ClaimSet, EncodingError};
use tautline_certificate_format::closed_loop::{Buffer, LoopBounds, LoopClaim, Losses, PathFamily};

const FILE: &str = include_str!("../../../claims/closed-loop.toml");
const STANDARD: &str = include_str!("../../../claims/standard.toml");
const HEAD: &str = "version = 1\nfeature_table = 1\n[[claim]]\nname = \"c\"\nsays = \"s\"\n";
const GIVEN: [(&str, &str); 4] = [
    ("jitter", "\"0.05\""),
    ("log_bdp", "[\"4\", \"16\"]"),
    ("buffer", "[\"1\", \"inf\"]"),
    ("start", "[\"-1\", \"1.5\"]"),
];
const THEN: &str = "\"utilisation >= 0.95\", \"queue <= 1.2\", \"rounds <= 120\"";

/// A file with one loop claim, one of whose fields says something else.
fn file(field: &str, value: &str) -> String {
    let given = GIVEN.iter().filter_map(|&(name, usual)| {
        let said = if name == field { value } else { usual };
        (!said.is_empty()).then(|| format!("{name} = {said}"))
    });
    let given: Vec<_> = given.collect();
    let then = if field == "then" { value } else { THEN };
    let more = if field == "more" { value } else { "" };
    let given = given.join(", ");
    format!("{HEAD}kind = \"loop\"\ngiven = {{ {given} }}\nthen = [{then}]\n{more}")
}

fn read(field: &str, value: &str) -> LoopClaim {
    let set = ClaimSet::from_toml(&file(field, value), "f").unwrap();
    assert_eq!((set.claims.len(), set.count()), (0, 1));
    set.loops[0].clone()
}

#[test]
fn numbers_are_rounded_to_the_stronger_claim() {
    let claim = read("", "");
    let family = PathFamily {
        jitter: 3277, // 3276.8
        log_bdp: (1024, 4096),
        buffer: Buffer {
            least: 65_536,
            most: None,
        },
    };
    let then = LoopBounds {
        utilisation: 62_260, // 62259.2
        queue: 78_643,       // 78643.2
        rounds: 120,
    };
    assert_eq!((claim.family, claim.start), (family, (-256, 384)));
    assert_eq!(claim.then, then);
    let buffer = read("buffer", "[\"0.3\", \"0.7\"]").family.buffer;
    // 19660.8 and 45875.2
    assert_eq!((buffer.least, buffer.most), (19_660, Some(45_876)));
    let fine = read("log_bdp", "[\"0.00390625\", \"0.00390625\"]").family;
    assert_eq!(fine.log_bdp, (1, 1));
}

/// What one field says instead, and the line, field and expectation named.
const MISTAKES: &[(&str, &str, usize, &str, &str)] = &[
    ("jitter", "", 4, "given.jitter", "a decimal string"),
    (
        "jitter",
        "[\"0\", \"1\"]",
        7,
        "given.jitter",
        "a decimal string",
    ),
    ("jitter", "\"1.5\"", 7, "given.jitter", "0 to 1"),
    ("jitter", "\"-0.1\"", 7, "given.jitter", "0 to 1"),
    (
        "log_bdp",
        "[\"4.001\", \"16\"]",
        7,
        "given.log_bdp",
        "multiples of 2^-8",
    ),
    (
        "log_bdp",
        "[\"16\", \"4\"]",
        7,
        "given.log_bdp",
        "[low, high]",
    ),
    (
        "log_bdp",
        "[\"4\", \"25\"]",
        7,
        "given.log_bdp",
        "from 0 to 24",
    ),
    (
        "log_bdp",
        "\"4\"",
        7,
        "given.log_bdp",
        "two decimal strings",
    ),
    (
        "buffer",
        "[\"inf\", \"inf\"]",
        7,
        "given.buffer",
        "where most may be inf",
    ),
    (
        "buffer",
        "[\"2\", \"1\"]",
        7,
        "given.buffer",
        "smaller buffer first",
    ),
    (
        "buffer",
        "[\"1\", \"2000\"]",
        7,
        "given.buffer",
        "0 to 1024",
    ),
    ("start", "[\"1\", \"1\"]", 7, "given.start", "[low, high]"),
    (
        "start",
        "[\"0\", \"0.3\"]",
        7,
        "given.start",
        "multiples of 2^-8",
    ),
    ("more", "raise = [\"loss\"]", 9, "raise", "no features"),
    ("more", "where = [\"loss <= 1\"]", 9, "where", "no features"),
    (
        "more",
        "differ = { loss = [\"0\", \"1\"] }",
        9,
        "differ",
        "no features",
    ),
    ("more", "assume = [\"A4\"]", 9, "assume", "\"A6\", once"),
    ("more", "assume = [\"a6\"]", 9, "assume", "\"A6\", once"),
    (
        "more",
        "assume = [\"A6\", \"A6\"]",
        9,
        "assume",
        "\"A6\", once",
    ),
    ("then", "\"queue <= 1\"", 8, "then", "each once"),
    (
        "then",
        "\"utilisation <= 1\"",
        8,
        "then",
        "utilisation >= ..",
    ),
    (
        "then",
        "\"utilisation >= 1.01\"",
        8,
        "then",
        "within its range",
    ),
    ("then", "\"rounds <= 255\"", 8, "then", "within its range"),
    ("then", "\"rounds <= 0.5\"", 8, "then", "within its range"),
    (
        "then",
        "\"queue <= 1\", \"queue <= 2\"",
        8,
        "then",
        "every bound once",
    ),
];

#[test]
fn mistakes_name_line_field_and_expectation() {
    for &(field, value, line, named, expected) in MISTAKES {
        let error = ClaimSet::from_toml(&file(field, value), "f.toml").unwrap_err();
        let place = (error.line, error.field.as_str());
        assert_eq!(place, (line, format!("c.{named}").as_str()), "{error}");
        assert!(error.expected.contains(expected), "{error}");
    }
    let unknown = file("", "").replace("given = {", "given = { speed = \"1\",");
    let error = ClaimSet::from_toml(&unknown, "f.toml").unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (7, "c.given.speed"));
    let number = file("jitter", "0.05");
    let error = ClaimSet::from_toml(&number, "f.toml").unwrap_err();
    assert!(error.got.contains("a decimal string or a list"), "{error}");
    let point =
        format!("{HEAD}kind = \"point\"\ngiven = {{ loss = \"1\" }}\nthen = [\"rate <= 1\"]");
    let error = ClaimSet::from_toml(&point, "f.toml").unwrap_err();
    assert_eq!((error.line, error.got.as_str()), (7, "\"1\""));
    let twice = format!(
        "{}\n{}",
        file("", ""),
        file("", "").split_at(HEAD.find("[[").unwrap()).1
    );
    let error = ClaimSet::from_toml(&twice, "f.toml").unwrap_err();
    assert_eq!(error.field, "name", "{error}");
}

#[test]
fn what_a_claim_assumes_is_part_of_what_it_says() {
    let (without, with) = (read("", ""), read("more", "assume = [\"A6\"]"));
    assert_eq!(read("more", "assume = []"), without);
    assert_eq!(
        (without.losses, with.losses),
        (Losses::Any, Losses::Assumed)
    );
    let set = |claim: &LoopClaim| ClaimSet {
        feature_table: 1,
        claims: vec![],
        loops: vec![claim.clone()],
        ratios: vec![],
    };
    let bytes = [&without, &with].map(|claim| set(claim).encode().unwrap());
    let differ = |at: &usize| bytes[0][*at] != bytes[1][*at];
    let places: Vec<usize> = (0..bytes[0].len()).filter(differ).collect();
    // Behind table, two counts, "c", "s" and three bytes of the jitter: its highest bit.
    assert_eq!((places.as_slice(), bytes[1][15]), ([15].as_slice(), 0x80));
    assert_eq!(ClaimSet::decode(&bytes[1]), Ok(set(&with)));
    // Only claims about the loop can do without one.
    let point = format!("{HEAD}kind = \"point\"\nthen = [\"rate <= 1\"]\nassume = [\"A6\"]");
    let error = ClaimSet::from_toml(&point, "f.toml").unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (8, "c.assume"));
}

#[test]
fn a_set_with_loop_claims_comes_back_from_its_bytes_and_nothing_else_does() {
    let loops = ClaimSet::from_toml(FILE, "f").unwrap();
    let standard = ClaimSet::from_toml(STANDARD, "f").unwrap();
    let mut both = standard.clone();
    both.loops.clone_from(&loops.loops);
    assert_eq!(both.count(), standard.count() + loops.loops.len());
    let (short, long) = (standard.encode().unwrap(), both.encode().unwrap());
    assert_eq!(long[..short.len()], short, "what was there keeps its bytes");
    for (set, bytes) in [(&loops, loops.encode().unwrap()), (&both, long)] {
        assert_eq!(ClaimSet::decode(&bytes).as_ref(), Ok(set));
        for more in 1..5 {
            let longer = [&bytes[..], &[0; 4][..more]].concat();
            assert!(ClaimSet::decode(&longer).is_err(), "{more} more");
        }
        for place in 0..bytes.len() {
            // A set of claims about decisions alone is a whole one too.
            if place != short.len() {
                assert!(ClaimSet::decode(&bytes[..place]).is_err(), "cut at {place}");
            }
            let mut changed = bytes.clone();
            changed[place] ^= 0x81;
            if let Ok(other) = ClaimSet::decode(&changed) {
                assert_ne!(&other, set, "byte {place}");
                assert_eq!(other.encode().unwrap(), changed, "byte {place}");
            }
        }
    }
}

#[test]
fn a_set_needs_a_claim_and_names_of_one_use() {
    let mut set = ClaimSet::from_toml(FILE, "f").unwrap();
    set.loops[1].name = set.loops[0].name.clone();
    let (first, second) = (0, 1);
    let twice = EncodingError::DuplicateName { first, second };
    assert_eq!(set.encode().unwrap_err(), twice);
    set.loops.clear();
    let none = set.encode().unwrap_err();
    assert!(none.to_string().contains("claim count is 0"), "{none}");
    assert!(ClaimSet::decode(&[1, 0, 0, 0]).is_err());
    assert!(ClaimSet::decode(&[1, 0, 0, 0, 0, 0]).is_err());
}

proptest! {
    /// Any claim is refused or comes back.
    #[test]
    fn any_loop_claim_is_refused_or_comes_back(
        words in prop::array::uniform9(any::<u32>()),
        small in any::<bool>(),
        rounds in any::<u8>(),
        assumes in any::<bool>(),
    ) {
        let mut set = ClaimSet::from_toml(FILE, "f").unwrap();
        let words = if small { words.map(|word| word & 0xfff) } else { words };
        let signed = |word: u32| word.cast_signed();
        set.loops[1] = LoopClaim {
            name: "any".to_owned(),
            says: String::new(),
            family: PathFamily {
                jitter: words[0],
                log_bdp: (signed(words[1]), signed(words[2])),
                buffer: Buffer { least: words[3], most: (words[4] & 1 == 1).then_some(words[4]) },
            },
            losses: if assumes { Losses::Assumed } else { Losses::Any },
            start: (signed(words[5]), signed(words[6])),
            then: LoopBounds { utilisation: words[7], queue: words[8], rounds },
        };
        if let Ok(bytes) = set.encode() {
            prop_assert_eq!(ClaimSet::decode(&bytes).unwrap(), set);
        }
    }
}
