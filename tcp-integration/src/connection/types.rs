//! What passes between a connection and the device that carries its segments.

use core::time::Duration;

use smoltcp::wire::TcpSeqNumber;
use tautline_core::controller::Controller;
use tautline_core::units::Bytes;

use crate::segment::Ecn;

/// Builds the controller of every new connection.
pub trait ControllerSource {
    /// What it builds.
    type Controller: Controller;

    /// A controller for a connection whose segments carry up to `max_segment` bytes; it is told
    /// of less where the peer takes less.
    fn controller(&self, max_segment: Bytes) -> Self::Controller;
}

impl<C: Controller, F: Fn(Bytes) -> C> ControllerSource for F {
    type Controller = C;

    fn controller(&self, max_segment: Bytes) -> C {
        self(max_segment)
    }
}

/// Whether connections negotiate explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnSupport {
    /// Never.
    #[default]
    Off,
    /// Where the peer does too.
    On,
}

/// What holds for all connections of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    window_scale: u8,
    ecn: EcnSupport,
}

impl Settings {
    /// These settings with another shift count for the windows that the stack is told, at most 7.
    ///
    /// Windows reach up to 65 535 · 2^`shift` bytes, in steps of 2^`shift`. A window that should
    /// close can only be told to within a step, so steps beyond a fraction of a segment would leave
    /// too much to the gate, which also holds up other connections.
    #[must_use]
    pub const fn with_window_scale(self, shift: u8) -> Self {
        Self {
            window_scale: if shift > MAX_WINDOW_SCALE {
                MAX_WINDOW_SCALE
            } else {
                shift
            },
            ..self
        }
    }

    /// These settings with explicit congestion notification on or off.
    #[must_use]
    pub const fn with_ecn(self, ecn: EcnSupport) -> Self {
        Self { ecn, ..self }
    }

    /// Shift count that takes the place of the peer's in every arriving SYN.
    pub const fn window_scale(self) -> u8 {
        self.window_scale
    }

    /// Whether connections negotiate explicit congestion notification.
    pub const fn ecn(self) -> EcnSupport {
        self.ecn
    }
}

impl Default for Settings {
    /// Windows up to 2 MiB in steps of 32 bytes; no explicit congestion notification.
    fn default() -> Self {
        Self {
            window_scale: 5,
            ecn: EcnSupport::Off,
        }
    }
}

/// What a departing segment gets on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The ECN field of the IP header.
    pub(crate) ecn: Ecn,
    /// Whether to set ECN-Echo.
    pub(crate) ece: bool,
    /// Whether to set Congestion Window Reduced.
    pub(crate) cwr: bool,
    /// The sequence number to write instead of smoltcp's. After its timeout smoltcp puts the number
    /// that it went back to into pure acknowledgements, where SND.NXT belongs (RFC 9293 §3.4); a
    /// peer that has gone back too would ignore them, and both would for ever. After a segment that
    /// was withheld it puts the end of that there, which may lie beyond the peer's window.
    pub(crate) sequence: Option<TcpSeqNumber>,
    /// Why the segment must not leave, if it must not: smoltcp believes that it did.
    pub(crate) withheld: Option<Withheld>,
}

/// Why a departing segment must not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// A keep-alive that the peer would take for data.
    KeepAlive,
    /// A fast retransmission beyond the peer's window.
    BeyondWindow,
    /// It would exceed the window, of which smoltcp cannot be told, and the gate does not hold up
    /// others any longer for it.
    Excess,
}

/// What is known of the state of smoltcp's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing: after the peer's FIN it may be LAST-ACK.
    Unknown,
    /// It is LAST-ACK.
    LastAck,
    /// It is another one.
    Other,
}

/// What becomes of an arriving segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The stack gets it.
    Deliver {
        /// With this in the window field.
        window: u16,
    },
    /// The stack must not see it.
    Drop(Reason),
}

/// Why the stack must not see an arriving segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It acknowledges what never left (RFC 9293 §3.10.7.4). The stack would believe it if the
    /// data lies in its buffer already.
    AckOfUnsent,
}

/// Whether the stack may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Open,
    /// Some data segment that it may send would break the congestion window.
    Shut,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// SYNs are not acknowledged yet.
    Handshake,
    /// Data may flow.
    Established,
    /// Reset, or both directions are closed and acknowledged.
    Closed,
}

/// What a connection did so far and what it may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes that may be in flight: the controller's window, or less after a retransmission
    /// timeout (RFC 5681 §3.1).
    pub window: Bytes,
    /// Bytes in flight: sent, and neither acknowledged nor lost.
    pub outstanding: Bytes,
    /// Bytes that were ever sent and not acknowledged cumulatively; what of them is not in flight
    /// is lost, or waits at the peer for what is lost.
    pub unacknowledged: Bytes,
    /// Smoothed round-trip time (RFC 6298 §2); zero before the first sample.
    pub smoothed_rtt: Duration,
    /// Smallest round-trip time; zero before the first sample.
    pub min_rtt: Duration,
    /// Data segments that left.
    pub segments_sent: u64,
    /// Those of them that repeated data.
    pub segments_retransmitted: u64,
    /// Those that may exceed the window: fast retransmissions (RFC 5681 §3.2).
    pub fast_retransmissions: u64,
    /// Those that may exceed the window: zero-window probes (RFC 9293 §3.8.6.1).
    pub zero_window_probes: u64,
    /// Those beyond the window with nothing else in flight: one segment may always leave, because no
    /// window of TCP is smaller (RFC 5681 §3.1).
    pub lone_segments: u64,
    /// Keep-alive segments (RFC 9293 §3.8.4).
    pub keep_alives: u64,
    /// Segments declared lost.
    pub segments_lost: u64,
    /// The stack's retransmission timeouts (RFC 6298 §5).
    pub timeouts: u64,
    /// Probe timeouts of our own (RFC 8985 §7, RFC 9002 §6.2).
    pub probes: u64,
    /// Acknowledgements made for the stack.
    pub made_acks: u64,
    /// All other data segments that left beyond the window; zero in a device that heeds the gate.
    pub violations: u64,
}

/// Windows up to 8 MiB in steps of 128 bytes.
const MAX_WINDOW_SCALE: u8 = 7;
