//! Links that cannot carry anything, or not in that way.

use super::{check, error_of, refusal};

#[test]
fn a_zero_rate_link_has_its_own_message() {
    let message = "a zero-rate link carries nothing: expected 0.001 to 1000000, got 0";
    for (from, to, field) in [
        ("rate_mbps = 20", "rate_mbps = 0", "6: `link.rate_mbps`"),
        (
            "rate_mbps = 20",
            "rate_steps = [{ at_s = 0, rate_mbps = 1 },\n{ at_s = 1, rate_mbps = 0.0 }]",
            "7: `link.rate_steps[1].rate_mbps`",
        ),
        (
            "rate_mbps = 20",
            "cellular = { mean_mbps = 0 }",
            "6: `link.cellular.mean_mbps`",
        ),
        (
            "loss_percent = 0.5",
            "policer = { rate_mbps = 0, burst_bytes = 9000 }",
            "9: `link.policer.rate_mbps`",
        ),
    ] {
        check(&[(from, to, &format!("{field}: {message}"))]);
    }
    check(&[(
        "rate_mbps = 20",
        "rate_mbps = -0.5",
        "6: `link.rate_mbps`: expected 0.001 to 1000000, got -0.5",
    )]);
}

#[test]
fn a_queue_smaller_than_a_packet_has_its_own_message() {
    let message = "a queue smaller than a packet: expected at least one packet of 1500 bytes";
    for (to, got) in [
        ("buffer_bytes = 1499", "1499 bytes"),
        ("buffer_packets = 0", "0 packets"),
        ("buffer_bdp = 0.0149", "1490 bytes"),
        ("buffer_ms = 0.5", "1250 bytes"),
    ] {
        let field = to.split(' ').next().unwrap();
        let expected = format!("8: `link.{field}`: {message}, got {got}");
        check(&[("buffer_bdp = 1", to, &expected)]);
    }
}

#[test]
fn the_only_rate_step_is_named_as_a_step() {
    check(&[(
        "rate_mbps = 20",
        "rate_steps = [\n{ rate_mbps = 1,\n  at_s = 1 },\n]",
        "8: `link.rate_steps[0].at_s`: expected times that start at 0 and increase, got 1",
    )]);
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
    check(&[(
        "rate_mbps = 20",
        "rate_steps = []",
        "6: `link.rate_steps`: expected at least one step, got none",
    )]);
}

#[test]
fn parameters_of_queues_belong_to_their_discipline() {
    check(&[
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"sfq\" }",
            "9: `link.queue.discipline`: expected one of `drop-tail`, `codel`, `fq-codel`, `pie`, \
             `red`, `dualpi2`, `step`, got `sfq`",
        ),
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"codel\", quantum_bytes = 300 }",
            "9: `link.queue.quantum_bytes`: unknown key, expected one of `discipline`, \
             `target_ms`, `interval_ms`",
        ),
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"codel\", interval_ms = 5 }",
            "9: `link.queue.interval_ms`: expected more than `target_ms`, got 5",
        ),
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"pie\", update_ms = 0 }",
            "9: `link.queue.update_ms`: expected 1 to 1000, got 0",
        ),
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"red\", max_bytes = 9000 }",
            "9: `link.queue.min_bytes`: missing, expected a size in bytes",
        ),
        (
            "loss_percent = 0.5",
            "queue = { discipline = \"red\", min_bytes = 9000, max_bytes = 9000 }",
            "9: `link.queue.min_bytes`: expected 1 to 8999, got 9000",
        ),
    ]);
}

#[test]
fn impairments_stay_in_their_ranges() {
    check(&[
        (
            "base_rtt_ms = 40",
            "base_rtt_ms = 70e3",
            "7: `link.base_rtt_ms`: expected 0 to 60000, got 70000",
        ),
        (
            "loss_percent = 0.5",
            "loss_percent = 101",
            "9: `link.loss_percent`: expected 0 to 100, got 101",
        ),
        (
            "loss_percent = 0.5",
            "[link.gilbert_elliott]\ngood_to_bad_percent = 1\nbad_to_good_percent = -1",
            "11: `link.gilbert_elliott.bad_to_good_percent`: expected 0 to 100, got -1",
        ),
        (
            "loss_percent = 0.5",
            "held_percent = 1",
            "5: `link.held_ms`: expected above 0, at most 10000, got 0",
        ),
        (
            "loss_percent = 0.5",
            "policer = { rate_mbps = 5, burst_bytes = 100 }",
            "9: `link.policer.burst_bytes`: expected 1500 to 1099511627776, got 100",
        ),
        (
            "loss_percent = 0.5",
            "blackouts = [\n{ at_s = 1, for_s = 2 },\n{ at_s = 2, for_s = 1 }]",
            "11: `link.blackouts[1].at_s`: expected at least 3, the end of the one before, got 2",
        ),
        (
            "loss_percent = 0.5",
            "blackouts = [{ at_s = 1, for_s = 2, packets = \"kept\" }]",
            "9: `link.blackouts[0].packets`: expected one of `lost`, `held`, got `kept`",
        ),
        (
            "rate_mbps = 20",
            "leo = { mean_mbps = 20, gap_ms = 8000 }",
            "6: `link.leo.gap_ms`: expected 0 to 7500, got 8000",
        ),
        (
            "rate_mbps = 20",
            "wifi = { peak_mbps = 20, contention_percent = 96 }",
            "6: `link.wifi.contention_percent`: expected 0 to 95, got 96",
        ),
    ]);
}

#[test]
fn traces_are_refused_with_their_own_file_and_line() {
    let folder = std::env::temp_dir().join(format!("tautline-traces-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("empty.trace"), "").unwrap();
    std::fs::write(folder.join("bad.trace"), "1\n2\nthree\n").unwrap();
    let scenario = folder.join("bad.toml");
    let refusal = |trace: &str| {
        let text = super::GOOD.replace("rate_mbps = 20", &format!("trace = \"{trace}\""));
        let file = scenario.to_str().unwrap();
        let error = tautline_netsim::scenario::ValidScenario::from_toml(&text, file);
        error
            .unwrap_err()
            .to_string()
            .replace(folder.to_str().unwrap(), "")
    };
    assert_eq!(
        refusal("empty.trace"),
        "/bad.toml:6: `link.trace`: /empty.trace: the trace is empty: expected at least one time \
         in milliseconds"
    );
    assert_eq!(
        refusal("bad.trace"),
        "/bad.toml:6: `link.trace`: /bad.trace:3: expected a time in whole milliseconds, \
         0 to 4294967295, got \"three\""
    );
    let absent = refusal("absent.trace");
    assert!(
        absent.contains("/absent.trace: cannot read the trace"),
        "{absent}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_way_back_has_the_round_trip_time_of_the_link() {
    let text = super::GOOD.replace("[transport]", "[reverse]\nbase_rtt_ms = 4\n[transport]");
    assert_eq!(
        error_of(&text),
        "bad.toml:12: `reverse.base_rtt_ms`: does not belong here: the propagation of both ways is \
         `link.base_rtt_ms`"
    );
    let text = super::GOOD.replace(
        "[transport]",
        "[reverse]\nrate_mbps = 0\nbuffer_packets = 10\n[transport]",
    );
    assert!(error_of(&text).starts_with("bad.toml:12: `reverse.rate_mbps`: a zero-rate link"));
}
