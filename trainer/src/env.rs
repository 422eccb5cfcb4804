//! Random scenarios.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::scenario::{
    Buffer, FlowSpec, LinkSpec, RateStep, ScenarioError, ValidScenario,
};

use crate::params::EnvironmentParams;
use crate::rng::{Purpose, Stream};

/// A scenario with the seed of its own randomness.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) scenario: ValidScenario,
    pub(crate) seed: u64,
}

/// The episode at `place` of the stream for `purpose`.
///
/// Rate, base round-trip time and buffer are log-uniform; half of the episodes have random loss,
/// log-uniform from 0.1 %; half have several flows, which start within the first half; three in
/// ten have one step of the rate by a factor in 1/4 to 4; a quarter has jitter up to a tenth of
/// the round-trip time.
pub(crate) fn episode(
    params: &EnvironmentParams,
    (seed, purpose, place): (u64, Purpose, u64),
) -> Result<Episode, ScenarioError> {
    let mut stream = Stream::new(seed, purpose, place);
    let rate = stream.log_between(params.min_rate_mbps, params.max_rate_mbps) * 1e6;
    let rtt = stream.log_between(params.min_rtt_ms, params.max_rtt_ms) * 1e-3;
    let buffer =
        stream.log_between(params.min_buffer_bdp, params.max_buffer_bdp) * rate * rtt / 8.0;
    let by_packets = params.max_packets * PACKET_BITS / rate;
    let seconds = by_packets
        .max(SHORTEST_ROUNDS * rtt)
        .min(params.max_seconds);
    let mut link = LinkSpec::new(
        bandwidth(rate),
        duration(rtt),
        Buffer::Bytes(Bytes::new((buffer as u64).max(SHALLOWEST_BYTES))),
    );
    if params.max_loss > 0.0 && stream.happens(0.5) {
        link =
            link.with_loss(stream.log_between(SMALLEST_LOSS.min(params.max_loss), params.max_loss));
    }
    if stream.happens(0.25) {
        link = link.with_jitter(duration(stream.between(0.0, 0.1) * rtt));
    }
    if stream.happens(0.3) {
        let low = params.min_rate_mbps * 1e6;
        let high = params.max_rate_mbps * 1e6;
        let next = (rate * stream.log_between(0.25, 4.0)).clamp(low, high);
        let at = stream.between(0.3, 0.7) * seconds;
        link = link.with_rates(vec![
            RateStep::from_start(bandwidth(rate)),
            RateStep {
                at: timestamp(at),
                rate: bandwidth(next),
            },
        ]);
    }
    let mut flows = vec![FlowSpec::new(CONTROLLER)];
    if params.max_flows > 1 && stream.happens(0.5) {
        for _ in 0..=stream.below(params.max_flows - 1) {
            let start = timestamp(stream.between(0.0, 0.5) * seconds);
            flows.push(FlowSpec::new(CONTROLLER).starting_at(start));
        }
    }
    Ok(Episode {
        scenario: ValidScenario::new(link, flows, duration(seconds))?,
        seed: stream.bits(),
    })
}

fn bandwidth(bits_per_sec: f64) -> Bandwidth {
    Bandwidth::from_bits_per_sec(libm::round(bits_per_sec) as u64)
}

fn duration(seconds: f64) -> Duration {
    Duration::from_nanos(libm::round(seconds * 1e9) as u64)
}

fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::ZERO.saturating_add(duration(seconds))
}

const CONTROLLER: &str = "policy";
const PACKET_BITS: f64 = 12_000.0;
/// Six full packets, whatever the bandwidth-delay product.
const SHALLOWEST_BYTES: u64 = 9000;
const SMALLEST_LOSS: f64 = 1e-3;
/// An episode lasts at least so many round-trip times.
const SHORTEST_ROUNDS: f64 = 30.0;
