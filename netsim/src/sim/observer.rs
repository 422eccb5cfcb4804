//! What a run tells while it goes on, for captures and logs.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

use crate::transport::{Ack, Packet};

/// Is told everything that happens, in the order of time.
///
/// A run with an observer takes every packet through its own event, so it is slower; its outcome
/// is the same.
pub trait Observer {
    /// Something happened at `now_ns`.
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>);
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A packet left its end of the flow.
    Sent(&'a Packet, Content<'a>),
    /// A packet arrived at its end of the flow.
    Received(&'a Packet, Content<'a>),
    /// A link dropped or lost a packet.
    Dropped {
        /// The link's place in the scenario.
        link: usize,
        /// The packet.
        packet: &'a Packet,
        /// Why.
        cause: DropCause,
        /// What it held, where a real stack made it and its bytes are known.
        content: Option<Content<'a>>,
    },
    /// A sender of the transport model declared a packet lost (RFC 9002 §6.1).
    Lost {
        /// The flow.
        flow: u32,
        /// The packet's number.
        number: u64,
    },
    /// Figures of a sender after an acknowledgement or a timeout; of a real stack, the window and
    /// the smoothed round-trip time after each datagram that reached its sender.
    Metrics {
        /// The flow.
        flow: u32,
        /// The figures.
        metrics: &'a Metrics,
    },
}

/// What a packet holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Payload of the transport model, without bytes: this many.
    Data {
        /// Payload in bytes; zero for a PING.
        payload: u64,
    },
    /// An acknowledgement of the transport model.
    Ack(&'a Ack),
    /// A request of the receiving application, over the transport model.
    Request,
    /// A real stack's UDP payload.
    Datagram(&'a [u8]),
    /// A real stack's IP packet, whole.
    IpPacket(&'a [u8]),
}

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// The queue was full, or its discipline decided so.
    Queue,
    /// The policer had no tokens.
    Policer,
    /// Lost at random, or in a blackout.
    Path,
}

/// Figures of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Congestion window.
    pub window: Bytes,
    /// Bytes in flight, where the stack tells.
    pub in_flight: Option<Bytes>,
    /// Smoothed round-trip time; zero before the first sample.
    pub smoothed_rtt: Duration,
    /// Its variation.
    pub rtt_variation: Duration,
    /// Latest sample.
    pub latest_rtt: Duration,
    /// Minimum.
    pub min_rtt: Duration,
    /// Pacing rate; [`Bandwidth::MAX`] for none.
    pub pacing_rate: Bandwidth,
    /// Consecutive probe timeouts, where the stack tells.
    pub timeouts: Option<u32>,
}
