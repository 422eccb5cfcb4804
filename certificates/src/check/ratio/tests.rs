//! The bound, and what it may not follow from.

use super::*;

const GAIN: i32 = 9216;

/// A set whose claims have these constants, in decimal.
fn set(
    least: &str,
    most: &str,
    last: &str,
    noise: &str,
    edit: impl Fn(String) -> String,
) -> ClaimSet {
    let queue = r#"["0.1", "0.5"]"#;
    let given = format!(
        r#"{{ queueing = {queue}, standing_queue = {queue}, queueing_ewma = {queue}, loss = ["0", "0"], slow_loss = ["0", "0"], ce = ["0", "0"], log_window = ["0.25", "0.875"], last_step = ["-0.3", "0.3"] }}"#
    );
    let text = format!(
        r#"
version = 1
feature_table = 1

[[claim]]
name = "own-window"
kind = "pair"
says = ""
given = {given}
differ = {{ log_window = ["0", "1"], own_queue = ["0", "1"] }}
between = ["own_queue - log_window <= 0.00002", "own_queue - log_window >= -0.00002"]
then = ["rate + {least}*log_window <= 0", "rate + {most}*log_window >= 0"]

[[claim]]
name = "last-step"
kind = "pair"
says = ""
given = {given}
differ = {{ last_step = ["0", "2"] }}
then = ["rate - {last}*last_step <= 0", "rate + {last}*last_step >= 0"]

[[claim]]
name = "seen-apart"
kind = "pair"
says = ""
given = {given}
differ = {{ queueing = ["-0.025", "0.025"], standing_queue = ["-0.025", "0.025"], queueing_ewma = ["-0.025", "0.025"], own_queue = ["-0.02", "0.02"], acked_ratio = ["-2", "2"], previous_step = ["-2", "2"], competitor = ["-1", "1"] }}
between = ["queueing - 0.01*first.queueing <= 0.0202", "1.01*queueing + 0.01*first.queueing >= -0.0202"]
then = ["rate <= {noise}", "rate >= -{noise}"]

[[claim]]
name = "far-apart"
kind = "pair"
says = ""
given = {given}
differ = {{ log_window = ["0.125", "0.625"], queueing = ["-0.025", "0.025"], standing_queue = ["-0.025", "0.025"], queueing_ewma = ["-0.025", "0.025"], own_queue = ["0.105", "0.645"], acked_ratio = ["-2", "2"], previous_step = ["-2", "2"], competitor = ["-1", "1"] }}
between = ["own_queue - log_window <= 0.02", "own_queue - log_window >= -0.02", "queueing - 0.01*first.queueing <= 0.0202"]
then = ["rate <= -0.01"]

[[claim]]
name = "shares"
kind = "ratio"
says = ""
given = {{ window = "own-window", memory = "last-step", noise = "seen-apart", jitter = "0.01" }}
then = ["log_ratio <= 60"]
"#
    );
    ClaimSet::from_toml(&edit(text), "ratio.toml").unwrap()
}

/// In units of 2⁻¹⁶ octaves.
fn bound(set: &ClaimSet) -> Result<i128, Reason> {
    log_ratio(&set.ratios[0], set, GAIN)
}

fn usual(edit: impl Fn(String) -> String) -> Result<i128, Reason> {
    bound(&set("0.3", "0.4", "0.05", "0.04", edit))
}

/// The same for a rate that never falls with the last step.
fn rising(text: &str) -> String {
    text.replace("rate + 0.05*last_step >= 0", "rate >= 0")
}

#[test]
fn the_bound_is_the_theorems_and_roundings_add_little() {
    // With G = 9/64: 16 · 0.04 · (0.95² + G·0.3/16) / (0.3·0.9·0.95 − 0.4·(0.05·0.95 + G·0.3/16))
    // = 2.449986, and log₂ 1.01 = 0.014355.
    let found = usual(|text| text).unwrap();
    assert!((161_503..161_503 + 1311).contains(&found), "{found}");
    // The same numerator over 0.3·0.95² − 0.4·G·0.3/16.
    let found = usual(|text| rising(&text)).unwrap();
    assert!((141_706..141_706 + 1311).contains(&found), "{found}");
}

