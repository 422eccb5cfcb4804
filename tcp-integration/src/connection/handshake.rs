//! How a connection begins: SYNs of both sides.

use tautline_core::controller::Controller;
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::ecn::EcnState;
use super::ledger::{Largest, Ledger};
use super::loss::{Duplicates, LossSpan};
use super::mirror::Mirror;
use super::pacing::Pacer;
use super::receive::{Fate, Receive};
use super::rtt::RoundTripTimes;
use super::window::{Scale, Scales, Windows};
use super::{Arrival, Closing, Connection, Hold, Marks, Origin, Phase, Probing, Settings, Status};
use crate::segment::{Options, Segment};

impl<C: Controller, const SEGMENTS: usize> Connection<C, SEGMENTS> {
    /// A connection that our departing `syn` opens; [`on_departure`](Self::on_departure) of it
    /// follows.
    pub(crate) fn active(now: Timestamp, syn: &Segment, controller: C, settings: Settings) -> Self {
        Self::new(now, Origin::Active, syn, controller, settings)
    }

    /// A connection that our departing `synack` accepts; `offer` is the SYN that it answers, if it
    /// is remembered. [`on_departure`](Self::on_departure) of the answer follows.
    pub(crate) fn passive(
        now: Timestamp,
        synack: &Segment,
        offer: Option<Segment>,
        controller: C,
        settings: Settings,
    ) -> Self {
        let mut connection = Self::new(now, Origin::Passive, synack, controller, settings);
        // Without the offer: as much per segment as everybody takes, and the smallest windows that
        // the peer can mean. What smoltcp took from the offer stands in its answer: whether the
        // peer sends SACK blocks, and whether smoltcp scales its windows, then always by our shift
        // count.
        let offered = offer.map(|offer| offer.options).unwrap_or_default();
        let peer_shift = offered.window_scale.unwrap_or(0);
        connection.take_options(&Options {
            sack_permitted: synack.options.sack_permitted,
            window_scale: synack.options.window_scale.map(|_| peer_shift),
            ..offered
        });
        if let Some(offer) = offer {
            connection.ecn.on_offer(offer.flags);
        }
        connection
    }

    /// A connection first seen when `segment` departs, which follows, or seen before, with
    /// `scales`. Without them smoltcp is taken to read the peer's windows right.
    pub(crate) fn adopted(
        now: Timestamp,
        segment: &Segment,
        scales: Option<Scales>,
        controller: C,
        settings: Settings,
    ) -> Self {
        let origin = match scales {
            Some(_) => Origin::Resumed,
            None => Origin::Adopted,
        };
        let mut connection = Self::new(now, origin, segment, controller, settings);
        connection.phase = Phase::Established;
        connection.mirror = Mirror::adopted(now, segment.sequence);
        if let Some(scales) = scales {
            connection.windows.shift = scales.stack;
            connection.windows.peer_shift = scales.peer;
        }
        // Its blocks show whether the peer selects.
        connection.sack = true;
        // A receive window as large as any: what smoltcp refuses is then not noticed.
        connection.own_shift = Some(MAX_SHIFT);
        connection.receive = Receive::new(segment.acknowledgement, segment.window, MAX_SHIFT);
        connection
    }

    fn new(
        now: Timestamp,
        origin: Origin,
        first: &Segment,
        controller: C,
        settings: Settings,
    ) -> Self {
        let own_max_segment = first
            .options
            .max_segment_size
            .map_or(DEFAULT_MAX_SEGMENT, u32::from)
            .max(1);
        Self {
            controller,
            phase: Phase::Handshake,
            origin,
            mirror: Mirror::new(now, first.sequence),
            receive: Receive::new(first.acknowledgement, first.window, 0),
            ledger: Ledger::new(),
            windows: Windows {
                shift: 0,
                peer_shift: 0,
                peer: 0,
            },
            round_trips: RoundTripTimes::default(),
            pacer: Pacer::new(now),
            ecn: EcnState::new(settings.ecn()),
            duplicates: Duplicates::default(),
            loss_span: LossSpan::default(),
            max_segment: own_max_segment,
            own_max_segment,
            peer_max_segment: own_max_segment,
            sack: false,
            option_bytes: 0,
            own_shift: None,
            scale_in_settings: settings.window_scale(),
            next_number: PacketNumber::new(0),
            largest: Largest::default(),
            restart: None,
            sends_partial: false,
            told: 0,
            finish: None,
            syn_sent: None,
            syn_window: first.window,
            probing: Probing {
                pending: false,
                probes: 0,
                backoff: 0,
                timeouts: 0,
                since: now,
            },
            patient_until: Timestamp::ZERO,
            impatient_until: None,
            closing: Closing::Unknown,
            hold: Hold::default(),
            last_arrival: now,
            flight_start: now,
            idle_since: now,
            poll_at: Timestamp::MAX,
            status: Status::default(),
        }
    }

