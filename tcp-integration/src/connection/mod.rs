//! A connection under a controller: what leaves and arrives becomes the controller's events, and
//! its decisions become the windows that smoltcp is told.
//!
//! The window in every acknowledgement is rewritten on its way to smoltcp, so that smoltcp never
//! wants to send more than the congestion window holds, as AC/DC TCP does in a virtual switch (He
//! et al., SIGCOMM 2016). Between acknowledgements the connection *makes* some of its own, which
//! the device hands to smoltcp: one with another window where the pacer or the controller opens it
//! or a timeout closes it, and three alike where a segment is known to be lost, at which smoltcp
//! retransmits.
//!
//! - `mirror` and `receive` follow what smoltcp believes; nothing here guesses what it does.
//! - `ledger` keeps what left; `loss`, `rtt`, `ecn` and `pacing` are the sender's usual parts.
//! - `departure`, `arrival` and `made` are the events.
//!
//! # Soundness
//! While the gate is heeded, no data segment leaves that would bring the bytes in flight above the
//! window, except: a fast retransmission, a probe of a closed window, a keep-alive, and a single
//! segment with nothing else in flight. After every event the gate is shut if the window that
//! smoltcp may believe would admit one, until smoltcp is told, which it can be at once. Where it
//! cannot be told, in LAST-ACK and where the handshake was not seen, the gate is held shut for a
//! probe timeout at most, half a second at the longest and no more than half of the time; then it
//! opens for the sake of other sockets, and what exceeds the window is dropped. smoltcp takes it for
//! lost and repeats it.
//!
//! # Repair
//! smoltcp retransmits only its first segment out of turn, and forgets even that where the device
//! has no room: the gate lets it through, and it is asked for again where it does not come. One by
//! one, losses are repaired at one in a round-trip time; where they are many, smoltcp's timeout,
//! which sends everything again, is waited for instead, once per recovery.
//!
//! That segment may be larger than the peer's window. Where the window is smaller than a segment,
//! smoltcp's timeout, which keeps to it, does all repairs; where the timeout does not come either,
//! a fast retransmission that must not leave makes smoltcp's timer run again.
//!
//! # LAST-ACK
//! Where the application closes its end after the peer, smoltcp is in LAST-ACK and ignores every
//! acknowledgement of nothing new, made ones among them. No segment shows it while data is left, but
//! the socket says it, and the driver's `poll` looks there before smoltcp receives or sends. Where
//! nobody looks, every connection is taken for one in LAST-ACK once the peer has sent its FIN. In
//! LAST-ACK pacing rests, so that every acknowledgement of new data opens the window, the gate
//! assumes the largest window that smoltcp may believe, and losses wait for smoltcp's own timeout.

use core::time::Duration;

use smoltcp::wire::TcpSeqNumber;
use tautline_core::controller::{Controller, Decision};
use tautline_core::units::{Bandwidth, Bytes, PacketNumber, Timestamp};

use self::ecn::EcnState;
use self::ledger::{Largest, Ledger};
use self::loss::{Duplicates, LossSpan};
use self::mirror::{Effect, Mirror};
use self::pacing::{Pace, Pacer};
use self::receive::Receive;
use self::rtt::RoundTripTimes;
use self::window::{Admission, Edge, Windows, admit};
mod arrival;
mod departure;
mod ecn;
mod handshake;
mod ledger;
mod loss;
mod made;
mod mirror;
mod pacing;
mod receive;
mod rtt;
mod sequence;
#[cfg(test)]
mod tests;
mod timers;
mod types;
mod window;

pub(crate) use window::Scales;

