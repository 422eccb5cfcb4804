//! A connection under a controller: what leaves and arrives becomes the controller's events, and
//! its decisions become the windows that the stack is told.

use tautline_core::controller::{Controller, Decision};
use tautline_core::units::{Bytes, Timestamp};

use crate::segment::{PureAck, Segment};

mod types;

pub(crate) use types::{Arrival, Gate, Marks, Phase, Reason};
pub use types::{ControllerSource, EcnSupport, Settings, Status};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection<C, const SEGMENTS: usize> {
    controller: C,
    settings: Settings,
    phase: Phase,
    idle_since: Timestamp,
    status: Status,
}

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// A connection that our departing `syn` opens.
    pub(crate) fn active(
        now: Timestamp,
        _syn: &Segment,
        controller: C,
        settings: Settings,
    ) -> Self {
        Self::new(now, Phase::Handshake, controller, settings)
    }

    /// A connection that our departing `synack` accepts; `offer` is the SYN that it answers.
    pub(crate) fn passive(
        now: Timestamp,
        _synack: &Segment,
        _offer: Option<Segment>,
        controller: C,
        settings: Settings,
    ) -> Self {
        Self::new(now, Phase::Handshake, controller, settings)
    }

    /// A connection first seen when `segment` departs.
    pub(crate) fn adopted(
        now: Timestamp,
        _segment: &Segment,
        controller: C,
        settings: Settings,
    ) -> Self {
        Self::new(now, Phase::Established, controller, settings)
    }

    const fn new(now: Timestamp, phase: Phase, controller: C, settings: Settings) -> Self {
        Self {
            controller,
            settings,
            phase,
            idle_since: now,
            status: Status {
                window: Bytes::ZERO,
                outstanding: Bytes::ZERO,
                smoothed_rtt: core::time::Duration::ZERO,
                min_rtt: core::time::Duration::ZERO,
                segments_sent: 0,
                segments_retransmitted: 0,
                fast_retransmissions: 0,
                zero_window_probes: 0,
                keep_alives: 0,
                segments_lost: 0,
                timeouts: 0,
                probes: 0,
                made_acks: 0,
                violations: 0,
            },
        }
    }

    /// A segment that the stack has committed to leaves.
    pub(crate) fn on_departure(&mut self, now: Timestamp, segment: &Segment) -> Marks {
        self.idle_since = now;
        if segment.flags.rst {
            self.phase = Phase::Closed;
        } else if !segment.flags.syn && self.phase == Phase::Handshake {
            self.phase = Phase::Established;
        }
        if segment.payload_bytes > 0 {
            self.status.segments_sent = self.status.segments_sent.saturating_add(1);
        }
        Marks::default()
    }

    /// A segment arrives.
    pub(crate) fn on_arrival(&mut self, now: Timestamp, segment: &Segment) -> Arrival {
        self.idle_since = now;
        Arrival::Deliver {
            window: segment.window,
        }
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, _now: Timestamp) {}

    /// The next acknowledgement that the stack must see.
    pub(crate) fn next_made(&mut self, _now: Timestamp) -> Option<PureAck> {
        None
    }

    /// Whether the stack may send.
    pub(crate) fn gate(&self) -> Gate {
        Gate::Open
    }

    /// When [`on_time`](Self::on_time) is due; [`Timestamp::MAX`] for never.
    pub(crate) fn poll_at(&self) -> Timestamp {
        Timestamp::MAX
    }

    /// How far the connection has come.
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// When the last segment left or arrived.
    pub(crate) const fn idle_since(&self) -> Timestamp {
        self.idle_since
    }

    /// Bytes in flight.
    pub(crate) fn outstanding(&self) -> Bytes {
        self.status.outstanding
    }

    /// What the controller wants.
    pub(crate) fn decision(&self) -> Decision {
        self.controller.decision()
    }

    /// What happened so far.
    pub(crate) fn status(&self) -> Status {
        Status {
            window: self.decision().congestion_window,
            ..self.status
        }
    }

    /// The controller.
    pub(crate) const fn controller(&self) -> &C {
        &self.controller
    }
}
