//! Scenarios built in code meet the same checks as files.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Timestamp};
use tautline_netsim::scenario::{
    Buffer, FlowSpec, LinkSpec, REVERSE, ScenarioError, ValidScenario,
};

const SECOND: Duration = Duration::from_secs(1);

fn link(name: &str, from: &str, to: &str) -> LinkSpec {
    let rate = Bandwidth::from_bits_per_sec(10_000_000);
    LinkSpec {
        from: from.to_owned(),
        to: to.to_owned(),
        ..LinkSpec::between(name, rate, Duration::from_millis(5), Buffer::Packets(50))
    }
}

fn over(links: Vec<LinkSpec>, flow: FlowSpec) -> Result<ValidScenario, ScenarioError> {
    ValidScenario::over(links, vec![flow], SECOND)
}

fn message(result: Result<ValidScenario, ScenarioError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn routes_are_checked_without_a_file_too() {
    let links = || vec![link("a", "x", "y"), link("b", "y", "z")];
    let good = over(links(), FlowSpec::new("cubic").along(&["a", "b"], &[])).unwrap();
    let flow = &good.flows()[0];
    assert_eq!(good.routes(flow)[0].forward, [0, 1]);
    assert_eq!(
        good.one_way_delays(flow),
        (Duration::ZERO, Duration::from_millis(10))
    );
    assert_eq!(
        message(over(
            links(),
            FlowSpec::new("cubic").along(&["b", "a"], &[])
        )),
        "`flow[0].route`: route with a gap: `b` ends at `z`, but `a` starts at `x`"
    );
    let early = FlowSpec::new("cubic").along(&["a"], &[]);
    let early = early.rerouted_at(Timestamp::ZERO, &["a"], &[]);
    assert_eq!(
        message(over(links(), early)),
        "`flow[0].reroutes[0].at_s`: expected times that increase, the first route's at 0, got 0"
    );
    let twins = vec![link("a", "x", "y"), link("a", "y", "z")];
    assert_eq!(
        message(over(twins, FlowSpec::new("cubic"))),
        "`links[1].name`: duplicate name `a`: `links[0]` has it already"
    );
    assert_eq!(
        message(over(Vec::new(), FlowSpec::new("cubic"))),
        "`links`: expected 1 to 10000 links, got 0"
    );
}

#[test]
fn a_flow_changes_its_route_a_thousand_times_at_most() {
    let rerouted = |times: u64| {
        let first = FlowSpec::new("cubic").along(&["a"], &[]);
        let flow = (1..=times).fold(first, |flow, time| {
            flow.rerouted_at(Timestamp::from_nanos(time), &["a"], &[])
        });
        over(vec![link("a", "x", "y")], flow)
    };
    let good = rerouted(1000).unwrap();
    assert_eq!(good.routes(&good.flows()[0]).len(), 1001);
    for times in [1001, 65_536] {
        assert_eq!(
            message(rerouted(times)),
            format!("`flow[0].reroutes`: expected at most 1000 routes, got {times}")
        );
    }
}

#[test]
fn the_routes_of_all_flows_together_have_a_limit() {
    let crowd = |count| {
        let flow = FlowSpec::new("cubic").along(&["a", "b"], &["c"]);
        let links = vec![
            link("a", "x", "y"),
            link("b", "y", "z"),
            link("c", "z", "x"),
        ];
        let many = flow.clone().rerouted_at(Timestamp::MAX, &["a", "b"], &[]);
        let flows = vec![flow.times(100), many.times(count)];
        ValidScenario::over(links, flows, SECOND).map(|scenario| scenario.flows().len())
    };
    assert_eq!(crowd(99_900), Ok(100_000));
    let links: Vec<LinkSpec> = (0..21)
        .map(|hop| link(&format!("l{hop}"), "", ""))
        .collect();
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let flow = FlowSpec::new("cubic").along(&names, &[]).times(100_000);
    assert_eq!(
        message(over(links.clone(), flow)),
        "`flow`: expected at most 2000000 links in the routes of all flows together, got 2100000"
    );
}

#[test]
fn nodes_without_names_still_forbid_a_link_twice() {
    let links = vec![link("a", "", ""), link("b", "", "")];
    assert_eq!(
        message(over(
            links,
            FlowSpec::new("cubic").along(&["a", "b", "a"], &[])
        )),
        "`flow[0].route`: cyclic route: it comes to `a` twice"
    );
}

#[test]
fn a_link_called_reverse_is_the_way_back_of_a_dumbbell() {
    let rate = Bandwidth::from_bits_per_sec(10_000_000);
    let ahead = LinkSpec::new(rate, Duration::from_millis(30), Buffer::Packets(50));
    let back = LinkSpec {
        name: REVERSE.to_owned(),
        ..ahead.clone()
    };
    let scenario = ValidScenario::new(ahead, vec![FlowSpec::new("cubic")], SECOND)
        .and_then(|scenario| scenario.with_links(vec![back.clone()]))
        .unwrap();
    let flow = &scenario.flows()[0];
    assert_eq!(scenario.routes(flow)[0].backward, [1]);
    let half = Duration::from_millis(15);
    assert_eq!(scenario.one_way_delays(flow), (half, half));
    let small = LinkSpec {
        buffer: Buffer::Packets(0),
        name: "other".to_owned(),
        ..back
    };
    assert!(message(scenario.with_links(vec![small])).starts_with("`links[2].buffer_packets`"));
}
