//! The path of docs/closed-loop.md §1 as a scenario.

use core::time::Duration;

use anyhow::Context as _;
use tautline_core::features::{LOG_WINDOW_MAX, LOG_WINDOW_MIN};
use tautline_core::fixed::Q16;
use tautline_core::guard::LoopAssumptions;
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::scenario::{
    Buffer, FlowSpec, JitterLaw, JitterSpec, LinkSpec, Pacing, TransportSpec, ValidScenario,
};

use crate::intervals::Promise;

/// Bytes of a packet, all of which the controller counts.
pub(crate) const DATAGRAM: u64 = 1500;

/// One path of the family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The bandwidth-delay product in packets.
    pub(crate) bdp: u64,
    /// Transmission time of a packet, in nanoseconds; divides 1.5·10¹².
    pub(crate) packet_ns: u64,
    /// D, in thousandths.
    pub(crate) jitter: u64,
    /// How it is chosen.
    pub(crate) law: JitterLaw,
    /// What may wait, in packets; none for no bound.
    pub(crate) buffer: Option<u32>,
    /// Whether the pacing rate is followed.
    pub(crate) paced: bool,
    /// log₂ of Ŵ in 2⁻⁸ octaves, where a claim about it does not assume A6.
    pub(crate) highest: Option<i32>,
}

impl Path {
    pub(crate) const fn base_rtt_ns(&self) -> u64 {
        self.bdp * self.packet_ns
    }

    pub(crate) fn base_rtts(&self, span_ns: u64) -> f64 {
        span_ns as f64 / self.base_rtt_ns() as f64
    }

    pub(crate) fn share_of_bdp(&self, bytes: u64) -> f64 {
        bytes as f64 / (self.bdp * DATAGRAM) as f64
    }

    pub(crate) fn promise(&self) -> Promise {
        let datagram = 1.0 / self.bdp as f64;
        let jitter = self.jitter as f64 / 1000.0;
        Promise {
            datagram,
            jitter,
            buffer: self.depth(),
            // Without pacing nothing is held back; but what is lost together is also declared lost
            // and sent again together.
            pacer: if self.paced || self.buffer.is_some() {
                jitter + datagram
            } else {
                0.0
            },
            highest: self.highest.map(|edge| (f64::from(edge) / 256.0).exp2()),
        }
    }

    /// β.
    pub(crate) fn depth(&self) -> f64 {
        let packets = self.buffer.map_or(f64::INFINITY, f64::from);
        packets / self.bdp as f64
    }

    /// What a certificate for this path would assume.
    pub(crate) fn assumptions(&self) -> LoopAssumptions {
        let share = |value: f64| Q16::from_units((value * 65_536.0) as i32);
        let log_bdp = (self.bdp as f64).log2();
        LoopAssumptions {
            jitter: Q16::from_units((self.jitter * 65_536).div_ceil(1000) as i32),
            log_bdp: (share(log_bdp.floor()), share(log_bdp.ceil())),
            buffer: (share(self.depth().min(4.0)), None),
            start: (share(-1.0), share(1.25)),
            log_window: (LOG_WINDOW_MIN, LOG_WINDOW_MAX),
        }
    }

    /// A scenario of about `rounds` rounds.
    pub(crate) fn scenario(&self, rounds: u64) -> anyhow::Result<ValidScenario> {
        let rate = Bandwidth::from_bytes_per_sec(DATAGRAM * 1_000_000_000 / self.packet_ns);
        // A packet's own transmission is part of the base RTT.
        let propagation = Duration::from_nanos((self.bdp - 1) * self.packet_ns);
        let buffer = Buffer::Packets(self.buffer.unwrap_or(u32::MAX));
        let mut link = LinkSpec::new(rate, propagation, buffer);
        link.jitter = JitterSpec {
            max: Duration::from_nanos(self.base_rtt_ns() * self.jitter / 1000),
            law: self.law,
            ..JitterSpec::default()
        };
        let transport = TransportSpec {
            ack_every: 1,
            max_ack_delay: Duration::ZERO,
            pacing: if self.paced {
                Pacing::Controller
            } else {
                Pacing::Off
            },
            receive_window: Bytes::new(1 << 32),
            ..TransportSpec::default()
        };
        let flows = vec![FlowSpec::new("watched")];
        // With a queue of half a base RTT, and thirty rounds for the start.
        let length = Duration::from_nanos(self.base_rtt_ns() * (rounds + 30) * 3 / 2);
        ValidScenario::new(link, flows, length)
            .and_then(|scenario| scenario.with_transport(transport))
            .context("the path of a closed loop")
    }
}
