//! The seam between transports and controllers: events go in, a [`Decision`] comes out.
//!
//! Every stack (the simulator, quinn, smoltcp) translates its own notifications into these events
//! once, so the same event log gives the same decisions in all of them. Time is an argument of
//! every event; a controller never reads a clock.
//!
//! Order of one acknowledgement, as every stack must deliver it:
//! 1. [`Controller::on_packet_acked`] per newly acknowledged packet, in packet-number order;
//! 2. [`Controller::on_ack_end`] once;
//! 3. [`Controller::on_congestion_event`] for the losses or marks that this acknowledgement
//!    revealed.

use core::time::Duration;

use crate::fixed::Q16;
use crate::guard::Assumption;
use crate::units::{Bandwidth, Bytes, PacketNumber, Timestamp};

mod event;
mod fixed_window;
mod hystart;
mod learned;
mod new_reno;

pub use event::Event;
pub use fixed_window::FixedWindow;
pub use hystart::{HyStart, SlowStart};
pub use learned::{CLAIMED_DRAIN_MARGIN, DRAIN_PERIOD_ROUNDS, ForeignEnvelope, Learned, Proposer};
pub use new_reno::NewReno;

/// A congestion controller, driven by events and asked for its current decision.
pub trait Controller {
    /// A packet that counts towards bytes in flight left.
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket);

    /// One packet was newly acknowledged; more of the same acknowledgement may follow.
    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket);

    /// All packets of one acknowledgement have been reported.
    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch);

    /// Packets were declared lost, or the network marked congestion.
    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent);

    /// A probe timeout expired (RFC 9002 §6.2), or was inferred where a stack has no such hook.
    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout);

    /// The largest datagram that the path carries changed.
    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes);

    /// What the transport should do from now on.
    fn decision(&self) -> Decision;

    /// Counters for telemetry; all zero for controllers without a guard.
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// What a transport should do until the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Bytes that may be in flight; never below two datagrams and one byte.
    pub congestion_window: Bytes,
    /// Rate of departures; [`Bandwidth::MAX`] asks for none.
    pub pacing_rate: Bandwidth,
    /// Bytes that may leave in one burst when pacing.
    pub send_quantum: Bytes,
    /// Bytes that the application may hold in the transport, in flight and unsent together.
    pub buffer_cap: Bytes,
    /// Scaling of the transport's own timers.
    pub retry: RetryTiming,
}

impl Decision {
    /// `congestion_window` without pacing, with room for as much again in the buffer.
    pub const fn unpaced(congestion_window: Bytes) -> Self {
        Self {
            congestion_window,
            pacing_rate: Bandwidth::MAX,
            send_quantum: congestion_window,
            buffer_cap: congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// Scaling of probe timeouts and their backoff.
///
/// # Units
/// Both are factors in [`Q16`]. The timeout factor is at least one and the backoff factor at
/// least two, so no policy can be more impatient than RFC 9002 §6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryTiming {
    timeout_factor: Q16,
    backoff_factor: Q16,
}

impl RetryTiming {
    /// Exactly RFC 9002 §6.2.
    pub const RFC9002: Self = Self {
        timeout_factor: Q16::ONE,
        backoff_factor: Q16::from_units(2 << 16),
    };

    /// Factors raised to the RFC's where they are below.
    pub const fn at_least_rfc9002(timeout_factor: Q16, backoff_factor: Q16) -> Self {
        Self {
            timeout_factor: timeout_factor.max(Self::RFC9002.timeout_factor),
            backoff_factor: backoff_factor.max(Self::RFC9002.backoff_factor),
        }
    }

    /// Factor on the probe timeout, at least 1.
    pub const fn timeout_factor(self) -> Q16 {
        self.timeout_factor
    }

    /// Factor per consecutive probe timeout, at least 2.
    pub const fn backoff_factor(self) -> Q16 {
        self.backoff_factor
    }
}

/// A packet at the moment it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Its number, or that of the last packet of one burst.
    pub number: PacketNumber,
    /// Its size, or that of the burst.
    pub bytes: Bytes,
    /// Bytes in flight with it.
    pub bytes_in_flight: Bytes,
}

/// A packet at the moment it is first acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckedPacket {
    /// Its number, or that of the last packet of its burst where the stack names only bursts.
    pub number: PacketNumber,
    /// Its size.
    pub bytes: Bytes,
    /// When it left, or the last time it did where the stack repeats packets.
    pub time_sent: Timestamp,
    /// Whether `now − time_sent` is its round-trip time, acknowledgement delay included.
    pub round_trip: RoundTrip,
}