/// The same with the claim about windows far apart.
fn closing(text: &str) -> String {
    text.replace("jitter =", "closes = \"far-apart\", jitter =")
}

#[test]
fn windows_end_where_they_close_and_little_beyond() {
    // (2·0.95·0.9 + G·0.04) / (0.95·0.9 − G·0.4/16) = 2.014865, and log₂ 1.01 = 0.014355.
    let found = usual(|text| closing(&text)).unwrap();
    assert!((132_987..132_987 + 200).contains(&found), "{found}");
    // (2·0.95² + G·0.04) / (0.95² − G·0.4/16) = 2.014076.
    let found = usual(|text| closing(&rising(&text))).unwrap();
    assert!((132_935..132_935 + 200).contains(&found), "{found}");
}

/// A unit of the feature, and what the last step undoes: n (δ₂Δ + E)/(1 − c − n) = 0.00502, or
/// nothing but roundings.
#[test]
fn windows_that_close_by_less_than_the_last_step_undoes_are_refused() {
    let by = |fall: &str, edit: fn(&str) -> String| {
        let fall = format!("rate <= -{fall}");
        usual(|text| closing(&edit(&text)).replace("rate <= -0.01", &fall))
    };
    let same = |text: &str| text.to_owned();
    by("0.0053", same).unwrap();
    by("0.0002", rising).unwrap();
    for refused in [by("0.005", same), by("0.0001", rising)] {
        assert!(
            matches!(refused, Err(Reason::RatioNeeds { .. })),
            "{refused:?}"
        );
    }
}

