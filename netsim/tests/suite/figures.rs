//! Figures of runs over several links: what belongs to which window, link and way.

use core::time::Duration;

use tautline_core::controller::FixedWindow;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::scenario::{Buffer, EcnSpec, FlowSpec, LinkSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

fn link(name: &str, rate_mbps: u64, delay_ms: u64) -> LinkSpec {
    let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
    let buffer = Buffer::Bytes(Bytes::new(10_000_000));
    LinkSpec::between(name, rate, Duration::from_millis(delay_ms), buffer)
}

/// One flow with a window of `packets`, measured over the second half of 4 s.
fn outcome(links: Vec<LinkSpec>, flow: FlowSpec, packets: u64) -> Outcome<FixedWindow> {
    let scenario = ValidScenario::over(links, vec![flow], Duration::from_secs(4))
        .and_then(|scenario| scenario.with_warmup(Duration::from_secs(2)))
        .unwrap();
    let mtu = Bytes::new(1500);
    let controller = FixedWindow::new(mtu.saturating_mul(packets), mtu);
    run(&scenario, 1, vec![controller], &RunOptions::default()).unwrap()
}

#[test]
fn a_way_back_without_links_is_as_long_as_the_first_way_there_before_and_after_a_reroute() {
    let change = Timestamp::from_nanos(1_000_000_000);
    let links = || vec![link("there", 1000, 50), link("back", 1000, 50)];
    let flow = || FlowSpec::new("");
    for flow in [
        flow()
            .along(&["there"], &["back"])
            .rerouted_at(change, &["there"], &[]),
        flow()
            .along(&["there"], &[])
            .rerouted_at(change, &["there"], &["back"]),
    ] {
        let flow = outcome(links(), flow, 10).flows.remove(0);
        assert!((100.0..101.0).contains(&flow.rtt_mean_ms), "{flow:?}");
        assert!((100.0..101.0).contains(&flow.rtt_min_ms), "{flow:?}");
    }
}

#[test]
fn marks_and_waits_belong_to_the_link_and_window_where_they_happen() {
    let threshold = Duration::from_millis(1);
    let marking = link("a", 20, 1).with_queue(QueueSpec::Step { threshold });
    let links = vec![marking, link("b", 10, 1)];
    let flow = FlowSpec::new("")
        .with_ecn(EcnSpec::L4s)
        .along(&["a", "b"], &[]);
    let outcome = outcome(links, flow, 200);
    let [a, b] = &outcome.links[..] else {
        panic!("two links")
    };
    assert_eq!(b.marked, 0, "{b:?}");
    assert!(
        a.packets.sent > 0 && b.queue_delay_mean_ms > 100.0,
        "{a:?} {b:?}"
    );
    let summed = a.queue_delay_mean_ms + b.queue_delay_mean_ms;
    let own = outcome.flows[0].queue_delay_mean_ms;
    assert!((own - summed).abs() < 1e-6, "{own} against {summed}");
}

#[test]
fn packets_that_were_sent_before_the_window_and_lost_in_it_leave_a_loss_of_one() {
    let links = vec![link("a", 10, 2100), link("b", 10, 1).with_loss(1.0)];
    let flow = FlowSpec::new("").along(&["a", "b"], &[]);
    let outcome = outcome(links, flow, 100);
    let measured = &outcome.flows[0].measured;
    assert!(measured.random_lost > measured.sent, "{measured:?}");
    assert_eq!(outcome.flows[0].loss, 1.0);
    assert_eq!(outcome.link.loss, 1.0);
}
