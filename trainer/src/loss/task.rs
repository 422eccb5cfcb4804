//! The task's reward: throughput against the fair share, queueing delay, and drops.

use tautline_core::units::duration_nanos;
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::Outcome;

/// Mean over bins and active flows of ln(throughput / fair share), minus 0.4 · mean over bins of
/// ln(1 + queueing delay / base RTT), minus 8 · the fraction that the queue dropped.
///
/// The share is floored at 1 %, so that a starved bin costs much but not everything. A flow counts
/// from the first full bin after its start on.
pub(crate) fn reward<C>(scenario: &ValidScenario, outcome: &Outcome<C>) -> f64 {
    let Some(timeline) = &outcome.timeline else {
        return 0.0;
    };
    let transport = scenario.transport();
    let payload =
        f64::from(transport.mtu_bytes - transport.overhead_bytes) / f64::from(transport.mtu_bytes);
    let rtt_ms = duration_nanos(scenario.link().base_rtt) as f64 / 1e6;
    let bin_ns = duration_nanos(timeline.bin).max(1);
    let mut share = (0.0, 0u32);
    let mut delay = (0.0, 0u32);
    for (bin, &capacity) in timeline.capacity_mbps.iter().enumerate() {
        let active = |flow: &usize| {
            let start_ns = scenario.flows()[*flow].start.as_nanos();
            bin as u64 > start_ns / bin_ns
        };
        let flows = (0..timeline.flows.len()).filter(active).collect::<Vec<_>>();
        let fair = capacity * payload / flows.len().max(1) as f64;
        for flow in flows {
            let goodput = timeline.flows[flow].goodput_mbps[bin];
            share.0 += libm::log((goodput / fair).max(LEAST_SHARE));
            share.1 += 1;
        }
        delay.0 += libm::log1p(timeline.queue_delay_mean_ms[bin] / rtt_ms);
        delay.1 += 1;
    }
    let packets = &outcome.link.packets;
    let dropped = packets.dropped as f64 / packets.sent.max(1) as f64;
    share.0 / f64::from(share.1.max(1))
        - DELAY_WEIGHT * delay.0 / f64::from(delay.1.max(1))
        - DROP_WEIGHT * dropped
}

const LEAST_SHARE: f64 = 0.01;
const DELAY_WEIGHT: f64 = 0.4;
const DROP_WEIGHT: f64 = 8.0;