impl AckedPacket {
    /// Its round-trip time if it is acknowledged `now`; none where that cannot be told.
    pub fn round_trip_time(&self, now: Timestamp) -> Option<Duration> {
        match self.round_trip {
            RoundTrip::Measured => Some(now.saturating_since(self.time_sent)),
            RoundTrip::Ambiguous => None,
        }
    }
}

/// Whether an acknowledgement tells the round-trip time of a packet.
///
/// # Source
/// Karn's algorithm, RFC 6298 §3. Packet numbers of QUIC are never reused, so there every one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundTrip {
    /// The acknowledged transmission is known.
    Measured,
    /// Sent more than once under the same name, or acknowledged together with what was: no sample.
    Ambiguous,
}

/// The end of one acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckBatch {
    /// Bytes in flight without the packets just acknowledged.
    pub bytes_in_flight: Bytes,
    /// Packets newly reported as ECN-CE marked by this acknowledgement.
    pub ecn_ce_count: u64,
}

/// Why a controller must respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionTrigger {
    /// Packets were declared lost (RFC 9002 §6.1).
    Loss {
        /// How many; estimated from the bytes where the stack does not say.
        packets: u64,
        /// Their size together.
        bytes: Bytes,
    },
    /// The peer reported new ECN-CE marks (RFC 9002 §7.1).
    EcnCe,
    /// All packets over the persistent congestion duration were lost (RFC 9002 §7.6); reported
    /// after the [`CongestionTrigger::Loss`] that established it.
    Persistent,
}

/// One detection of loss or of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongestionEvent {
    /// What happened.
    pub trigger: CongestionTrigger,
    /// The largest packet number concerned, or that of its burst.
    pub number: PacketNumber,
    /// When that packet left.
    pub time_sent: Timestamp,
    /// Bytes in flight afterwards.
    pub bytes_in_flight: Bytes,
}

/// An expired probe timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Consecutive probe timeouts without an acknowledgement, this one included.
    pub count: u32,
    /// Bytes in flight at the time.
    pub bytes_in_flight: Bytes,
}

/// What a guarded controller has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Decision points after startup, the guard's own drains and fallback rounds included.
    pub decisions: u64,
    /// Decisions that the policy made inside the certified region and the guard applied.
    pub certified_decisions: u64,
    /// Decisions where the guard altered or refused the policy's proposal.
    pub guard_interventions: u64,
    /// Times the fallback controller took over.
    pub fallbacks: u64,
    /// Times the policy was given back control after probation.
    pub returns: u64,
    /// Drains for the minimum round-trip time.
    pub drains: u64,
    /// Persistent congestion episodes answered.
    pub persistent_congestion: u64,
    /// Rounds that showed evidence against an assumption of closed-loop claims.
    pub evidence_rounds: u64,
    /// Fallbacks because the path is not as closed-loop claims assume.
    pub broken_assumptions: u64,
    /// The last of them.
    pub last_broken: Option<BrokenAssumption>,
}

/// An assumption of closed-loop claims that did not hold, and when the guard acted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenAssumption {
    /// Which.
    pub assumption: Assumption,
    /// Decisions before.
    pub decision: u64,
    /// When.
    pub at: Timestamp,
}

/// Window from which a connection starts: ten datagrams, at most the larger of two datagrams and
/// 14 720 bytes (RFC 9002 §7.2).
pub const fn initial_window(max_datagram_size: Bytes) -> Bytes {
    let ten = max_datagram_size.saturating_mul(10);
    let two = max_datagram_size.saturating_mul(2);
    let cap = if two.as_u64() > 14_720 {
        two
    } else {
        Bytes::new(14_720)
    };
    if ten.as_u64() < cap.as_u64() {
        ten
    } else {
        cap
    }
}

/// The rate at which `window` leaves in one `smoothed_rtt` times `gain`, or unpaced before the
/// first sample (RFC 9002 §7.7).
pub fn pacing_rate(window: Bytes, smoothed_rtt: Duration, gain: Q16) -> Bandwidth {
    if smoothed_rtt.is_zero() {
        return Bandwidth::MAX;
    }
    let rate = Bandwidth::from_transfer(window, smoothed_rtt).as_bytes_per_sec();
    Bandwidth::from_bytes_per_sec(gain.scale(rate))
}
