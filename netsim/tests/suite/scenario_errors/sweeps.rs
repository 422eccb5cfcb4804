//! Grids and what can be wrong with them.

use tautline_netsim::scenario::{Scenario, ValidScenario};

use super::GOOD;

/// The names of a grid's cells.
fn names(sweep: &str) -> Vec<String> {
    let text = format!("{GOOD}\n[sweep]\n{sweep}");
    let grid = ValidScenario::grid_from_toml(&text, "folder/grid.toml").unwrap();
    grid.iter().map(|cell| cell.name().to_owned()).collect()
}

fn refusal(sweep: &str) -> String {
    let text = format!("{GOOD}\n[sweep]\n{sweep}");
    let error = ValidScenario::grid_from_toml(&text, "bad.toml").unwrap_err();
    error.to_string()
}

#[test]
fn a_grid_is_the_product_in_the_order_of_the_file() {
    assert_eq!(
        names("\"link.rate_mbps\" = [10, 20]\n\"link.base_rtt_ms\" = [5.5, 40]"),
        [
            "grid rate_mbps=10,base_rtt_ms=5.5",
            "grid rate_mbps=10,base_rtt_ms=40",
            "grid rate_mbps=20,base_rtt_ms=5.5",
            "grid rate_mbps=20,base_rtt_ms=40",
        ]
    );
    // Without quotes it is a table of tables and means the same.
    assert_eq!(
        names("link.base_rtt_ms = [5]\nlink.rate_mbps = [10]\nname = [\"x\"]"),
        ["x base_rtt_ms=5,rate_mbps=10,name=x"]
    );
    assert_eq!(
        names("\"flow.0.start_s\" = [0, 1]\n\"flow.1.start_s\" = [2]"),
        [
            "grid flow.0.start_s=0,flow.1.start_s=2",
            "grid flow.0.start_s=1,flow.1.start_s=2",
        ]
    );
}

#[test]
fn ranges_are_linear_or_logarithmic_and_whole_between_whole_ends() {
    assert_eq!(
        names("\"link.jitter_ms\" = { from = 0, to = 50, steps = 3 }"),
        ["grid jitter_ms=0", "grid jitter_ms=25", "grid jitter_ms=50"]
    );
    assert_eq!(
        names("\"link.jitter_ms\" = { from = 0.0, to = 1, steps = 3 }"),
        ["grid jitter_ms=0", "grid jitter_ms=0.5", "grid jitter_ms=1"]
    );
    assert_eq!(
        names(
            "\"transport.receive_window_bytes\" = { from = 3000, to = 300000, steps = 3, scale = \"log\" }"
        ),
        [
            "grid receive_window_bytes=3000",
            "grid receive_window_bytes=30000",
            "grid receive_window_bytes=300000",
        ]
    );
}

#[test]
fn every_key_can_be_swept_also_tables_and_what_the_file_leaves_out() {
    let sweep = "\"link.queue\" = [{ discipline = \"codel\" }, { discipline = \"pie\" }]\n\
                 \"transport.pacing\" = [\"off\"]\n\"flow.1.controller\" = [\"bbr\"]";
    let text = format!("{GOOD}\n[sweep]\n{sweep}");
    let cells = Scenario::expand(&text, "grid.toml").unwrap();
    let queues: Vec<&str> = cells
        .iter()
        .map(|cell| cell.scenario.link().queue.name())
        .collect();
    assert_eq!(queues, ["codel", "pie"]);
    assert_eq!(cells[1].suffix(), "queue=#2,pacing=off,controller=bbr");
    assert_eq!(cells[1].scenario.flows()[2].controller, "bbr");
    let alone = Scenario::expand(GOOD, "grid.toml").unwrap();
    assert_eq!((alone.len(), alone[0].suffix().as_str()), (1, ""));
    assert_eq!(alone[0].scenario.name(), "");
}

