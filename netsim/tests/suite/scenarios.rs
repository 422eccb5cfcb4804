//! Every shipped scenario is valid; some are run.

use std::path::{Path, PathBuf};

use core::time::Duration;

use tautline_core::controller::FixedWindow;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, Stack, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// Every shipped scenario file.
pub(crate) fn shipped_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [folder(), folder().join("reference")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

fn grid(file: &Path) -> Vec<ValidScenario> {
    let text = std::fs::read_to_string(file).unwrap();
    let grid = ValidScenario::grid_from_toml(&text, file.to_str().unwrap());
    grid.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_shipped_file_is_valid_and_called_like_its_file() {
    let files = shipped_files();
    assert!(files.len() >= 35, "{files:?}");
    for file in files {
        let stem = file.file_stem().unwrap().to_str().unwrap().to_owned();
        for scenario in grid(&file) {
            assert!(scenario.name().starts_with(&stem), "{}", scenario.name());
            assert!(scenario.duration() <= Duration::from_mins(1));
            let mtu = Bytes::new(u64::from(scenario.transport().mtu_bytes));
            for flow in scenario.flows() {
                let name = flow.controller.as_str();
                // Those of real stacks and those with a model are made by whoever runs them.
                let known = by_name(name, mtu, 1).is_ok();
                let made_elsewhere = name == "certified" || name.starts_with("smoltcp-");
                assert!(known || made_elsewhere, "{name}");
            }
        }
    }
}

#[test]
fn the_reference_dumbbells_are_those_of_the_kernel_and_of_ns_3() {
    for (mbps, flows) in [(10, 1), (10, 8), (100, 1), (100, 8)] {
        let file = format!("reference/{mbps}mbps-{flows}flow.toml");
        let scenario = grid(&folder().join(file)).remove(0);
        let rate = Bandwidth::from_bits_per_sec(mbps * 1_000_000);
        let link = LinkSpec::new(
            rate,
            Duration::from_millis(40),
            Buffer::Bytes(Bytes::new(mbps * 5000)),
        );
        let flow = |index: u64| {
            FlowSpec::new("cubic").starting_at(Timestamp::from_nanos(index * 100_000_000))
        };
        let expected =
            ValidScenario::new(link, (0..flows).map(flow).collect(), Duration::from_mins(1))
                .and_then(|scenario| scenario.with_warmup(Duration::from_secs(10)))
                .unwrap();
        assert_eq!(scenario, expected.named(scenario.name()));
    }
}

#[test]
fn delays_of_a_way_add_up_to_its_base_round_trip_time() {
    let of = |name: &str| grid(&folder().join(name)).remove(0);
    let millis = |scenario: &ValidScenario, flow: usize| {
        let (there, back) = scenario.one_way_delays(&scenario.flows()[flow]);
        (there.as_millis(), back.as_millis())
    };
    // 30 ms in three links there, and as much back.
    let lot = of("parking-lot.toml");
    assert_eq!(millis(&lot, 0), (0, 30));
    // 10 ms in one link, 20 behind it: 60 together with the way back.
    assert_eq!(millis(&lot, 2), (20, 30));
    assert_eq!(lot.routes(&lot.flows()[2])[0].forward, [1]);
    let graph = of("graph.toml");
    assert_eq!((millis(&graph, 0), millis(&graph, 1)), ((0, 0), (0, 25)));
    let routes = graph.routes(&graph.flows()[0]);
    assert_eq!(
        (&routes[0].forward[..], &routes[0].backward[..]),
        (&[0, 2][..], &[3, 4][..])
    );
    let reverse = of("reverse-congestion.toml");
    assert_eq!(
        (millis(&reverse, 0), millis(&reverse, 1)),
        ((20, 20), (20, 20))
    );
    let up = reverse.routes(&reverse.flows()[1]);
    assert_eq!(
        (&up[0].forward[..], &up[0].backward[..]),
        (&[1][..], &[0][..])
    );
    assert_eq!(
        of("reroute.toml")
            .routes(&of("reroute.toml").flows()[0])
            .len(),
        3
    );
}

fn outcome_of(scenario: &ValidScenario) -> Outcome<BoxedController> {
    let mtu = Bytes::new(u64::from(scenario.transport().mtu_bytes));
    let controllers = scenario.flows().iter();
    let controllers = controllers.map(|flow| by_name(&flow.controller, mtu, 1).unwrap().into());
    let options = RunOptions::default().with_timeline(Duration::from_secs(1));
    run(scenario, 1, controllers.collect(), &options).unwrap()
}

fn outcome(name: &str) -> Outcome<BoxedController> {
    outcome_of(&grid(&folder().join(name)).remove(0))
}

#[test]
fn every_shipped_file_runs_and_every_flow_delivers() {
    let mut runs = 0;
    for file in shipped_files() {
        for scenario in grid(&file) {
            // Real endpoints are made by whoever runs them.
            if scenario
                .flows()
                .iter()
                .any(|flow| flow.stack != Stack::Model)
            {
                continue;
            }
            let outcome = outcome_of(&scenario);
            let name = scenario.name();
            for (index, flow) in outcome.flows.iter().enumerate() {
                assert!(flow.delivered_bytes > 0, "{name}: flow {index}");
            }
            assert_eq!(outcome.links.len(), scenario.links().len());
            for link in &outcome.links {
                assert!(link.utilisation <= 1.001, "{name}: {link:?}");
            }
            runs += 1;
        }
    }
    assert!(runs > 60, "{runs}");
}

#[test]
fn a_long_way_gets_less_than_the_short_ones_that_it_crosses() {
    let outcome = outcome("parking-lot.toml");
    let goodput: Vec<f64> = outcome.flows.iter().map(|flow| flow.goodput_mbps).collect();
    let shortest = goodput[1..].iter().copied().fold(f64::MAX, f64::min);
    assert!(goodput[0] < shortest, "{goodput:?}");
    for link in &outcome.links {
        assert!(link.utilisation > 0.98, "{link:?}");
    }
}

#[test]
fn acknowledgements_wait_behind_data_of_the_other_direction() {
    let outcome = outcome("reverse-congestion.toml");
    let wait = outcome.links[1].queue_delay_mean_ms;
    assert!(wait > 20.0, "{:?}", outcome.links[1]);
    let rtt = outcome.flows[0].rtt_mean_ms;
    assert!(
        rtt > 40.0 + wait,
        "{rtt} with {wait} of them on the way back"
    );
}

#[test]
fn a_thin_way_back_loses_acknowledgements() {
    let outcome = outcome("asymmetric.toml");
    let back = &outcome.links[1];
    assert!(back.packets.dropped > 0, "{back:?}");
    assert!(back.utilisation > 0.95, "{back:?}");
    assert!(outcome.link.utilisation > 0.95, "{:?}", outcome.link);
}

#[test]
fn a_new_way_has_its_own_round_trip_time_and_rate() {
    let outcome = outcome("reroute.toml");
    let rates = &outcome.timeline.unwrap().flows[0].goodput_mbps;
    let mean = |range: core::ops::Range<usize>| {
        let seconds = range.len() as f64;
        rates[range].iter().sum::<f64>() / seconds
    };
    let (before, meanwhile, after) = (mean(4..8), mean(12..16), mean(20..24));
    assert!(before < 10.0 && after < 10.0, "{before} {after}");
    assert!(meanwhile > 15.0, "{meanwhile}");
}

#[test]
fn only_capable_packets_are_marked_and_the_scalable_flow_waits_less() {
    let outcome = outcome("l4s.toml");
    let marked: Vec<u64> = outcome
        .flows
        .iter()
        .map(|flow| flow.sender.marked_packets)
        .collect();
    assert!(marked[0] > 100 && marked[1] == 0, "{marked:?}");
    let rtts: Vec<f64> = outcome.flows.iter().map(|flow| flow.rtt_mean_ms).collect();
    assert!(rtts[0] < 23.0 && rtts[1] > 25.0, "{rtts:?}");
}

#[test]
fn a_policer_caps_what_a_longer_queue_would_not() {
    let link = outcome("policer.toml").link;
    assert!(link.goodput_mbps < 10.0, "{link:?}");
    assert!(link.packets.dropped > 0, "{link:?}");
}

#[test]
fn a_fixed_link_is_filled() {
    let link = outcome("fixed.toml").link;
    assert!(
        link.utilisation > 0.98 && link.utilisation <= 1.0001,
        "{link:?}"
    );
    assert!(
        link.queue_delay_p99_ms <= 80.5,
        "two products of 40 ms each: {link:?}"
    );
}

#[test]
fn a_varying_link_is_followed() {
    let outcome = outcome("varying.toml");
    assert!((outcome.link.capacity_mbps - 18.75).abs() < 1e-6);
    let timeline = outcome.timeline.unwrap();
    assert_eq!(timeline.capacity_mbps[15], 5.0);
    let slow = timeline.flows[0].goodput_mbps[15];
    assert!((4.5..=5.0).contains(&slow), "{slow}");
    assert!(outcome.link.utilisation > 0.8, "{:?}", outcome.link);
}

#[test]
fn flows_share_and_keep_their_own_round_trip_times() {
    let outcome = outcome("two-flows.toml");
    let rtts: Vec<f64> = outcome.flows.iter().map(|flow| flow.rtt_min_ms).collect();
    // 40 and 60 ms, a transmission of 0.6 ms, and what queue the second flow always meets.
    assert!(
        (40.6..40.7).contains(&rtts[0]) && (60.6..70.0).contains(&rtts[1]),
        "{rtts:?}"
    );
    assert!(outcome.link.jain > 0.7, "{:?}", outcome.link);
    assert!(outcome.link.utilisation > 0.98, "{:?}", outcome.link);
}

#[test]
fn random_loss_holds_newreno_back() {
    let outcome = outcome("lossy.toml");
    assert!(
        (0.005..0.02).contains(&outcome.link.loss),
        "{:?}",
        outcome.link
    );
    assert_eq!(outcome.link.packets.dropped, 0);
    // 1.22 · MSS / (RTT · sqrt(p)) is about 3.5 Mbit/s (Mathis et al. 1997).
    assert!(
        (2.0..8.0).contains(&outcome.link.goodput_mbps),
        "{:?}",
        outcome.link
    );
}

#[test]
fn a_link_with_something_to_send_never_rests() {
    let text = "version = 1\nduration_s = 5\nwarmup_s = 1\n[link]\nrate_mbps = 20\n\
                base_rtt_ms = 40\nbuffer_bdp = 2\n[[flow]]\ncontroller = \"fixed:150000\"\n";
    let scenario = ValidScenario::from_toml(text, "inline.toml").unwrap();
    let controller = FixedWindow::new(Bytes::new(150_000), Bytes::new(1500));
    let link = run(&scenario, 1, vec![controller], &RunOptions::default())
        .unwrap()
        .link;
    assert!((link.utilisation - 1.0).abs() < 2e-4, "{link:?}");
    assert_eq!(link.packets.dropped, 0);
    // One product is in the pipe, half of one waits: 20 ms, less the packet in transmission.
    assert!((18.0..20.0).contains(&link.queue_delay_mean_ms), "{link:?}");
}