pub(crate) use types::{Arrival, Closing, Gate, Marks, Phase, Reason, Withheld};
pub use types::{ControllerSource, EcnSupport, Settings, Status};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection<C, const SEGMENTS: usize> {
    controller: C,
    phase: Phase,
    origin: Origin,
    mirror: Mirror,
    receive: Receive,
    ledger: Ledger<SEGMENTS>,
    windows: Windows,
    round_trips: RoundTripTimes,
    pacer: Pacer,
    ecn: EcnState,
    duplicates: Duplicates,
    loss_span: LossSpan,
    /// Payload of a full segment, never 0.
    max_segment: u32,
    /// What our SYN announced, or what has been seen to leave.
    own_max_segment: u32,
    /// What the peer's SYN announced.
    peer_max_segment: u32,
    /// Whether the peer's acknowledgements carry SACK blocks.
    sack: bool,
    /// Bytes of options in data segments.
    option_bytes: u32,
    /// Shift count in our SYN.
    own_shift: Option<u8>,
    scale_in_settings: u8,
    next_number: PacketNumber,
    /// The largest packet numbers that arrived.
    largest: Largest,
    /// Upper bound on the window after a retransmission timeout (RFC 5681 §3.1).
    restart: Option<Bytes>,
    /// Partial segments leave while data is in flight: the application switched Nagle's algorithm
    /// off, or has closed its end.
    sends_partial: bool,
    /// The window that smoltcp was last told, in bytes beyond what is acknowledged.
    told: u32,
    /// The end of our FIN.
    finish: Option<TcpSeqNumber>,
    /// When our only SYN left.
    syn_sent: Option<Timestamp>,
    /// The window in our SYN.
    syn_window: u16,
    probing: Probing,
    /// Until then smoltcp's timeout is waited for instead of repairing loss by loss.
    patient_until: Timestamp,
    /// The timeout did not come in time: up to here, loss by loss.
    impatient_until: Option<TcpSeqNumber>,
    closing: Closing,
    hold: Hold,
    last_arrival: Timestamp,
    /// When data left while nothing was in flight.
    flight_start: Timestamp,
    idle_since: Timestamp,
    poll_at: Timestamp,
    status: Status,
}

/// How the connection came to be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Our SYN.
    Active,
    /// Our answer to the peer's.
    Passive,
    /// In the middle: how smoltcp reads windows is not known, so it is told nothing.
    Adopted,
    /// In the middle, of a connection that was tracked before: how smoltcp reads windows is known,
    /// but not which segments it takes. It is told as in LAST-ACK.
    Resumed,
}

impl Origin {
    /// The handshake was not seen.
    const fn is_midway(self) -> bool {
        matches!(self, Self::Adopted | Self::Resumed)
    }
}

/// Probe timeouts and the stack's.
#[derive(Clone, Copy, Debug)]
struct Probing {
    /// The first segment shall be sent once more.
    pending: bool,
    /// Probes since the last progress.
    probes: u32,
    /// Probes since the last round-trip time that was measured, not only guessed at: where the
    /// timeout is too short for the path, every segment is repeated before its acknowledgement
    /// arrives, which then measures nothing (RFC 6298 §5, last paragraph; Karn and Partridge 1987).
    backoff: u32,
    /// Timeouts of either kind since the last progress.
    timeouts: u32,
    /// When data last left or was acknowledged.
    since: Timestamp,
}

