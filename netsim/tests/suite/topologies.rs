//! Several links: ways back, ways over many hops, and ways that change.

use core::time::Duration;

use tautline_core::units::Timestamp;
use tautline_netsim::scenario::{FlowSpec, TransportSpec, ValidScenario};

use crate::paths::{hop, outcome, over};

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_secs(seconds))
}

#[test]
fn congestion_on_the_way_back_slows_the_way_there() {
    let links = || vec![hop("down", 20.0, 20, 100_000), hop("up", 2.0, 20, 50_000)];
    let ahead = |name: &str| FlowSpec::new(name).along(&["down"], &["up"]);
    let back = || FlowSpec::new("cubic").along(&["up"], &["down"]);
    for name in ["fixed:60000", "cubic"] {
        let alone = outcome(&over(links(), vec![ahead(name)], 10))
            .flows
            .remove(0);
        let crossed = outcome(&over(links(), vec![ahead(name), back()], 10));
        let slowed = &crossed.flows[0];
        // A full queue of 50 kB holds acknowledgements back for 200 ms.
        assert!(
            slowed.rtt_mean_ms > alone.rtt_mean_ms + 60.0,
            "{alone:?} {slowed:?}"
        );
        assert!(
            slowed.goodput_mbps < 0.8 * alone.goodput_mbps,
            "{alone:?} {slowed:?}"
        );
        assert!(crossed.links[1].utilisation > 0.9, "{:?}", crossed.links);
    }
}

#[test]
fn a_narrow_way_back_limits_by_the_rate_of_acknowledgements() {
    let links = || vec![hop("down", 50.0, 20, 500_000), hop("up", 0.1, 20, 6000)];
    let flow = FlowSpec::new("fixed:150000").along(&["down"], &["up"]);
    let every = |ack_every| {
        let transport = TransportSpec {
            ack_every,
            ..TransportSpec::default()
        };
        let scenario = over(links(), vec![flow.clone()], 10);
        outcome(&scenario.with_transport(transport).unwrap())
    };
    // 100 kbit/s carry 208 acknowledgements of 60 bytes per second; 150 kB in 40 ms are 2500
    // packets.
    let (often, rarely) = (every(2), every(16));
    assert!(often.links[1].utilisation > 0.99, "{:?}", often.links);
    assert!(rarely.links[1].utilisation < 0.99, "{:?}", rarely.links);
    let (slow, fast) = (often.flows[0].goodput_mbps, rarely.flows[0].goodput_mbps);
    assert!(slow < 0.3 * fast, "{slow} {fast}");
    // No data was lost on the way.
    assert_eq!(
        often.links[0].packets.dropped + often.links[0].packets.random_lost,
        0
    );
}

#[test]
fn the_long_way_through_a_parking_lot_gets_least() {
    let names = ["first", "second", "third"];
    let links = names.map(|name| hop(name, 10.0, 5, 60_000));
    let mut flows = vec![FlowSpec::new("newreno").along(&names, &[])];
    flows.extend(names.map(|name| FlowSpec::new("newreno").along(&[name], &[])));
    let outcome = outcome(&over(links.to_vec(), flows, 20));
    let goodputs: Vec<f64> = outcome.flows.iter().map(|flow| flow.goodput_mbps).collect();
    let shortest = goodputs[1..].iter().copied().fold(f64::MAX, f64::min);
    assert!(
        goodputs[0] > 0.2 && goodputs[0] < 0.6 * shortest,
        "{goodputs:?}"
    );
    for link in &outcome.links {
        assert!(link.utilisation > 0.95, "{link:?}");
    }
    // Each flow's data and nothing else: 1448 of 1500 bytes.
    let carried = outcome.links[1].utilisation * 10.0 * 1448.0 / 1500.0;
    assert!(
        (goodputs[0] + goodputs[2] - carried).abs() < 0.1,
        "{goodputs:?} {carried}"
    );
}

#[test]
fn the_delays_of_all_hops_add_up() {
    let links = vec![
        hop("one", 12.0, 5, 60_000),
        hop("two", 24.0, 10, 60_000),
        hop("three", 48.0, 15, 60_000),
        hop("back", 4.8, 20, 60_000),
    ];
    let flow = FlowSpec::new("fixed:3000").along(&["one", "two", "three"], &["back"]);
    let flow = outcome(&over(links, vec![flow], 4)).flows.remove(0);
    // 50 ms of propagation; two packets at 1 ms, then one more at 0.5 and 0.25 ms; 0.1 ms for an
    // acknowledgement. The second packet waits for the first.
    assert!((flow.rtt_min_ms - 51.85).abs() < 1.001, "{flow:?}");
    let expected = 3000.0 * 8e-3 / flow.rtt_mean_ms * 1448.0 / 1500.0;
    assert!(
        (flow.goodput_mbps / expected - 1.0).abs() < 0.03,
        "{expected} {flow:?}"
    );
}

fn rerouted(routes: [&str; 2], window: u64) -> ValidScenario {
    let links =
        ["near", "far"].map(|name| hop(name, 20.0, if name == "near" { 10 } else { 40 }, 60_000));
    let flow = FlowSpec::new(format!("fixed:{window}")).along(&routes[..1], &[]);
    let flow = flow.rerouted_at(seconds(1), &routes[1..], &[]);
    over(links.to_vec(), vec![flow], 8)
}

#[test]
fn a_new_way_has_its_own_round_trip_time() {
    // 20 ms on the near way, the way back included; 10 + 40 on the far one, with the same way back.
    let farther = outcome(&rerouted(["near", "far"], 15_000)).flows.remove(0);
    assert!((50.0..56.5).contains(&farther.rtt_mean_ms), "{farther:?}");
    assert!((20.0..22.0).contains(&farther.rtt_min_ms), "{farther:?}");
    let nearer = outcome(&rerouted(["far", "near"], 15_000)).flows.remove(0);
    // The way back is as long as the first way there.
    assert!((50.0..56.5).contains(&nearer.rtt_mean_ms), "{nearer:?}");
    assert!((50.0..52.0).contains(&nearer.rtt_min_ms), "{nearer:?}");
    // What is sent on the near way overtakes what is still on the far one.
    let all = rerouted(["far", "near"], 150_000)
        .with_warmup(Duration::ZERO)
        .unwrap();
    let all = outcome(&all).flows.remove(0);
    assert!(
        all.sender.lost_packets > all.packets.dropped + 20,
        "{all:?}"
    );
}
