//! Bad scenario files are refused with file, line, field, expectation and finding.

mod built;
mod links;
mod mutations;
mod routes;
mod sweeps;
mod workloads;

use tautline_netsim::scenario::{Limit, LossSpec, ValidScenario};

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

/// The error of a whole file.
fn error_of(text: &str) -> String {
    ValidScenario::from_toml(text, "bad.toml")
        .unwrap_err()
        .to_string()
}

/// The error after replacing `from` by `to` in a good file.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    error_of(&GOOD.replacen(from, to, 1))
}

#[test]
fn a_good_file_is_accepted_and_expanded() {
    let scenario = ValidScenario::from_toml(GOOD, "good.toml").unwrap();
    assert_eq!(scenario.flows().len(), 3);
    assert_eq!(scenario.link().limit(), Limit::Bytes(100_000));
    assert_eq!(scenario.link().loss, LossSpec::Bernoulli(0.005));
}

/// Holds each error to its message: (replaced, by, message behind the file's name).
fn check(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert_eq!(refusal(from, to), format!("bad.toml:{expected}"));
    }
}

#[test]
fn ranges_are_named_with_line_and_field() {
    check(&[
        (
            "version = 1",
            "version = 2",
            "1: `version`: expected 1, got 2",
        ),
        (
            "duration_s = 10",
            "duration_s = -1",
            "2: `duration_s`: expected a time of 0 to 3200000000, got -1",
        ),
        (
            "duration_s = 10",
            "duration_s = 90000",
            "2: `duration_s`: expected 0.001 to 86400, got 90000",
        ),
        (
            "warmup_s = 2",
            "warmup_s = 10",
            "3: `warmup_s`: expected less than `duration_s`, got 10",
        ),
        (
            "ack_every = 2",
            "ack_every = 0",
            "12: `transport.ack_every`: expected 1 to 64, got 0",
        ),
        (
            "ack_every = 2",
            "ack_bytes = 0",
            "12: `transport.ack_bytes`: expected 1 to 65535, got 0",
        ),
        (
            "ack_every = 2",
            "mtu_bytes = 5000000000",
            "12: `transport.mtu_bytes`: expected at most 4294967295, got 5000000000",
        ),
        (
            "ack_every = 2",
            "pacing = \"fq\"",
            "12: `transport.pacing`: expected one of `controller`, `off`, got `fq`",
        ),
    ]);
}

#[test]
fn flows_stay_in_their_ranges() {
    check(&[
        (
            "start_s = 1",
            "start_s = 10",
            "19: `flow[1].start_s`: expected less than `duration_s`, got 10",
        ),
        (
            "start_s = 1",
            "stack = \"kernel\"",
            "19: `flow[1].stack`: expected one of `model`, `quinn`, `smoltcp`, got `kernel`",
        ),
        (
            "start_s = 1",
            "ecn = \"on\"",
            "19: `flow[1].ecn`: expected one of `auto`, `off`, `classic`, `l4s`, got `on`",
        ),
        (
            "count = 2",
            "count = 0",
            "20: `flow[1].count`: expected 1 to 100000, got 0",
        ),
        (
            "count = 2",
            "stop_s = 1",
            "20: `flow[1].stop_s`: expected more than `start_s`, got 1",
        ),
        (
            "count = 2",
            "count = 100000",
            "14: `flow`: expected at most 100000 flows together, got 100001",
        ),
    ]);
}

#[test]
fn unknown_keys_and_wrong_types_are_named_with_their_line() {
    check(&[
        (
            "ack_every = 2",
            "ack_evry = 2",
            "12: `transport.ack_evry`: unknown key, expected one of `mtu_bytes`, \
             `overhead_bytes`, `header_bytes`, `ack_every`, `max_ack_delay_ms`, `receive_window_bytes`, \
             `ack_bytes`, `pacing`",
        ),
        (
            "rate_mbps = 20",
            "rate_mbps = \"fast\"",
            "6: `link.rate_mbps`: expected a number, got `fast`",
        ),
        (
            "count = 2",
            "count = 1.5",
            "20: `flow[1].count`: expected a whole number that is not negative, got 1.5",
        ),
        (
            "count = 2",
            "count = 99999999999999999999",
            "20: `flow[1].count`: expected a whole number of at most 63 bits, \
             got 99999999999999999999",
        ),
        (
            "controller = \"cubic\"",
            "",
            "14: `flow[0].controller`: missing, expected the name of a controller",
        ),
        (
            "controller = \"cubic\"",
            "controller = \"\"",
            "15: `flow[0].controller`: expected a name, got an empty text",
        ),
    ]);
    let unknown = refusal("buffer_bdp = 1", "buffer = 1");
    assert!(
        unknown.starts_with("bad.toml:8: `link.buffer`: unknown key, expected one of `rate_mbps`"),
        "{unknown}"
    );
    let broken = refusal("[link]", "[link");
    assert!(broken.starts_with("bad.toml:5: `[link`: "), "{broken}");
}