/// How long the gate was held shut where smoltcp cannot be told why.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// Since when it has been shut.
    since: Option<Timestamp>,
    /// It was shut for long enough: it is open, and what exceeds the window is dropped.
    gave_way: bool,
    /// When it was given up last.
    given_up: Option<Timestamp>,
    /// Until then others have their turn.
    barred_until: Timestamp,
}

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// The state of smoltcp's socket as its owner sees it, before smoltcp receives or sends.
    pub(crate) fn on_state(&mut self, now: Timestamp, closing: Closing) {
        if self.closing != closing {
            self.closing = closing;
            self.schedule(now);
        }
    }

    /// Whether the stack may send.
    pub(crate) fn gate(&self) -> Gate {
        if self.hold.gave_way || !self.may_exceed() {
            Gate::Open
        } else {
            Gate::Shut
        }
    }

    /// Whether smoltcp believes in a window that would break the congestion window.
    fn may_exceed(&self) -> bool {
        // smoltcp forgets a fast retransmission that finds no room in the device: it clears
        // `pending_fast_retransmit` before it sends. It leaves before anything else does.
        let retransmits = self.mirror.is_retransmitting() && self.effect() == Effect::Certain;
        if self.phase != Phase::Established || retransmits {
            return false;
        }
        // Windows are told to within a step.
        let most = self.burst_limit().saturating_add(self.windows.step());
        if self.mirror.room_high() > most {
            return true;
        }
        let in_flight = self.ledger.bytes_in_flight();
        let next = self.mirror.room_high().min(self.max_segment);
        let with_next = in_flight.saturating_add(Bytes::new(next.into()));
        next > 0 && in_flight > Bytes::ZERO && with_next > self.window()
    }

    /// When [`on_time`](Self::on_time) or [`next_made`](Self::next_made) is due, whatever the
    /// gate; [`Timestamp::MAX`] for never.
    pub(crate) const fn poll_at(&self) -> Timestamp {
        self.poll_at
    }

    /// How far the connection has come.
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when nothing of ours has left, and since the handshake nothing has arrived.
    pub(crate) const fn idle_since(&self) -> Timestamp {
        self.idle_since
    }

    /// True if the peer began.
    pub(crate) fn is_passive(&self) -> bool {
        self.origin == Origin::Passive
    }

    /// How smoltcp reads the peer's windows, if that is settled and known.
    pub(crate) fn scales(&self) -> Option<Scales> {
        (self.phase == Phase::Established || self.is_passive()).then(|| self.windows.scales())
    }

    /// Bytes in flight: sent, and neither acknowledged in any way nor lost (RFC 6675's pipe).
    pub(crate) const fn outstanding(&self) -> Bytes {
        self.ledger.bytes_in_flight()
    }

    /// What the controller wants.
    pub(crate) fn decision(&self) -> Decision {
        self.controller.decision()
    }

    /// What happened so far.
    pub(crate) fn status(&self) -> Status {
        Status {
            window: self.window(),
            outstanding: self.outstanding(),
            smoothed_rtt: self.round_trips.smoothed().unwrap_or_default(),
            min_rtt: self.round_trips.least().unwrap_or_default(),
            unacknowledged: Bytes::new(self.mirror.unacknowledged().into()),
            ..self.status
        }
    }

    /// The controller.
    pub(crate) const fn controller(&self) -> &C {
        &self.controller
    }

    /// Bytes that may be in flight.
    fn window(&self) -> Bytes {
        let window = self.decision().congestion_window;
        self.restart.map_or(window, |restart| restart.min(window))
    }

    /// How sure it is that smoltcp looks at an acknowledgement.
    fn effect(&self) -> Effect {
        match self.closing {
            _ if self.origin.is_midway() => Effect::Unsure,
            Closing::LastAck => Effect::Unsure,
            Closing::Unknown if self.receive.is_finished() => Effect::Unsure,
            Closing::Unknown | Closing::Other => Effect::Certain,
        }
    }

    /// Where the edges of windows fall. What may be LAST-ACK cannot be closed again.
    fn edge(&self) -> Edge {
        match self.effect() {
            _ if self.sends_partial => Edge::Below,
            Effect::Certain => Edge::Segment,
            Effect::Unsure => Edge::Strict,
        }
    }

    /// The rate and burst of departures.
    fn pace(&self) -> Pace {
        let decision = self.decision();
        Pace {
            rate: decision.pacing_rate,
            burst: decision
                .send_quantum
                .max(Bytes::new(self.max_segment.into())),
        }
    }

    /// True if the pacer has a say: not before the first sample of the round-trip time, without
    /// which a rate says nothing, and not in what may be LAST-ACK.
    fn is_paced(&self) -> bool {
        self.effect() == Effect::Certain && self.round_trips.smoothed().is_some()
    }

    /// The most that smoltcp may have leave to send at once: what a window admitted at another
    /// pace is no excuse for.
    fn burst_limit(&self) -> u32 {
        let pace = self.pace();
        if !self.is_paced() || pace.rate == Bandwidth::MAX {
            return u32::MAX;
        }
        u32::try_from(pace.burst.as_u64()).unwrap_or(u32::MAX)
    }

    /// Bytes that the pacer admits.
    fn allowance(&mut self, now: Timestamp) -> Bytes {
        if !self.is_paced() {
            return Bytes::MAX;
        }
        let pace = self.pace();
        self.pacer.allowance(now, pace)
    }

    /// What may leave next.
    fn admission(&mut self, now: Timestamp) -> Admission {
        let allowance = self.allowance(now);
        let admission = admit(
            self.window(),
            self.ledger.bytes_in_flight(),
            self.max_segment,
            allowance,
            self.mirror.room().min(self.burst_limit()),
        );
        Admission {
            // What left now would only be repeated.
            wanted: if now < self.patient_until {
                0
            } else {
                admission.wanted
            },
            ..admission
        }
    }
}

/// Opening acknowledgements are made for so long after the last genuine arrival, or two round-trip
/// times: they look to smoltcp like a sign of life, and its own timeout must still find a dead peer.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
