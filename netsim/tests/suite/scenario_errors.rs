//! Bad scenario files are refused with file, line, field, expectation and finding.

use tautline_netsim::scenario::ValidScenario;

const GOOD: &str = "\
version = 1
duration_s = 10
warmup_s = 2

[link]
rate_mbps = 20
base_rtt_ms = 40
buffer_bdp = 1
loss_percent = 0.5

[transport]
ack_every = 2

[[flow]]
controller = \"cubic\"

[[flow]]
controller = \"newreno\"
start_s = 1
count = 2
";

/// The error after replacing `from` by `to` in a good file.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    ValidScenario::from_toml(&text, "bad.toml")
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_file_is_accepted_and_expanded() {
    let scenario = ValidScenario::from_toml(GOOD, "good.toml").unwrap();
    assert_eq!(scenario.flows().len(), 3);
    assert_eq!(scenario.link().buffer_bytes().as_u64(), 100_000);
    assert!((scenario.link().loss - 0.005).abs() < 1e-12);
}

#[test]
fn ranges_are_named_with_line_and_field() {
    let cases = [
        (
            "version = 1",
            "version = 2",
            "bad.toml:1: `version`: expected 1, got 2",
        ),
        (
            "duration_s = 10",
            "duration_s = -1",
            "bad.toml:2: `duration_s`: expected a time that is not negative, got -1",
        ),
        (
            "warmup_s = 2",
            "warmup_s = 10",
            "bad.toml:3: `warmup_s`: expected less than `duration_s`, got 10",
        ),
        (
            "rate_mbps = 20",
            "rate_mbps = 0",
            "bad.toml:6: `link.rate_mbps`: expected 0.001 to 1000000, got 0",
        ),
        (
            "base_rtt_ms = 40",
            "base_rtt_ms = 70e3",
            "bad.toml:7: `link.base_rtt_ms`: expected 0 to 60000, got 70000",
        ),
        (
            "buffer_bdp = 1",
            "buffer_bytes = 1499",
            "bad.toml:8: `link.buffer_bytes`: expected at least one packet of 1500 bytes, \
             got 1499 bytes",
        ),
        (
            "loss_percent = 0.5",
            "loss_percent = 101",
            "bad.toml:9: `link.loss_percent`: expected 0 to 100, got 101",
        ),
        (
            "ack_every = 2",
            "ack_every = 0",
            "bad.toml:12: `transport.ack_every`: expected 1 to 64, got 0",
        ),
        (
            "start_s = 1",
            "start_s = 10",
            "bad.toml:19: `flow[1].start_s`: expected less than `duration_s`, got 10",
        ),
        (
            "start_s = 1",
            "stack = \"quinn\"",
            "bad.toml:19: `flow[1].stack`: expected `model`, got `quinn`",
        ),
        (
            "count = 2",
            "count = 0",
            "bad.toml:20: `flow[1].count`: expected 1 to 100000, got 0",
        ),
        (
            "count = 2",
            "stop_s = 1",
            "bad.toml:20: `flow[1].stop_s`: expected more than `start_s`, got 1",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(refusal(from, to), expected);
    }
}

#[test]
fn unknown_keys_and_wrong_types_are_named_with_their_line() {
    let unknown = refusal("buffer_bdp = 1", "buffer_packets = 1");
    assert!(
        unknown.starts_with("bad.toml:8: buffer_packets: unknown field"),
        "{unknown}"
    );
    let wrong = refusal("rate_mbps = 20", "rate_mbps = \"fast\"");
    assert!(
        wrong.starts_with("bad.toml:6: rate_mbps: invalid type: string"),
        "{wrong}"
    );
    let absent = refusal("controller = \"cubic\"", "");
    assert!(absent.contains("missing field `controller`"), "{absent}");
    assert!(absent.starts_with("bad.toml:14:"), "{absent}");
    let broken = refusal("[link]", "[link");
    assert!(broken.starts_with("bad.toml:5:"), "{broken}");
}

#[test]
fn missing_and_contradicting_fields_are_named() {
    assert_eq!(
        refusal("buffer_bdp = 1", ""),
        "bad.toml:5: `link.buffer_bytes` is missing: a size or `buffer_bdp`"
    );
    assert_eq!(
        refusal("buffer_bdp = 1", "buffer_bdp = 1\nbuffer_bytes = 3000"),
        "bad.toml:9: `link.buffer_bytes` and `link.buffer_bdp` exclude each other: give one of them"
    );
    let without_flows = GOOD.split("[[flow]]").next().unwrap();
    let error = ValidScenario::from_toml(without_flows, "bad.toml")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "bad.toml: `flow`: expected at least one flow, got none"
    );
}

#[test]
fn rate_steps_start_at_zero_and_increase() {
    let steps = |second: &str| {
        let steps = format!("rate_steps = [\n  {{ at_s = 0, rate_mbps = 20 }},\n  {second},\n]");
        refusal("rate_mbps = 20", &steps)
    };
    assert_eq!(
        steps("{ at_s = 0, rate_mbps = 5 }"),
        "bad.toml:8: `link.rate_steps[1].at_s`: expected times that start at 0 and increase, got 0"
    );
    assert_eq!(
        steps("{ at_s = 3, rate_mbps = -5 }"),
        "bad.toml:8: `link.rate_steps[1].rate_mbps`: expected 0.001 to 1000000, got -5"
    );
}

#[test]
fn not_a_number_is_out_of_every_range() {
    assert!(refusal("rate_mbps = 20", "rate_mbps = nan").contains("got NaN"));
    assert!(refusal("base_rtt_ms = 40", "base_rtt_ms = nan").contains("got NaN"));
    assert!(refusal("loss_percent = 0.5", "loss_percent = nan").contains("got NaN"));
    assert!(refusal("buffer_bdp = 1", "buffer_bdp = inf").contains("got inf"));
}
