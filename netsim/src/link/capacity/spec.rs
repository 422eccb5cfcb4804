//! Capacities as a scenario describes them.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Timestamp};

use super::TraceSpec;

/// A rate from a given time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// Start.
    pub at: Timestamp,
    /// Rate of the link; 1 kbit/s to 1 Tbit/s.
    pub rate: Bandwidth,
}

impl RateStep {
    /// A rate from the start on.
    pub const fn from_start(rate: Bandwidth) -> Self {
        Self {
            at: Timestamp::ZERO,
            rate,
        }
    }
}

/// What a link can carry.
#[derive(Clone, Debug, PartialEq)]
pub enum CapacitySpec {
    /// Rates; the first from time zero, times increasing.
    Rates(Vec<RateStep>),
    /// A file of delivery opportunities, loaded and checked.
    Trace(TraceSpec),
    /// A cellular link.
    Cellular(CellularSpec),
    /// A Wi-Fi-like link.
    Wifi(WifiSpec),
    /// A link over satellites in low orbits.
    Leo(LeoSpec),
}

/// Rate in Brownian motion, packets served at random instants (Sprout: Winstein, Sivaraman,
/// Balakrishnan, NSDI 2013, §3.1).
///
/// The rate starts at the mean, never becomes negative and is drawn back to the mean with a time
/// constant of 10 s. At the rate of the moment, opportunities of 1504 bytes are a Poisson process,
/// used as those of a trace. In an outage there are none.
///
/// A run draws every opportunity up to its last packet and, to report the capacity, once more up to
/// its end, whether anything is sent or not: about 15 ns for each 1504 bytes at the mean rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellularSpec {
    /// Mean rate outside outages; 1 kbit/s to 1 Tbit/s.
    pub mean: Bandwidth,
    /// Standard deviation that the rate gains in one second, as a share of the mean; 0 to 4.
    /// Sprout's model has 200 packets/s, about 0.5 for a mean of 5 Mbit/s.
    pub volatility: f64,
    /// Mean time from one outage to the next, exponential; zero for none, else at least 1 ms.
    pub outage_every: Duration,
    /// Mean length of an outage, exponential; 0 to 1 h.
    pub outage: Duration,
}

/// A shared medium: a rate that changes between modulation steps, and pauses while others send.
///
/// The rate is one of eight shares of the peak: 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9 and 1 (MCS 0 to 7
/// of 802.11n), and goes up or down by one step at a time. All times are exponential.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WifiSpec {
    /// Rate of the best modulation; 1 kbit/s to 1 Tbit/s.
    pub peak: Bandwidth,
    /// Mean time between changes of the modulation; 1 ms to 1 h.
    pub change_every: Duration,
    /// Share of the time that others hold the medium; 0 to 0.95.
    pub contention: f64,
    /// Mean time that others hold it at once; 10 µs to 10 s.
    pub pause: Duration,
}

impl WifiSpec {
    /// Largest share of the time for others.
    pub const MAX_CONTENTION: f64 = 0.95;

    /// Mean rate in the long run: 15/28 of the peak over the modulations, for the share of the time
    /// that others leave.
    pub fn mean(&self) -> Bandwidth {
        let peak = self.peak.as_bytes_per_sec() as f64;
        let free = 1.0 - self.contention.clamp(0.0, Self::MAX_CONTENTION);
        Bandwidth::from_bytes_per_sec((peak * free * 15.0 / 28.0) as u64)
    }
}

/// A new satellite every 15 s: a step of the rate and a short gap.
///
/// Handovers are at the multiples of their interval since the start of the simulation; nothing
/// passes in the gap behind each, and a packet that it cuts goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeoSpec {
    /// Mean rate; 1 kbit/s to 1 Tbit/s.
    pub mean: Bandwidth,
    /// Largest relative deviation of a satellite's rate from the mean, uniform; 0 to 0.9.
    pub spread: f64,
    /// Time between handovers; 15 s by default, 1 ms to 1 h.
    pub handover_every: Duration,
    /// Gap at a handover; at most half of the time between handovers.
    pub gap: Duration,
}

impl LeoSpec {
    /// Largest deviation of a satellite's rate.
    pub const MAX_SPREAD: f64 = 0.9;
}

impl CapacitySpec {
    /// A nominal rate: the first step's, the mean or the peak.
    pub fn nominal(&self) -> Bandwidth {
        match self {
            Self::Rates(steps) => steps.first().map_or(Bandwidth::ZERO, |step| step.rate),
            Self::Trace(trace) => trace.mean_rate(),
            Self::Cellular(spec) => spec.mean,
            Self::Wifi(spec) => spec.peak,
            Self::Leo(spec) => spec.mean,
        }
    }
}
