//! The parts of a scenario, in the units of the simulation.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

pub use crate::link::capacity::{
    CapacitySpec, CellularSpec, LeoSpec, RateStep, TraceSpec, WifiSpec,
};
pub use crate::link::impair::{
    Blacked, Blackout, JitterLaw, JitterSpec, LossSpec, Order, PolicerSpec,
};
pub use crate::link::queue::{Limit, QueueSpec};
pub use crate::workload::{RetrySpec, SizeSpec, WorkloadSpec};

/// Size of a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Buffer {
    /// In bytes; at least one packet.
    Bytes(Bytes),
    /// In packets; at least one.
    Packets(u32),
    /// In products of the nominal rate and the link's base round-trip time; above 0, at most 1000.
    BandwidthDelayProducts(f64),
    /// What the nominal rate transmits in this time.
    Time(Duration),
}

/// A link: a queue, a transmitter with a capacity, impairments and propagation behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// What routes call it; empty for the only link of a dumbbell.
    pub name: String,
    /// Node where it starts; empty where the graph is not named.
    pub from: String,
    /// Node where it ends.
    pub to: String,
    /// What it carries.
    pub capacity: CapacitySpec,
    /// Round-trip propagation time of flows over this link alone, both directions together,
    /// without transmission and queueing; 0 to 60 s.
    pub base_rtt: Duration,
    /// Propagation towards the next link; 0 to 60 s. Zero in a dumbbell, where each flow has its
    /// share of the base round-trip time behind the link.
    pub delay: Duration,
    /// Size of its queue.
    pub buffer: Buffer,
    /// Discipline of its queue.
    pub queue: QueueSpec,
    /// A policer before the queue.
    pub policer: Option<PolicerSpec>,
    /// Random loss behind the queue.
    pub loss: LossSpec,
    /// Extra delay behind the queue.
    pub jitter: JitterSpec,
    /// Packets come out together at multiples of this time, as acknowledgements do behind an
    /// aggregating medium.
    pub aggregation: Option<Duration>,
    /// Times in which nothing passes, disjoint and increasing.
    pub blackouts: Vec<Blackout>,
}

impl LinkSpec {
    /// A link of constant `rate` without impairments, for a dumbbell with `base_rtt`.
    pub fn new(rate: Bandwidth, base_rtt: Duration, buffer: Buffer) -> Self {
        Self {
            name: String::new(),
            from: String::new(),
            to: String::new(),
            capacity: CapacitySpec::Rates(vec![RateStep::from_start(rate)]),
            base_rtt,
            delay: Duration::ZERO,
            buffer,
            queue: QueueSpec::DropTail,
            policer: None,
            loss: LossSpec::default(),
            jitter: JitterSpec::default(),
            aggregation: None,
            blackouts: Vec::new(),
        }
    }

    /// A link of a graph: `delay` of propagation one way.
    pub fn between(name: &str, rate: Bandwidth, delay: Duration, buffer: Buffer) -> Self {
        Self {
            name: name.to_owned(),
            delay,
            ..Self::new(rate, delay.saturating_mul(2), buffer)
        }
    }

    /// The same link with other rates.
    #[must_use]
    pub fn with_rates(self, rates: Vec<RateStep>) -> Self {
        self.with_capacity(CapacitySpec::Rates(rates))
    }

    /// The same link with another capacity.
    #[must_use]
    pub fn with_capacity(self, capacity: CapacitySpec) -> Self {
        Self { capacity, ..self }
    }

    /// The same link with another queue.
    #[must_use]
    pub fn with_queue(self, queue: QueueSpec) -> Self {
        Self { queue, ..self }
    }

    /// The same link with random loss of probability `loss`.
    #[must_use]
    pub fn with_loss(self, loss: f64) -> Self {
        let loss = LossSpec::Bernoulli(loss);
        Self { loss, ..self }
    }

    /// The same link with up to `jitter` extra delay, order kept.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        let jitter = JitterSpec {
            max: jitter,
            ..JitterSpec::default()
        };
        Self { jitter, ..self }
    }

    /// The nominal rate.
    pub fn first_rate(&self) -> Bandwidth {
        self.capacity.nominal()
    }

    /// The queue's limit.
    pub fn limit(&self) -> Limit {
        match self.buffer {
            Buffer::Bytes(bytes) => Limit::Bytes(bytes.as_u64()),
            Buffer::Packets(packets) => Limit::Packets(u64::from(packets)),
            Buffer::BandwidthDelayProducts(products) => {
                let one = self.first_rate().bytes_in(self.base_rtt).as_u64() as f64;
                Limit::Bytes((one * products) as u64)
            }
            Buffer::Time(time) => Limit::Bytes(self.first_rate().bytes_in(time).as_u64()),
        }
    }
}

/// What carries a flow's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stack {
    /// This crate's transport model.
    #[default]
    Model,
    /// Two quinn-proto endpoints in virtual time, made by whoever runs the scenario.
    Quinn,
    /// Two smoltcp interfaces with a TCP connection in virtual time, made by whoever runs the
    /// scenario.
    Smoltcp,
}