#[test]
fn missing_and_contradicting_fields_are_named() {
    check(&[
        (
            "buffer_bdp = 1",
            "",
            "5: `link.buffer_bytes`: missing, expected a size, or `buffer_packets`, `buffer_bdp` \
             or `buffer_ms`",
        ),
        (
            "buffer_bdp = 1",
            "buffer_bdp = 1\nbuffer_bytes = 3000",
            "9: `link.buffer_bytes`: excludes `link.buffer_bdp`: give one of them",
        ),
        (
            "rate_mbps = 20",
            "",
            "5: `link.rate_mbps`: missing, expected a rate, or `rate_steps`, `trace`, `cellular`, \
             `wifi` or `leo`",
        ),
        (
            "base_rtt_ms = 40",
            "",
            "5: `link.base_rtt_ms`: missing, expected a round-trip time",
        ),
        (
            "loss_percent = 0.5",
            "loss_percent = 1\n[link.gilbert_elliott]\n",
            "9: `link.loss_percent`: excludes `link.gilbert_elliott`: give one of them",
        ),
    ]);
    let without_flows = GOOD.split("[[flow]]").next().unwrap();
    assert_eq!(
        error_of(without_flows),
        "bad.toml: `flow`: expected at least one flow, got none"
    );
    assert_eq!(
        error_of("version = 1\nduration_s = 1"),
        "bad.toml: `link`: missing, expected a table `[link]`, or a list `[[links]]`"
    );
    assert_eq!(error_of(""), "bad.toml: `version`: missing, expected 1");
}

#[test]
fn times_beyond_a_century_are_refused_with_their_range() {
    let seconds = "19: `flow[1].start_s`: expected a time of 0 to 3200000000, got";
    check(&[
        (
            "start_s = 1",
            "start_s = 4000000000",
            &format!("{seconds} 4000000000"),
        ),
        ("start_s = 1", "start_s = inf", &format!("{seconds} inf")),
        (
            "base_rtt_ms = 40",
            "base_rtt_ms = 4000000000000",
            "7: `link.base_rtt_ms`: expected a time of 0 to 3200000000000, got 4000000000000",
        ),
        (
            "duration_s = 10",
            "duration_s = 3200000000",
            "2: `duration_s`: expected 0.001 to 86400, got 3200000000",
        ),
    ]);
    let huge = refusal("start_s = 1", "start_s = 1e300");
    assert!(
        huge.contains("expected a time of 0 to 3200000000, got 1"),
        "{huge}"
    );
}

#[test]
fn names_are_short() {
    let name = format!("name = \"{}\"", "n".repeat(129));
    check(&[
        (
            "start_s = 1",
            &name,
            "19: `flow[1].name`: expected a name of at most 128 bytes, got 129 bytes",
        ),
        (
            "controller = \"cubic\"",
            &name.replace("name", "controller"),
            "15: `flow[0].controller`: expected a name of at most 128 bytes, got 129 bytes",
        ),
        (
            "version = 1",
            &format!("version = 1\n{name}"),
            "2: `name`: expected a name of at most 128 bytes, got 129 bytes",
        ),
    ]);
}

#[test]
fn flows_of_one_name_are_refused() {
    assert_eq!(
        refusal(
            "controller = \"cubic\"",
            "controller = \"cubic\"\nname = \"b-2\"\n[[flow]]\nname = \"b\"\ncount = 3\n\
             controller = \"cubic\""
        ),
        "bad.toml:18: `flow[1].name`: duplicate name `b-2`: `flow[0]` has it already"
    );
}

#[test]
fn not_a_number_is_out_of_every_range() {
    assert!(refusal("rate_mbps = 20", "rate_mbps = nan").contains("got NaN"));
    assert!(refusal("base_rtt_ms = 40", "base_rtt_ms = nan").contains("got NaN"));
    assert!(refusal("loss_percent = 0.5", "loss_percent = nan").contains("got NaN"));
    assert!(refusal("buffer_bdp = 1", "buffer_bdp = inf").contains("got inf"));
}
