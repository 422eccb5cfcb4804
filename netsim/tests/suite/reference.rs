//! Steady state against kernel 6.18 (NewReno, CUBIC over an emulated dumbbell): 40 ms base
//! round-trip time, one bandwidth-delay product of drop-tail queue, measured from 10 s to 60 s.

use core::time::Duration;

use tautline_core::controller::{Controller, NewReno};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::Cubic;
use tautline_netsim::report::LinkReport;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

const MTU: Bytes = Bytes::new(1500);

fn dumbbell<C: Controller>(rate_mbps: u64, flows: u32, controller: impl Fn() -> C) -> LinkReport {
    let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
    let spec = |flow: u32| {
        let start = Timestamp::from_nanos(u64::from(flow) * 100_000_000);
        FlowSpec::new("").starting_at(start)
    };
    let scenario = ValidScenario::new(link, (0..flows).map(spec).collect(), Duration::from_mins(1))
        .and_then(|scenario| scenario.with_warmup(Duration::from_secs(10)))
        .unwrap();
    let controllers = (0..flows).map(|_| controller()).collect();
    let link = run(&scenario, 1, controllers, &RunOptions::default())
        .unwrap()
        .link;
    println!("{rate_mbps} Mbit/s, {flows} flows: {link:#?}");
    link
}

/// Goodput within `tolerance` Mbit/s of the kernel's, mean queueing delay within 15 %.
fn agrees(link: &LinkReport, goodput_mbps: f64, tolerance: f64, queue_delay_ms: f64) {
    let goodput = link.goodput_mbps;
    assert!(
        (goodput - goodput_mbps).abs() <= tolerance,
        "{goodput} against {goodput_mbps}"
    );
    let ratio = link.queue_delay_mean_ms / queue_delay_ms;
    assert!(
        (0.85..1.15).contains(&ratio),
        "{} against {queue_delay_ms}",
        link.queue_delay_mean_ms
    );
}

#[test]
fn one_newreno_flow_agrees_with_the_kernel() {
    agrees(&dumbbell(10, 1, || NewReno::new(MTU)), 9.615, 0.1, 21.18);
    agrees(&dumbbell(100, 1, || NewReno::new(MTU)), 96.5, 1.0, 23.13);
}

#[test]
fn one_cubic_flow_agrees_with_the_kernel() {
    agrees(&dumbbell(10, 1, || Cubic::new(MTU)), 9.65, 0.1, 30.44);
    agrees(&dumbbell(100, 1, || Cubic::new(MTU)), 96.53, 1.0, 28.83);
}

#[test]
fn eight_flows_fill_the_link_and_share_it() {
    let reno = dumbbell(10, 8, || NewReno::new(MTU));
    agrees(&reno, 9.655, 0.1, 29.25);
    assert!(reno.jain > 0.9, "{}", reno.jain);
    let cubic = dumbbell(10, 8, || Cubic::new(MTU));
    agrees(&cubic, 9.655, 0.1, 33.88);
    assert!(cubic.jain > 0.9, "{}", cubic.jain);
}
