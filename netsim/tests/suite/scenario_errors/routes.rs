//! Ways that lead nowhere.

use super::error_of;

const GRAPH: &str = "\
version = 1
duration_s = 10

[[links]]
name = \"a-b\"
from = \"a\"
to = \"b\"
rate_mbps = 10
delay_ms = 5
buffer_packets = 50

[[links]]
name = \"b-c\"
from = \"b\"
to = \"c\"
rate_mbps = 10
delay_ms = 5
buffer_packets = 50

[[links]]
name = \"c-a\"
from = \"c\"
to = \"a\"
rate_mbps = 10
delay_ms = 5
buffer_packets = 50

[[flow]]
controller = \"cubic\"
route = [\"a-b\", \"b-c\"]
return_route = [\"c-a\"]
reroutes = [{ at_s = 1, route = [\"a-b\", \"b-c\"] }]
";

/// Holds each error to its message: (replaced, by, message behind the file's name).
fn check(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert!(GRAPH.contains(from), "{from}");
        let text = GRAPH.replacen(from, to, 1);
        assert_eq!(error_of(&text), format!("bad.toml:{expected}"));
    }
}

#[test]
fn each_wrong_route_has_its_own_message() {
    check(&[
        (
            "name = \"b-c\"",
            "name = \"a-b\"",
            "13: `links[1].name`: duplicate name `a-b`: `links[0]` has it already",
        ),
        (
            "route = [\"a-b\", \"b-c\"]",
            "route = [\"a-b\", \"b-d\"]",
            "30: `flow[0].route`: unknown link `b-d`: expected one of `a-b`, `b-c`, `c-a`",
        ),
        (
            "route = [\"a-b\", \"b-c\"]",
            "route = [\"b-c\", \"a-b\"]",
            "30: `flow[0].route`: route with a gap: `b-c` ends at `c`, but `a-b` starts at `a`",
        ),
        (
            "route = [\"a-b\", \"b-c\"]",
            "route = [\"a-b\", \"b-c\", \"c-a\"]",
            "30: `flow[0].route`: cyclic route: it comes to `a` twice",
        ),
        (
            "route = [\"a-b\", \"b-c\"]",
            "route = []",
            "30: `flow[0].route`: empty route: expected at least one link",
        ),
        (
            "return_route = [\"c-a\"]",
            "return_route = [\"b-c\"]",
            "31: `flow[0].return_route`: expected a route from `c` to `a`, got one from `b` to `c`",
        ),
        (
            "at_s = 1, route = [\"a-b\", \"b-c\"]",
            "at_s = 1, route = [\"a-b\"]",
            "32: `flow[0].reroutes[0].route`: expected a route from `a` to `c`, got one from `a` \
             to `b`",
        ),
        (
            "at_s = 1",
            "at_s = 0",
            "32: `flow[0].reroutes[0].at_s`: expected times that increase, the first route's at \
             0, got 0",
        ),
        (
            "route = [\"a-b\", \"b-c\"]",
            "",
            "28: `flow[0].route`: missing, expected a list of links",
        ),
        (
            "controller = \"cubic\"",
            "controller = \"cubic\"\nbase_rtt_ms = 14",
            "30: `flow[0].base_rtt_ms`: expected at least 15, which its links hold, got 14",
        ),
    ]);
}

#[test]
fn keys_of_one_topology_do_not_belong_to_another() {
    check(&[
        (
            "controller = \"cubic\"",
            "controller = \"cubic\"\nenter = 1",
            "30: `flow[0].enter`: does not belong here: only flows of a parking lot enter and exit",
        ),
        (
            "duration_s = 10",
            "duration_s = 10\ntopology = { kind = \"dumbbell\" }",
            "3: `topology`: does not belong here: `[[links]]` are a topology of their own",
        ),
        (
            "duration_s = 10",
            "duration_s = 10\nlink = { rate_mbps = 10 }",
            "3: `link`: excludes `links`: give one of them",
        ),
    ]);
    let lone = super::GOOD.replace("start_s = 1", "direction = \"reverse\"");
    assert_eq!(
        error_of(&lone),
        "bad.toml:19: `flow[1].direction`: does not belong here: a flow in that direction needs a \
         table `[reverse]`"
    );
    let routed = super::GOOD.replace("start_s = 1", "route = [\"link\"]");
    assert_eq!(
        error_of(&routed),
        "bad.toml:19: `flow[1].route`: does not belong here: only flows over `[[links]]` have \
         routes"
    );
}

#[test]
fn a_file_changes_a_route_a_thousand_times_at_most() {
    let reroutes = (1..=65_536).map(|time| {
        let seconds = f64::from(time) / 10_000.0;
        format!("{{ at_s = {seconds}, route = [\"a-b\", \"b-c\"] }}")
    });
    let reroutes = format!("[{}]", reroutes.collect::<Vec<_>>().join(", "));
    let written = "[{ at_s = 1, route = [\"a-b\", \"b-c\"] }]";
    check(&[(
        written,
        &reroutes,
        "32: `flow[0].reroutes`: expected at most 1000 routes, got 65536",
    )]);
}

#[test]
fn flows_over_many_hops_do_not_fill_the_memory() {
    let lot = |flows: &str| {
        let text = super::GOOD.replace("base_rtt_ms = 40", "delay_ms = 5");
        let text = text.replace(
            "[link]",
            "[topology]\nkind = \"parking-lot\"\nhops = 1000\n[link]",
        );
        error_of(&text.replace("count = 2", flows))
    };
    let expected = "expected at most 2000000 links in the routes of all flows together";
    assert_eq!(
        lot("count = 20000"),
        format!("bad.toml:17: `flow`: {expected}, got 20001000")
    );
    let listed = "\n[[flow]]\ncontroller = \"cubic\"".repeat(1999);
    assert_eq!(
        lot(&listed),
        format!("bad.toml:17: `flow`: {expected}, got 2001000")
    );
}

#[test]
fn parking_lots_are_entered_and_left_at_hops_that_exist() {
    let lot = |topology: &str, flow: &str| {
        let text = super::GOOD.replace("base_rtt_ms = 40", "delay_ms = 5");
        let text = text.replace("[link]", &format!("[topology]\n{topology}\n[link]"));
        error_of(&text.replace("start_s = 1", flow))
    };
    let hops = "kind = \"parking-lot\"\nhops = 3";
    assert_eq!(
        lot(hops, "enter = 4"),
        "bad.toml:22: `flow[1].enter`: expected 1 to 3, got 4"
    );
    assert_eq!(
        lot(hops, "enter = 2\nexit = 1"),
        "bad.toml:23: `flow[1].exit`: expected 2 to 3, got 1"
    );
    assert_eq!(
        lot("kind = \"parking-lot\"\nhops = 0", ""),
        "bad.toml:7: `topology.hops`: expected 1 to 1000, got 0"
    );
    assert_eq!(
        lot("kind = \"star\"", ""),
        "bad.toml:6: `topology.kind`: expected one of `dumbbell`, `parking-lot`, got `star`"
    );
}
