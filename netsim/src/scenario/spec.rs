//! The parts of a scenario, in the units of the simulation.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use crate::transport::Workload;

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

/// Size of the bottleneck's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Buffer {
    /// In bytes; at least one packet.
    Bytes(Bytes),
    /// In products of the first rate and the link's base round-trip time; above 0, at most 1000.
    BandwidthDelayProducts(f64),
}

/// The bottleneck and the path behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// Rates; the first from time zero, times increasing.
    pub rates: Vec<RateStep>,
    /// Round-trip propagation time, both directions together, without transmission and queueing;
    /// 0 to 60 s.
    pub base_rtt: Duration,
    /// Size of the drop-tail queue.
    pub buffer: Buffer,
    /// Probability that a packet is lost behind the queue, independent of all others; 0 to 1.
    pub loss: f64,
    /// Largest extra delay, uniform from zero on, order kept; 0 to 10 s.
    pub jitter: Duration,
}

impl LinkSpec {
    /// A link of constant `rate` without loss and jitter.
    pub fn new(rate: Bandwidth, base_rtt: Duration, buffer: Buffer) -> Self {
        Self {
            rates: vec![RateStep::from_start(rate)],
            base_rtt,
            buffer,
            loss: 0.0,
            jitter: Duration::ZERO,
        }
    }

    /// The same link with other rates.
    #[must_use]
    pub fn with_rates(self, rates: Vec<RateStep>) -> Self {
        Self { rates, ..self }
    }

    /// The same link with random loss of probability `loss`.
    #[must_use]
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// The same link with up to `jitter` extra delay.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// The first rate.
    pub fn first_rate(&self) -> Bandwidth {
        self.rates.first().map_or(Bandwidth::ZERO, |step| step.rate)
    }

    /// The queue's limit in bytes.
    pub fn buffer_bytes(&self) -> Bytes {
        match self.buffer {
            Buffer::Bytes(bytes) => bytes,
            Buffer::BandwidthDelayProducts(products) => {
                let one = self.first_rate().bytes_in(self.base_rtt).as_u64() as f64;
                Bytes::new((one * products) as u64)
            }
        }
    }
}

/// What carries a flow's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stack {
    /// This crate's transport model.
    #[default]
    Model,
}

/// One flow, or several alike.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSpec {
    /// When it starts; within the scenario's duration.
    pub start: Timestamp,
    /// When it stops offering data; [`Timestamp::MAX`] for never.
    pub stop: Timestamp,
    /// Payload to send; [`Bytes::MAX`] for as much as fits.
    pub limit: Bytes,
    /// The transport.
    pub stack: Stack,
    /// Name of the controller, resolved by whoever runs the scenario.
    pub controller: String,
    /// Delay added towards the receiver only, so that the flow's base round-trip time grows by
    /// just that; 0 to 60 s.
    pub extra_one_way_delay: Duration,
    /// Base round-trip time in place of the link's.
    pub base_rtt: Option<Duration>,
    /// Number of such flows; 1 to 100 000.
    pub count: u32,
}

impl FlowSpec {
    /// A bulk flow from the start on.
    pub fn new(controller: impl Into<String>) -> Self {
        Self {
            start: Timestamp::ZERO,
            stop: Timestamp::MAX,
            limit: Bytes::MAX,
            stack: Stack::Model,
            controller: controller.into(),
            extra_one_way_delay: Duration::ZERO,
            base_rtt: None,
            count: 1,
        }
    }

    /// The same flow, starting at `start`.
    #[must_use]
    pub fn starting_at(self, start: Timestamp) -> Self {
        Self { start, ..self }
    }

    /// The same flow, offering no data from `stop` on.
    #[must_use]
    pub fn stopping_at(self, stop: Timestamp) -> Self {
        Self { stop, ..self }
    }

    /// The same flow with `limit` payload bytes to send.
    #[must_use]
    pub fn limited_to(self, limit: Bytes) -> Self {
        Self { limit, ..self }
    }

    /// The same flow with `extra` delay towards the receiver.
    #[must_use]
    pub fn with_extra_one_way_delay(self, extra: Duration) -> Self {
        Self {
            extra_one_way_delay: extra,
            ..self
        }
    }

    /// The same flow with a base round-trip time of its own.
    #[must_use]
    pub fn with_base_rtt(self, base_rtt: Duration) -> Self {
        Self {
            base_rtt: Some(base_rtt),
            ..self
        }
    }

    /// `count` flows like this one.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// What the flow's application does.
    pub const fn workload(&self) -> Workload {
        Workload {
            start: self.start,
            stop: self.stop,
            limit: self.limit,
        }
    }
}

/// Parameters of the transport model, the same for all flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSpec {
    /// Size of a full packet on the wire; 64 to 65 535.
    pub mtu_bytes: u32,
    /// Of which headers; at least 1, below the size of a packet.
    pub overhead_bytes: u32,
    /// Packets per acknowledgement; 1 to 64.
    pub ack_every: u32,
    /// Longest time that a receiver holds an acknowledgement back; 0 to 1 s.
    pub max_ack_delay: Duration,
    /// Most bytes in flight, whatever the controller says; two packets to 4 GiB.
    pub receive_window: Bytes,
}

impl Default for TransportSpec {
    /// Packets of 1500 bytes with 1448 of payload (the reference of kernel and ns-3 figures), an
    /// acknowledgement every 2 packets or 25 ms (RFC 9000 §13.2), 256 MiB of receive window.
    fn default() -> Self {
        Self {
            mtu_bytes: 1500,
            overhead_bytes: 52,
            ack_every: 2,
            max_ack_delay: Duration::from_millis(25),
            receive_window: Bytes::new(256 << 20),
        }
    }
}
