//! Paths of known figures for the tests of what queues, impairments and applications do.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

use crate::graphs::{controllers, millis};

pub(crate) fn mbps(rate: f64) -> Bandwidth {
    Bandwidth::from_bits_per_sec((rate * 1e6) as u64)
}

/// A dumbbell's link with `rate` in Mbit/s, a base round-trip time in milliseconds and a buffer in
/// products of both.
pub(crate) fn dumbbell(rate: f64, rtt_ms: u64, products: f64) -> LinkSpec {
    LinkSpec::new(
        mbps(rate),
        millis(rtt_ms),
        Buffer::BandwidthDelayProducts(products),
    )
}

/// A link of a graph with `rate` in Mbit/s, a propagation delay in milliseconds and a buffer in
/// bytes.
pub(crate) fn hop(name: &str, rate: f64, delay_ms: u64, buffer: u64) -> LinkSpec {
    let buffer = Buffer::Bytes(Bytes::new(buffer));
    LinkSpec::between(name, mbps(rate), millis(delay_ms), buffer)
}

/// Flows over `links` for `seconds`, measured after the first quarter.
pub(crate) fn over(links: Vec<LinkSpec>, flows: Vec<FlowSpec>, seconds: u64) -> ValidScenario {
    let duration = Duration::from_secs(seconds);
    ValidScenario::over(links, flows, duration)
        .and_then(|scenario| scenario.with_warmup(duration / 4))
        .unwrap()
}

/// What happens with seed 1.
pub(crate) fn outcome(scenario: &ValidScenario) -> Outcome<BoxedController> {
    let options = RunOptions::default();
    run(scenario, 1, controllers(scenario, 1), &options).unwrap()
}