/// Whether a flow's packets may be marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnSpec {
    /// As the controller wants it ([`crate::baseline::ecn_of`]).
    #[default]
    Auto,
    /// No.
    Off,
    /// ECT(0) (RFC 3168).
    Classic,
    /// ECT(1) (RFC 9331).
    L4s,
}

/// The links that a flow takes from a time on, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// When it comes into force; the first at zero, times increasing.
    pub at: Timestamp,
    /// Links towards the receiver; at least one.
    pub forward: Vec<String>,
    /// Links back; none for a way back without queues.
    pub backward: Vec<String>,
}

/// One flow, or several alike.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSpec {
    /// What outputs call it; empty for a label of theirs. Numbered where there are several.
    pub name: String,
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
    /// What its application does.
    pub workload: WorkloadSpec,
    /// Whether its packets may be marked.
    pub ecn: EcnSpec,
    /// Its way; empty for the first link, and the way back over the link called `reverse` where
    /// there is one. At most 1000 follow the first, and those of all flows hold at most 2 000 000
    /// links together.
    pub routes: Vec<RouteSpec>,
    /// Delay added towards the receiver only, so that the flow's base round-trip time grows by
    /// just that; 0 to 60 s.
    pub extra_one_way_delay: Duration,
    /// Base round-trip time in place of the link's or of the sum over its links.
    pub base_rtt: Option<Duration>,
    /// Number of such flows; 1 to 100 000.
    pub count: u32,
}

impl FlowSpec {
    /// A bulk flow from the start on.
    pub fn new(controller: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            start: Timestamp::ZERO,
            stop: Timestamp::MAX,
            limit: Bytes::MAX,
            stack: Stack::Model,
            controller: controller.into(),
            workload: WorkloadSpec::Bulk,
            ecn: EcnSpec::Auto,
            routes: Vec::new(),
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

    /// The same flow with another application.
    #[must_use]
    pub fn with_workload(self, workload: WorkloadSpec) -> Self {
        Self { workload, ..self }
    }

    /// The same flow carried by `stack`.
    #[must_use]
    pub fn over(self, stack: Stack) -> Self {
        Self { stack, ..self }
    }

    /// The same flow with its marks allowed or not.
    #[must_use]
    pub fn with_ecn(self, ecn: EcnSpec) -> Self {
        Self { ecn, ..self }
    }

    /// The same flow over the links named `forward` and back over those named `backward`.
    #[must_use]
    pub fn along(self, forward: &[&str], backward: &[&str]) -> Self {
        self.rerouted_at(Timestamp::ZERO, forward, backward)
    }

    /// The same flow on another way from `at` on.
    #[must_use]
    pub fn rerouted_at(mut self, at: Timestamp, forward: &[&str], backward: &[&str]) -> Self {
        let names = |links: &[&str]| links.iter().map(|&link| link.to_owned()).collect();
        self.routes.push(RouteSpec {
            at,
            forward: names(forward),
            backward: names(backward),
        });
        self
    }
}

/// Parameters of the transport model, the same for all flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSpec {
    /// Size of a full packet on the wire; 64 to 65 535.
    pub mtu_bytes: u32,
    /// Of which headers; at least 1, below the size of a packet.
    pub overhead_bytes: u32,
    /// Of which IP and UDP headers, which bytes in flight and the controller's datagrams do not
    /// count (RFC 9002 §B.2); below `overhead_bytes`.
    pub header_bytes: u32,
    /// Packets per acknowledgement; 1 to 64.
    pub ack_every: u32,
    /// Longest time that a receiver holds an acknowledgement back; 0 to 1 s.
    pub max_ack_delay: Duration,
    /// Most bytes in flight, whatever the controller says; two packets to 4 GiB.
    pub receive_window: Bytes,
    /// Size of an acknowledgement on the wire, which matters on links of the way back; 1 to 65 535.
    pub ack_bytes: u32,
    /// Whether the controller's pacing rate is followed.
    pub pacing: Pacing,
}

/// Whether departures are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// As the controller says (RFC 9002 §7.7).
    #[default]
    Controller,
    /// At once, as window and acknowledgements allow: TCP without a pacing queue.
    Off,
}

impl TransportSpec {
    /// A full packet as controllers count it.
    pub fn max_datagram_size(&self) -> Bytes {
        Bytes::new(u64::from(self.mtu_bytes.saturating_sub(self.header_bytes)))
    }
}

impl Default for TransportSpec {
    /// Packets of 1500 bytes with 1448 of payload (the reference of kernel and ns-3 figures), an
    /// acknowledgement every 2 packets or 25 ms (RFC 9000 §13.2), 256 MiB of receive window.
    fn default() -> Self {
        Self {
            mtu_bytes: 1500,
            overhead_bytes: 52,
            header_bytes: 0,
            ack_every: 2,
            max_ack_delay: Duration::from_millis(25),
            receive_window: Bytes::new(256 << 20),
            ack_bytes: 60,
            pacing: Pacing::Controller,
        }
    }
}