/// Every change takes something away that windows need to close.
#[test]
fn closing_claims_that_say_less_than_is_needed_are_refused() {
    let changes = [
        ("closes = \"far-apart\"", "closes = \"another\""),
        ("closes = \"far-apart\"", "closes = \"own-window\""),
        ("closes = \"far-apart\"", "closes = \"seen-apart\""),
        // Differences that are too small: of windows, of what is seen.
        ("[\"0.125\", \"0.625\"]", "[\"0.125\", \"0.62\"]"),
        ("[\"0.125\", \"0.625\"]", "[\"-0.125\", \"0.625\"]"),
        ("[\"0.105\", \"0.645\"]", "[\"0.125\", \"0.645\"]"),
        ("[\"0.105\", \"0.645\"]", "[\"0.105\", \"0.625\"]"),
        (
            "[\"0.125\", \"0.625\"], queueing = [\"-0.025\"",
            "[\"0.125\", \"0.625\"], queueing = [\"-0.024\"",
        ),
        // More is known than is true.
        ("log_window <= 0.02\"", "log_window <= 0.015\""),
        ("log_window >= -0.02\"", "log_window >= -0.015\""),
        (
            "log_window >= -0.02\", \"queueing - 0.01*",
            "log_window >= -0.02\", \"queueing - 0.005*",
        ),
        // It closes, but not on this side.
        ("rate <= -0.01", "rate >= -0.01"),
        ("rate <= -0.01", "rate <= 0"),
        ("rate <= -0.01", "rate + 0.1*log_window <= -0.01"),
    ];
    for (from, to) in changes {
        let changed = usual(|text| {
            let text = closing(&text);
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let refused = matches!(changed, Err(Reason::RatioNeeds { .. }));
        assert!(refused, "{from} -> {to}: {changed:?}");
    }
    // One region is another.
    let other = usual(|text| {
        let text = closing(&text);
        let (before, after) = text.split_at(text.find("far-apart").unwrap());
        format!("{before}{}", after.replacen("\"-0.3\"", "\"-0.2\"", 1))
    });
    assert!(matches!(other, Err(Reason::RatioNeeds { .. })), "{other:?}");
}

/// Windows that are driven apart as hard as the claims allow, and close no faster than they must.
#[test]
fn no_driven_difference_of_closing_windows_leaves_the_bound() {
    let set = set("0.3", "0.4", "0.35", "0.04", |text| {
        closing(&text).replace("rate + 0.35*last_step >= 0", "rate >= 0")
    });
    // In 2⁻³² octaves: the bound, t of two octaves, G·E, G·μ; then G·δ₂ and c.
    let limit = i64::try_from(bound(&set).unwrap()).unwrap() << 16;
    let (begins, drive, closes) = (2i64 << 32, 24_159_191i64, 6_039_797i64);
    let (slope, memory) = (15_099_494i64, 1_503_238_553i64);
    let scaled = |a: i64, b: i64| i64::try_from((i128::from(a) * i128::from(b)) >> 32).unwrap();
    for outwards in [true, false] {
        let (mut apart, mut moved, mut farthest) = (10i64 << 32, 0i64, 0i64);
        for round in 0..100_000u32 {
            let side = if outwards { apart.signum() } else { 1 };
            let free = if (round / 700) % 2 == 0 { side } else { -side };
            moved = if apart.abs() >= begins {
                let carried = scaled(memory, (moved * apart.signum()).max(0));
                (carried - closes) * apart.signum()
            } else {
                let back = if free * apart.signum() < 0 { apart } else { 0 };
                scaled(memory, moved) + drive * free - scaled(slope, back)
            };
            apart += moved;
            if round > 20_000 {
                farthest = farthest.max(apart.abs());
            }
        }
        assert!(farthest <= limit, "{farthest} {limit}");
        assert!(farthest > limit / 100 * 98, "{farthest} {limit}");
    }
}

#[test]
fn a_bound_that_does_not_follow_is_refused() {
    let tight = set("0.3", "0.4", "0.05", "0.04", |text| {
        text.replace("log_ratio <= 60", "log_ratio <= 2.4")
    });
    let refused = check(&tight.ratios[0], &tight, GAIN);
    assert!(
        matches!(refused, Err(Reason::NotProven { .. })),
        "{refused:?}"
    );
    let met = set("0.3", "0.4", "0.05", "0.04", |text| {
        text.replace("log_ratio <= 60", "log_ratio <= 2.5")
    });
    check(&met.ratios[0], &met, GAIN).unwrap();
}

#[test]
fn a_last_step_that_weighs_too_much_is_refused() {
    bound(&set("0.3", "0.4", "0.29", "0.04", |text| text)).unwrap();
    for last in ["0.3", "1", "2"] {
        let refused = bound(&set("0.3", "0.4", last, "0.04", |text| text));
        assert!(
            matches!(refused, Err(Reason::RatioNeeds { .. })),
            "{refused:?}"
        );
    }
    let rising = |last: &str| {
        let falling = format!("rate + {last}*last_step >= 0");
        bound(&set("0.3", "0.4", last, "0.04", |text| {
            text.replace(&falling, "rate >= 0")
        }))
    };
    rising("0.9").unwrap();
    let refused = rising("0.95");
    assert!(
        matches!(refused, Err(Reason::RatioNeeds { .. })),
        "{refused:?}"
    );
}

/// Windows that the worst path drives apart stay within the bound, and come near it.
#[test]
fn no_driven_difference_of_windows_leaves_the_bound() {
    // In 2⁻³² octaves; one in `G·δ` is 2³².
    let (kappa, memory, drive) = (
        (11_324_620i64, 15_099_494i64),
        1_503_238_553i64,
        24_159_191i64,
    );
    // E·G = 0.04·G, δ₁ = 0.3/16, δ₂ = 0.4/16, c = 0.35.
    let set = set("0.3", "0.4", "0.35", "0.04", |text| {
        text.replace("rate + 0.35*last_step >= 0", "rate >= 0")
    });
    let limit = i64::try_from(bound(&set).unwrap()).unwrap() << 16;
    let scaled = |a: i64, b: i64| i64::try_from((i128::from(a) * i128::from(b)) >> 32).unwrap();
    let mut dice = 1u64;
    let mut farthest = 0;
    for law in 0..6 {
        let (mut apart, mut moved) = (10i64 << 32, 0i64);
        for round in 0..30_000u32 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let either = |bit: u32| (dice >> (40 + bit)) & 1 == 1;
            let out = apart.signum();
            let (push, slope, last) = match law {
                0 => (drive, kappa.0, memory),
                1 => (
                    drive * out,
                    kappa.0,
                    if moved * out > 0 { memory } else { 0 },
                ),
                2 => (if either(0) { drive } else { -drive }, kappa.1, memory),
                3 => (
                    drive * if (round / 3000) % 2 == 0 { 1 } else { -1 },
                    kappa.0,
                    memory,
                ),
                4 => (
                    drive,
                    if apart < 0 { kappa.1 } else { kappa.0 },
                    if moved > 0 { memory } else { 0 },
                ),
                _ => (
                    drive * if (round / 50) % 2 == 0 { 1 } else { -1 },
                    kappa.1,
                    memory,
                ),
            };
            moved = push - scaled(slope, apart) + scaled(last, moved);
            apart += moved;
            if round > 20_000 {
                farthest = farthest.max(apart.abs());
            }
        }
    }
    assert!(farthest <= limit, "{farthest} {limit}");
    assert!(farthest > limit / 10 * 9, "{farthest} {limit}");
}

#[test]
fn a_window_that_overshoots_is_refused() {
    // 1/G is 113.8 per 16 octaves.
    bound(&set("50", "113", "0.00001", "0.04", |text| text)).unwrap();
    let refused = bound(&set("50", "114", "0.00001", "0.04", |text| text));
    assert!(
        matches!(refused, Err(Reason::RatioNeeds { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_jitter_beyond_half_the_base_rtt_is_refused() {
    let far = |text: String| text.replace("jitter = \"0.01\"", "jitter = \"0.6\"");
    let refused = usual(far);
    assert!(
        matches!(refused, Err(Reason::RatioNeeds { .. })),
        "{refused:?}"
    );
}

/// Every change takes something away that the theorem needs.
#[test]
fn claims_that_say_less_than_is_needed_are_refused() {
    let changes = [
        ("window = \"own-window\"", "window = \"another\""),
        ("window = \"own-window\"", "window = \"last-step\""),
        ("memory = \"last-step\"", "memory = \"seen-apart\""),
        ("noise = \"seen-apart\"", "noise = \"own-window\""),
        // One region is another, or not calm, or too far.
        (
            "log_window = [\"0.25\", \"0.875\"]",
            "log_window = [\"0.25\", \"0.75\"]",
        ),
        (
            "last_step = [\"-0.3\", \"0.3\"] }\ndiffer = { last",
            "last_step = [\"-0.3\", \"0.2\"] }\ndiffer = { last",
        ),
        // Differences that are too small.
        (
            "log_window = [\"0\", \"1\"]",
            "log_window = [\"0\", \"0.6\"]",
        ),
        ("own_queue = [\"0\", \"1\"]", "own_queue = [\"0\", \"0.6\"]"),
        ("last_step = [\"0\", \"2\"]", "last_step = [\"0\", \"0.5\"]"),
        (
            "differ = { queueing = [\"-0.025\", \"0.025\"]",
            "differ = { queueing = [\"-0.024\", \"0.025\"]",
        ),
        (
            "queueing_ewma = [\"-0.025\", \"0.025\"], own",
            "queueing_ewma = [\"-0.025\", \"0.0245\"], own",
        ),
        (
            "own_queue = [\"-0.02\", \"0.02\"]",
            "own_queue = [\"-0.01\", \"0.02\"]",
        ),
        (
            "acked_ratio = [\"-2\", \"2\"]",
            "acked_ratio = [\"-1\", \"2\"]",
        ),
        (", competitor = [\"-1\", \"1\"]", ""),
        // More is known than is true.
        ("<= 0.0202", "<= 0.0199"),
        (">= -0.0202", ">= -0.0199"),
        (
            "queueing - 0.01*first.queueing",
            "queueing - 0.005*first.queueing",
        ),
        (
            "own_queue - log_window <= 0.00002",
            "own_queue - log_window <= 0",
        ),
        (
            "own_queue - log_window <= 0.00002",
            "own_queue + log_window <= 0.00002",
        ),
        (
            "own_queue - log_window <= 0.00002",
            "own_queue - 0.5*log_window <= 0.00002",
        ),
        // One side only.
        ("\"rate <= 0.04\", ", ""),
        (", \"rate + 0.4*log_window >= 0\"", ""),
        ("\"rate - 0.05*last_step <= 0\", ", ""),
        // The slope of something else.
        ("rate + 0.3*log_window <= 0", "rate + 0.3*own_queue <= 0"),
        ("rate + 0.3*log_window <= 0", "rate - 0.3*log_window <= 0"),
        // The path of the ratio claim is worse.
        ("jitter = \"0.01\"", "jitter = \"0.0101\""),
    ];
    for (from, to) in changes {
        let changed = usual(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let refused = matches!(changed, Err(Reason::RatioNeeds { .. }));
        assert!(refused, "{from} -> {to}: {changed:?}");
    }
}

/// Whatever both flows may see of a queue, the claim's differences and facts allow it.
#[test]
fn what_two_flows_see_is_within_what_is_asked_of_the_claim() {
    let (one, late, high) = (1i64 << 16, 3277i64, 32_768i64);
    let most = apart(3277, high).1;
    let mut widest = 0;
    for hundredths in 0..60 {
        for corner in 0..16 {
            let pick = |bit: u32| ((corner >> bit) & 1) * late;
            let queue = one * hundredths / 100;
            // Rounded down, as a feature is.
            let see = |late: i64, base: i64| (one + queue + late) * one / (one + base) - one;
            let (first, second) = (see(pick(0), pick(1)), see(pick(2), pick(3)));
            if first.min(second) < 0 || first.max(second) > high {
                continue;
            }
            let change = second - first;
            assert!(i128::from(change.abs()) <= most);
            assert!(change <= late * (2 * one + first) / one + 4);
            assert!(i128::from(change) >= apart(3277, first).0);
            widest = widest.max(change);
        }
    }
    assert!(
        most - i128::from(widest) < 400,
        "far from anything seen: {widest} {most}"
    );
}

#[test]
fn logarithms_are_bounded_from_above_and_closely() {
    let exact = [
        (1, 1, 0),
        (11, 10, 9_012),
        (3, 2, 38_337),
        (2, 1, 65_536),
        (3, 1, 103_873),
        (1000, 1, 653_118),
    ];
    for (over, under, ceiling) in exact {
        let number = (over << 32) / under + 1;
        let found = log2_above(number).unwrap();
        assert!(
            (ceiling..ceiling + 3).contains(&found),
            "{over}/{under}: {found}"
        );
    }
}

#[test]
fn a_set_with_ratios_is_read_back_as_it_was() {
    let closes = set("0.3", "0.4", "0.05", "0.04", |text| closing(&text));
    assert!(closes.ratios[0].closes.is_some());
    assert_eq!(ClaimSet::decode(&closes.encode().unwrap()), Ok(closes));
    let set = set("0.3", "0.4", "0.05", "0.04", |text| text);
    let bytes = set.encode().unwrap();
    assert_eq!(ClaimSet::decode(&bytes).as_ref(), Ok(&set));
    // Without its ratios the list of closed-loop claims before them may not be empty.
    let mut cut = bytes.clone();
    let ratio = set.ratios[0].clone();
    let length = bytes.len()
        - ClaimSet {
            ratios: vec![],
            ..set
        }
        .encode()
        .unwrap()
        .len();
    cut.truncate(bytes.len() - length + 2);
    assert!(ClaimSet::decode(&cut).is_err(), "{ratio:?}");
}
