//! Random scenarios.

use core::time::Duration;

use proptest::prelude::*;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::scenario::{
    Buffer, FlowSpec, LinkSpec, RateStep, TransportSpec, ValidScenario,
};
use tautline_netsim::sim::{Outcome, RunOptions, run};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(time_ms: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(millis(time_ms))
}

fn link() -> impl Strategy<Value = LinkSpec> {
    let rates = prop::collection::vec(300_000_u64..50_000_000, 1..5);
    let impairments = (0_u64..12, 0_u64..15);
    (rates, 0_u64..150, 1500_u64..150_000, impairments).prop_map(
        |(rates, rtt, buffer, (loss, jitter))| {
            let steps = rates.iter().enumerate().map(|(index, &rate)| RateStep {
                at: at(index as u64 * 400),
                rate: Bandwidth::from_bits_per_sec(rate),
            });
            let first = Bandwidth::from_bits_per_sec(rates[0]);
            LinkSpec::new(first, millis(rtt), Buffer::Bytes(Bytes::new(buffer)))
                .with_rates(steps.collect())
                // Half of the links lose nothing.
                .with_loss(loss.saturating_sub(6) as f64 / 50.0)
                .with_jitter(millis(jitter.saturating_sub(8)))
        },
    )
}

fn flow() -> impl Strategy<Value = FlowSpec> {
    let controller = prop_oneof![
        Just("newreno"),
        Just("cubic"),
        Just("bbr"),
        Just("copa"),
        Just("vegas"),
        Just("prague"),
        Just("fixed:60000")
    ];
    let limit = prop_oneof![Just(u64::MAX), 1_u64..200_000];
    let stop = prop_oneof![Just(u64::MAX), 600_u64..1500];
    (controller, 0_u64..500, stop, limit, 0_u64..60).prop_map(
        |(name, start, stop, limit, extra)| {
            let stop = if stop == u64::MAX {
                Timestamp::MAX
            } else {
                at(stop)
            };
            FlowSpec::new(name)
                .starting_at(at(start))
                .stopping_at(stop)
                .limited_to(Bytes::new(limit))
                .with_extra_one_way_delay(millis(extra))
        },
    )
}

/// Small random scenarios of 2 s, measured from 0.3 s on.
pub(crate) fn scenario() -> impl Strategy<Value = ValidScenario> {
    (link(), prop::collection::vec(flow(), 1..6), 1_u32..5).prop_map(|(link, flows, ack_every)| {
        let transport = TransportSpec {
            ack_every,
            ..TransportSpec::default()
        };
        ValidScenario::new(link, flows, millis(2000))
            .and_then(|scenario| scenario.with_warmup(millis(300)))
            .and_then(|scenario| scenario.with_transport(transport))
            .unwrap()
    })
}

/// The controllers that the scenario names.
pub(crate) fn controllers(scenario: &ValidScenario) -> Vec<BoxedController> {
    let mtu = Bytes::new(u64::from(scenario.transport().mtu_bytes));
    let flows = scenario.flows().iter();
    flows
        .map(|flow| by_name(&flow.controller, mtu, 1).unwrap().into())
        .collect()
}

/// A run with the events of flow 0.
pub(crate) fn outcome(scenario: &ValidScenario, seed: u64) -> Outcome<BoxedController> {
    run(
        scenario,
        seed,
        controllers(scenario),
        &RunOptions::default().with_log(0),
    )
    .unwrap()
}
