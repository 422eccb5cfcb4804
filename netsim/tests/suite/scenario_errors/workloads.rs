//! Applications that cannot be.

use super::check;

#[test]
fn parameters_of_workloads_belong_to_their_kind_and_range() {
    let case = |workload: &str, expected: &str| {
        let workload = format!("workload = {{ {workload} }}");
        check(&[(
            "start_s = 1",
            &workload,
            &format!("19: `flow[1].workload{expected}"),
        )]);
    };
    case(
        "kind = \"ftp\"",
        ".kind`: expected one of `bulk`, `on-off`, `web`, `request-response`, `real-time`, \
         `video`, `incast`, got `ftp`",
    );
    case(
        "on_ms = 5",
        ".kind`: missing, expected `bulk`, `on-off`, `web`, `request-response`, \
         `real-time`, `video`, `incast`",
    );
    case(
        "kind = \"on-off\", on_ms = 0, off_ms = 1",
        ".on_ms`: expected 1 to 3600000, got 0",
    );
    case(
        "kind = \"on-off\", on_ms = 10, idle_ms = 1",
        ".idle_ms`: unknown key, expected one of `kind`, `on_ms`, `off_ms`",
    );
    case(
        "kind = \"web\", every_ms = 10",
        ".object`: missing, expected a table with a `kind` of size",
    );
    case(
        "kind = \"web\", every_ms = 10, object = { kind = \"fixed\", bytes = 0 }",
        ".object.bytes`: expected 1 to 1099511627776, got 0",
    );
    case(
        "kind = \"web\", every_ms = 10, object = { kind = \"pareto\", min_bytes = 9, \
         shape = 0, max_bytes = 10 }",
        ".object.shape`: expected 0.01 to 100, got 0",
    );
    case(
        "kind = \"real-time\", rate_mbps = 0.001, frame_every_ms = 1, deadline_ms = 10",
        ".frame_every_ms`: expected long enough for a frame of one byte, got 1",
    );
    case(
        "kind = \"video\", chunk_s = 2, ladder_mbps = [1, 1], buffer_s = 20",
        ".ladder_mbps[1]`: expected rates that increase, got 1",
    );
    case(
        "kind = \"video\", chunk_s = 2, ladder_mbps = [], buffer_s = 20",
        ".ladder_mbps`: expected 1 to 256 rates, got 0 rates",
    );
    case(
        "kind = \"request-response\", request_bytes = 9, deadline_ms = 10, response = \
         { kind = \"fixed\", bytes = 9 }, retry = { timeout_ms = 10, backoff = 0.5 }",
        ".retry.backoff`: expected 1 to 100, got 0.5",
    );
    case(
        "kind = \"request-response\", request_bytes = 1048577, deadline_ms = 10, response = \
         { kind = \"fixed\", bytes = 9 }, retry = { timeout_ms = 10 }",
        ".request_bytes`: expected 1 to 1048576, got 1048577",
    );
    case(
        "kind = \"incast\", burst_bytes = 10, every_ms = 0.5",
        ".every_ms`: expected 1 to 3600000, got 0.5",
    );
}