#[test]
fn swept_values_are_refused_with_the_line_of_the_sweep() {
    for (sweep, expected) in [
        (
            "\"link.rate_mbps\" = [10,\n0]",
            "24: `link.rate_mbps`: a zero-rate link carries nothing: expected 0.001 to 1000000, \
             got 0 (in the cell rate_mbps=0)",
        ),
        (
            "\"link.base_rtt_ms\" = { from = 10, to = 70000, steps = 2 }",
            "23: `link.base_rtt_ms`: expected 0 to 60000, got 70000 (in the cell base_rtt_ms=70000)",
        ),
        (
            "\"link.queue.discipline\" = [\"codel\", \"sfq\"]",
            "23: `link.queue.discipline`: expected one of `drop-tail`, `codel`, `fq-codel`, `pie`, \
             `red`, `dualpi2`, `step`, got `sfq` (in the cell discipline=sfq)",
        ),
        (
            "\"link.base_rtt_ms\" = [40, 0]",
            "8: `link.buffer_bdp`: a queue smaller than a packet: expected at least one packet of \
             1500 bytes, got 0 bytes (in the cell base_rtt_ms=0)",
        ),
        (
            "\"lnk.rate_mbps\" = [1]",
            "23: `lnk`: unknown key, expected one of `version`, `name`, `duration_s`, `warmup_s`, \
             `link`, `reverse`, `topology`, `links`, `transport`, `flow`, `sweep` \
             (in the cell rate_mbps=1)",
        ),
        (
            "\"flow.2.start_s\" = [1]",
            "23: `sweep`: expected a number below 2, the entries that there are, in place of `2`, \
             got `flow.2.start_s`",
        ),
        (
            "\"link.rate_mbps.now\" = [1]",
            "23: `sweep`: expected a table or a list before `now`, got `link.rate_mbps.now`",
        ),
        (
            "\"link.rate_mbps\" = 5",
            "23: `sweep.link.rate_mbps`: expected a list, or a table with `from`, `to` and \
             `steps`, got 5",
        ),
        (
            "\"link.rate_mbps\" = []",
            "23: `sweep.link.rate_mbps`: expected at least one value, got none",
        ),
        (
            "\"link.rate_mbps\" = [5, 5.0]",
            "23: `sweep.link.rate_mbps`: expected values that differ, got 5 twice",
        ),
        (
            "\"link.rate_mbps\" = { from = 1, to = 5, steps = 1 }",
            "23: `sweep.link.rate_mbps.steps`: expected a whole number from 2 to 100000, got 1",
        ),
        (
            "\"link.rate_mbps\" = { from = 1, to = 5, step = 1 }",
            "23: `sweep.link.rate_mbps.step`: unknown key, expected one of `from`, `to`, `steps`, \
             `scale`",
        ),
        (
            "\"link.rate_mbps\" = { from = 0, to = 5, steps = 3, scale = \"log\" }",
            "23: `sweep.link.rate_mbps`: expected ends above 0 on a log scale, got 0 to 5",
        ),
        (
            "\"sweep.x\" = [1]",
            "23: `sweep.sweep.x`: does not belong here: a sweep cannot sweep itself",
        ),
    ] {
        assert_eq!(refusal(sweep), format!("bad.toml:{expected}"));
    }
}

#[test]
fn grids_have_a_limit() {
    let axis = "= { from = 0.0, to = 1, steps = 1000 }";
    let sweep = format!("\"link.loss_percent\" {axis}\n\"link.jitter_ms\" {axis}");
    assert_eq!(
        refusal(&sweep),
        "bad.toml:22: `sweep`: a grid of 1000000 cells, expected at most 100000"
    );
    let sweep = format!("\"link.loss_percent\" {axis}\n\"flow.1.count\" = [4000]");
    assert_eq!(
        refusal(&sweep),
        "bad.toml:22: `sweep`: expected at most 1000000 flows in all cells together, got 1000250 \
         or more"
    );
}

#[test]
fn links_and_lists_of_grids_have_a_limit_too() {
    let lot = GOOD.replace("base_rtt_ms = 40", "delay_ms = 5").replace(
        "[link]",
        "[topology]\nkind = \"parking-lot\"\nhops = 1000\n[link]",
    );
    let lot = lot.replace("count = 2", "exit = 1\ncount = 2");
    let lot = lot.replace("controller = \"cubic\"", "controller = \"cubic\"\nexit = 1");
    let refusal = |text: &str, sweep: &str| {
        let text = format!("{text}\n[sweep]\n{sweep}");
        let error = ValidScenario::grid_from_toml(&text, "bad.toml").unwrap_err();
        error.to_string()
    };
    let cells = "\"link.jitter_ms\" = { from = 0.0, to = 1, steps = 2000 }";
    assert_eq!(
        refusal(&lot, cells),
        "bad.toml:27: `sweep`: expected at most 1000000 links in all cells together, got 1001000 \
         or more"
    );
    let steps = (0..3000).map(|at| format!("{{ at_s = {at}, rate_mbps = 20 }}"));
    let steps = format!("rate_steps = [{}]", steps.collect::<Vec<_>>().join(", "));
    let stepped = lot.replace("rate_mbps = 20", &steps);
    assert_eq!(
        refusal(&stepped, cells),
        "bad.toml:27: `sweep`: expected at most 2000000 entries of routes, rate steps, blackouts \
         and ladders in all cells together, got 3000003 or more"
    );
}

#[test]
fn a_grid_is_not_one_scenario() {
    let text = format!("{GOOD}\n[sweep]\n\"link.rate_mbps\" = [1, 2, 3]");
    let error = ValidScenario::from_toml(&text, "bad.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad.toml:22: `sweep`: does not belong here: this file is a grid of 3 scenarios, read it \
         as one"
    );
}