    /// Our SYN or SYN-ACK leaves, for the first time or again.
    pub(super) fn on_syn_departure(&mut self, now: Timestamp, syn: &Segment) -> Marks {
        self.syn_sent = match self.syn_sent {
            None if self.probing.timeouts == 0 => Some(now),
            // Karn's algorithm: which of two was answered is not known.
            _ => None,
        };
        self.probing.timeouts = self.probing.timeouts.saturating_add(1);
        self.own_shift = syn.options.window_scale;
        self.syn_window = syn.window;
        if syn.flags.ack {
            // smoltcp shifts the window of its SYN-ACK too, though that is not scaled.
            let shift = self.own_shift.unwrap_or(0);
            self.receive = Receive::new(syn.acknowledgement, syn.window, shift);
            self.set_option_bytes(syn);
            return Marks {
                ece: self.ecn.is_negotiated(),
                ..Marks::default()
            };
        }
        let offers = self.ecn.offers();
        Marks {
            ece: offers,
            cwr: offers,
            ..Marks::default()
        }
    }

    /// A segment arrives before the handshake is complete.
    pub(super) fn on_handshake_arrival(&mut self, now: Timestamp, segment: &Segment) -> Arrival {
        let untouched = Arrival::Deliver {
            window: segment.window,
        };
        let answers = segment.flags.ack && segment.acknowledgement == self.mirror.nxt;
        match self.origin {
            Origin::Active if segment.flags.rst => {
                if answers {
                    self.phase = Phase::Closed;
                }
                untouched
            }
            Origin::Active if segment.flags.syn && answers => {
                self.take_options(&segment.options);
                self.ecn.on_answer(segment.flags);
                self.set_option_bytes(segment);
                let shift = segment
                    .options
                    .window_scale
                    .and(self.own_shift)
                    .unwrap_or(0);
                self.receive
                    .on_answer(segment.end(), self.syn_window, shift);
                self.establish(now);
                self.take(now, segment, Scale::None)
            }
            Origin::Active if segment.flags.syn && !segment.flags.ack => {
                // Simultaneous open: smoltcp answers with a SYN-ACK of the same number.
                self.take_options(&segment.options);
                self.ecn.on_offer(segment.flags);
                self.origin = Origin::Passive;
                untouched
            }
            Origin::Passive if !segment.flags.syn => self.on_completion(now, segment, answers),
            _ => untouched,
        }
    }

    fn on_completion(&mut self, now: Timestamp, segment: &Segment, answers: bool) -> Arrival {
        match self.receive.fate_of(segment) {
            Fate::Reset => self.phase = Phase::Closed,
            Fate::Taken if answers => {
                self.establish(now);
                return self.take(now, segment, Scale::Negotiated);
            }
            Fate::Taken | Fate::Ignored => {}
        }
        Arrival::Deliver {
            window: segment.window,
        }
    }

    /// What the peer's SYN offers.
    fn take_options(&mut self, options: &Options) {
        self.sack = options.sack_permitted;
        self.windows.peer_shift = options.window_scale.unwrap_or(0);
        self.windows.shift = match options.window_scale {
            Some(_) => self.scale_in_settings,
            None => 0,
        };
        // smoltcp takes zero for no option, and little for its minimum.
        self.peer_max_segment = match options.max_segment_size {
            None | Some(0) => DEFAULT_MAX_SEGMENT,
            Some(size) => u32::from(size).max(LEAST_MAX_SEGMENT),
        };
    }

    /// Timestamps of `segment` say whether data segments carry them.
    pub(super) fn set_option_bytes(&mut self, segment: &Segment) {
        self.option_bytes = match segment.options.timestamps {
            Some(_) => TIMESTAMP_BYTES,
            None => 0,
        };
    }

    /// The handshake is complete.
    fn establish(&mut self, now: Timestamp) {
        self.phase = Phase::Established;
        self.probing.timeouts = 0;
        self.probing.since = now;
        if let Some(sent) = self.syn_sent.take() {
            self.round_trips.sample(now.saturating_since(sent));
        }
        let announced = self.own_max_segment;
        self.update_max_segment();
        if self.max_segment != announced {
            self.controller
                .on_mtu_update(now, Bytes::new(self.max_segment.into()));
        }
    }

    /// Both sides' limits, less the options (RFC 6691).
    pub(super) fn update_max_segment(&mut self) {
        self.max_segment = self
            .own_max_segment
            .min(self.peer_max_segment)
            .saturating_sub(self.option_bytes)
            .max(1);
    }
}

/// What a peer takes that does not say (RFC 9293 §3.7.1), for smoltcp over IPv6 too.
const DEFAULT_MAX_SEGMENT: u32 = 536;
/// smoltcp never sends smaller full segments.
const LEAST_MAX_SEGMENT: u32 = 48;
/// Timestamps with their padding (RFC 7323 appendix A).
const TIMESTAMP_BYTES: u32 = 12;
/// RFC 7323 §2.3.
const MAX_SHIFT: u8 = 14;
