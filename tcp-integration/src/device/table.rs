//! The connections that a device tracks: a fixed number of them, without a heap.

use core::time::Duration;

use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::TcpSeqNumber;
use tautline_core::controller::{Controller, Decision};
use tautline_core::units::{Bytes, Timestamp};

use super::half_open::HalfOpen;
use super::released::Released;
use super::station::Station;
use super::tally::{Tally, count};
use crate::connection::{
    Arrival, Closing, Connection, ControllerSource, Gate, Marks, Phase, Settings, Status, Withheld,
};
use crate::segment::{
    Direction, EcnFlag, Editor, LinkAddresses, Parsed, PureAck, Segment, Tuple, parse,
};

/// Tracks up to `CONNECTIONS` connections with `SEGMENTS` segments each.
pub(super) struct Table<S: ControllerSource, const CONNECTIONS: usize, const SEGMENTS: usize> {
    slots: [Option<Slot<S::Controller, SEGMENTS>>; CONNECTIONS],
    half_open: HalfOpen<CONNECTIONS>,
    released: Released<CONNECTIONS>,
    station: Station,
    /// A SYN was refused.
    wants_room: bool,
    /// When the states of the stack's sockets were looked at, if that is still what is believed.
    observed: Option<Timestamp>,
    source: S,
    settings: Settings,
    wire: Wire,
    pub(super) tally: Tally,
}

/// How frames look on the inner device.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) medium: Medium,
    pub(super) checksums: ChecksumCapabilities,
}

#[derive(Debug)]
struct Slot<C, const SEGMENTS: usize> {
    tuple: Tuple,
    /// Our initial sequence number; none where the handshake was not seen.
    initial: Option<TcpSeqNumber>,
    /// Of the last frame that left, turned round: for those made for it.
    link: LinkAddresses,
    connection: Connection<C, SEGMENTS>,
}

/// What an arriving frame needs before the stack may see it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Pass,
    /// It must not see it at all.
    Drop,
    /// Edits in a copy.
    Edit(Segment, Edits),
}

/// What is edited in an arriving segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edits {
    /// The window field.
    window: Option<u16>,
    /// The shift count in the window-scale option.
    window_scale: Option<u8>,
}

impl Edits {
    /// Edits `frame`, from which `segment` was parsed.
    pub(super) fn apply(self, frame: &mut [u8], segment: &Segment) {
        let mut editor = Editor::new(frame, segment);
        if let Some(window) = self.window {
            editor.set_window(window);
        }
        if let Some(shift_count) = self.window_scale {
            editor.set_window_scale(shift_count);
        }
    }
}

/// A pure acknowledgement that the stack is to receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) link: LinkAddresses,
    pub(super) tuple: Tuple,
    pub(super) ack: PureAck,
}

/// What becomes of a departing frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sent.
    Send,
    /// It is dropped, and counted.
    Drop,
}

impl<S: ControllerSource, const CONNECTIONS: usize, const SEGMENTS: usize>
    Table<S, CONNECTIONS, SEGMENTS>
{
    pub(super) fn new(source: S, settings: Settings, wire: Wire) -> Self {
        Self {
            slots: [const { None }; CONNECTIONS],
            half_open: HalfOpen::new(),
            released: Released::new(),
            station: Station::default(),
            wants_room: false,
            observed: None,
            source,
            settings,
            wire,
            tally: Tally::default(),
        }
    }

    pub(super) const fn medium(&self) -> Medium {
        self.wire.medium
    }

    /// Judges an arriving frame, of which up to `editable_bytes` can be edited.
    pub(super) fn on_arrival(
        &mut self,
        now: Timestamp,
        frame: &[u8],
        editable_bytes: usize,
    ) -> Verdict {
        count(&mut self.tally.frames_arrived);
        if self.station.is_for_another(self.wire.medium, frame) {
            return Verdict::Pass;
        }
        let direction = Direction::Arriving;
        let segment = match parse(self.wire.medium, direction, &self.wire.checksums, frame) {
            Parsed::Tcp(segment) => segment,
            Parsed::Other => return Verdict::Pass,
            Parsed::Refused(_) => {
                count(&mut self.tally.drops.malformed);
                return Verdict::Drop;
            }
        };
        let verdict = self.on_segment(now, &segment);
        if !matches!(verdict, Verdict::Pass | Verdict::Drop) && frame.len() > editable_bytes {
            count(&mut self.tally.drops.oversized);
            return Verdict::Drop;
        }
        verdict
    }

    fn on_segment(&mut self, now: Timestamp, segment: &Segment) -> Verdict {
        // A window is never scaled in a segment with a SYN, and the option only counts there.
        let window_scale = segment.flags.syn.then_some(self.settings.window_scale());
        if segment.flags.syn && !segment.flags.ack {
            if self.find(segment.tuple).is_none() && !self.has_room(now) {
                count(&mut self.tally.drops.arriving_syn);
                self.wants_room = true;
                return Verdict::Drop;
            }
            self.half_open.remember(segment);
        }
        let Some(slot) = self.find(segment.tuple) else {
            return self.on_untracked(segment);
        };
        match slot.connection.on_arrival(now, segment) {
            Arrival::Deliver { window } => {
                self.sweep(segment.tuple);
                let edits = Edits {
                    window: Some(window),
                    window_scale,
                };
                Verdict::Edit(*segment, edits)
            }
            Arrival::Drop(_) => {
                count(&mut self.tally.drops.unacceptable);
                Verdict::Drop
            }
        }
    }

    /// A segment of no tracked connection. The shift count is only replaced where an answer will
    /// find a slot, so that smoltcp never reads a window with a shift count that nobody remembers.
    fn on_untracked(&self, segment: &Segment) -> Verdict {
        let edits = if segment.flags.syn && segment.flags.ack {
            return Verdict::Pass;
        } else if segment.flags.syn {
            Edits {
                window: None,
                window_scale: Some(self.settings.window_scale()),
            }
        } else if let Some(scales) = self.released.find(segment.tuple) {
            Edits {
                window: Some(scales.rescale(segment.window)),
                window_scale: None,
            }
        } else {
            return Verdict::Pass;
        };
        Verdict::Edit(*segment, edits)
    }

    /// Follows a departing frame and marks it for explicit congestion notification.
    pub(super) fn on_departure(&mut self, now: Timestamp, frame: &mut [u8]) -> Fate {
        let link = LinkAddresses::of(self.wire.medium, frame);
        self.station.on_departure(link);
        let direction = Direction::Departing;
        let parsed = parse(self.wire.medium, direction, &self.wire.checksums, frame);
        let Parsed::Tcp(segment) = parsed else {
            return Fate::Send;
        };
        match self.follow(now, &segment, link.reversed()) {
            Some(marks) => {
                let drops = &mut self.tally.drops;
                match marks.withheld {
                    Some(Withheld::KeepAlive) => count(&mut drops.keep_alives),
                    Some(Withheld::BeyondWindow) => count(&mut drops.beyond_window),
                    Some(Withheld::Excess) => count(&mut drops.excess),
                    None => {
                        mark(frame, &segment, marks);
                        return Fate::Send;
                    }
                }
                Fate::Drop
            }
            None => Fate::Drop,
        }
    }

    /// Tells the connection of a departing segment; none where the segment must not leave.
    fn follow(&mut self, now: Timestamp, segment: &Segment, link: LinkAddresses) -> Option<Marks> {
        let reused = segment.flags.syn
            && self
                .find(segment.tuple)
                .is_some_and(|slot| slot.initial != Some(segment.sequence));
        if reused {
            self.forget(segment.tuple);
            count(&mut self.tally.replaced);
        }
        if self.find(segment.tuple).is_none() {
            // Without a slot nothing but a SYN or data needs one.
            if !segment.flags.syn && segment.payload_bytes == 0 {
                return Some(Marks::default());
            }
            if !self.track(now, segment, link) {
                self.wants_room = true;
                let drops = &mut self.tally.drops;
                count(if segment.flags.syn {
                    &mut drops.departing_syn
                } else {
                    &mut drops.departing_data
                });
                return None;
            }
        }
        let slot = self.find(segment.tuple)?;
        slot.link = link;
        let marks = slot.connection.on_departure(now, segment);
        self.sweep(segment.tuple);
        Some(marks)
    }

    /// Starts to track the connection of a departing segment; false where the table is full.
    fn track(&mut self, now: Timestamp, segment: &Segment, link: LinkAddresses) -> bool {
        if !self.has_room(now) {
            return false;
        }
        if self.slots.iter().all(Option::is_some) {
            self.evict(now);
        }
        let scales = self.released.find(segment.tuple);
        self.released.forget(segment.tuple);
        let settings = self.settings;
        let controller = self.source.controller(max_segment(segment));
        let connection = if segment.flags.syn && segment.flags.ack {
            let offer = self.half_open.take(segment.tuple, segment.acknowledgement);
            Connection::passive(now, segment, offer, controller, settings)
        } else if segment.flags.syn {
            Connection::active(now, segment, controller, settings)
        } else {
            count(&mut self.tally.adopted);
            Connection::adopted(now, segment, scales, controller, settings)
        };
        let slot = Slot {
            tuple: segment.tuple,
            initial: segment.flags.syn.then_some(segment.sequence),
            link,
            connection,
        };
        let Some(place) = self.slots.iter_mut().find(|place| place.is_none()) else {
            return false;
        };
        *place = Some(slot);
        count(&mut self.tally.connections);
        true
    }

    /// True if another connection can be tracked.
    fn has_room(&self, now: Timestamp) -> bool {
        self.slots
            .iter()
            .any(|place| place.as_ref().is_none_or(|slot| slot.may_go(now)))
    }

    /// Forgets the handshake without progress for longest, of those that may go.
    fn evict(&mut self, now: Timestamp) {
        let oldest = self
            .slots
            .iter_mut()
            .filter(|place| place.as_ref().is_some_and(|slot| slot.may_go(now)))
            .min_by_key(|place| place.as_ref().map(|slot| slot.connection.idle_since()));
        if let Some(slot) = oldest.and_then(Option::take) {
            self.remember(&slot);
            count(&mut self.tally.evicted);
        }
    }

    /// Forgets a connection that is over.
    fn sweep(&mut self, tuple: Tuple) {
        let over = |slot: &mut Slot<_, SEGMENTS>| slot.connection.phase() == Phase::Closed;
        if self.find(tuple).is_some_and(over) {
            self.forget(tuple);
        }
    }

    /// Forgets a connection that smoltcp may still use; true if it was tracked.
    pub(super) fn release(&mut self, tuple: Tuple) -> bool {
        let slot = self.forget(tuple);
        if let Some(slot) = &slot {
            self.remember(slot);
        }
        slot.is_some()
    }

    /// Forgets a connection, and that it was.
    fn forget(&mut self, tuple: Tuple) -> Option<Slot<S::Controller, SEGMENTS>> {
        let place = self
            .slots
            .iter_mut()
            .find(|place| place.as_ref().is_some_and(|slot| slot.tuple == tuple));
        place?.take()
    }

    /// Where another connection wanted a slot, forgets those that are not `used` by a socket.
    pub(super) fn forget_unused(&mut self, used: impl Fn(Tuple) -> bool) {
        if !core::mem::take(&mut self.wants_room) {
            return;
        }
        for place in &mut self.slots {
            if place.as_ref().is_some_and(|slot| !used(slot.tuple)) {
                *place = None;
                count(&mut self.tally.unused);
            }
        }
    }

    /// Remembers how smoltcp reads the windows of a connection that is not tracked any more.
    fn remember(&mut self, slot: &Slot<S::Controller, SEGMENTS>) {
        if let Some(scales) = slot.connection.scales() {
            self.released.remember(slot.tuple, scales);
        }
    }

    /// The next acknowledgement that the stack must see, timers that are due first.
    pub(super) fn next_made(&mut self, now: Timestamp) -> Option<Made> {
        for slot in self.slots.iter_mut().flatten() {
            if slot.connection.poll_at() <= now {
                slot.connection.on_time(now);
            }
            if let Some(ack) = slot.connection.next_made(now) {
                count(&mut self.tally.made_acks);
                return Some(Made {
                    link: slot.link,
                    tuple: slot.tuple,
                    ack,
                });
            }
        }
        None
    }

    /// Forgets the states of sockets that were looked at before `now`: a socket may have been closed
    /// in between.
    pub(super) fn forget_states(&mut self, now: Timestamp) {
        if self.observed.is_some_and(|at| at != now) {
            self.observed = None;
            for slot in self.slots.iter_mut().flatten() {
                slot.connection.on_state(now, Closing::Unknown);
            }
        }
    }

    /// The state of the stack's socket between these two ends.
    pub(super) fn on_state(&mut self, now: Timestamp, tuple: Tuple, closing: Closing) {
        self.observed = Some(now);
        if let Some(slot) = self.find(tuple) {
            slot.connection.on_state(now, closing);
        }
    }

    /// True while some connection would overrun its window, and counts that it was asked.
    pub(super) fn refuses_to_send(&mut self) -> bool {
        let shut = self.is_shut();
        if shut {
            count(&mut self.tally.gate_shut);
        }
        shut
    }

    pub(super) fn is_shut(&self) -> bool {
        self.slots
            .iter()
            .flatten()
            .any(|slot| slot.connection.gate() == Gate::Shut)
    }

    /// When a timer is due or an acknowledgement must be made.
    pub(super) fn poll_at(&self) -> Timestamp {
        let timers = self.slots.iter().flatten();
        let timers = timers.map(|slot| slot.connection.poll_at());
        timers.min().unwrap_or(Timestamp::MAX)
    }

    pub(super) fn status(&self, tuple: Tuple) -> Option<Status> {
        Some(self.connection(tuple)?.status())
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = (Tuple, Status)> {
        self.slots
            .iter()
            .flatten()
            .map(|slot| (slot.tuple, slot.connection.status()))
    }

    pub(super) fn controller(&self, tuple: Tuple) -> Option<&S::Controller> {
        Some(self.connection(tuple)?.controller())
    }

    pub(super) fn decision(&self, tuple: Tuple) -> Option<Decision> {
        Some(self.connection(tuple)?.decision())
    }

    fn connection(&self, tuple: Tuple) -> Option<&Connection<S::Controller, SEGMENTS>> {
        let slot = self
            .slots
            .iter()
            .flatten()
            .find(|slot| slot.tuple == tuple)?;
        Some(&slot.connection)
    }

    fn find(&mut self, tuple: Tuple) -> Option<&mut Slot<S::Controller, SEGMENTS>> {
        self.slots
            .iter_mut()
            .flatten()
            .find(|slot| slot.tuple == tuple)
    }
}

impl<C: Controller, const SEGMENTS: usize> Slot<C, SEGMENTS> {
    /// True if another connection may have the slot: the handshake is not complete, and for long
    /// our side of it was not repeated. Once it is complete, smoltcp may use it whenever it likes.
    fn may_go(&self, now: Timestamp) -> bool {
        let patience = match self.connection.phase() {
            Phase::Established => return false,
            Phase::Handshake if self.connection.is_passive() => PASSIVE_PATIENCE,
            Phase::Handshake => ACTIVE_PATIENCE,
            Phase::Closed => Duration::ZERO,
        };
        now.saturating_since(self.connection.idle_since()) >= patience
    }
}

/// What our SYN announces, until the peer's says less; without a SYN, what every host takes.
fn max_segment(segment: &Segment) -> Bytes {
    let announced = segment
        .options
        .max_segment_size
        .unwrap_or(LEAST_MAX_SEGMENT);
    Bytes::new(announced.into())
}

/// Writes the marks of a departing segment into its frame.
fn mark(frame: &mut [u8], segment: &Segment, marks: Marks) {
    let mut editor = Editor::new(frame, segment);
    if marks.ecn != segment.ecn {
        editor.set_ecn(marks.ecn);
    }
    if marks.ece {
        editor.set_flag(EcnFlag::Ece);
    }
    if marks.cwr {
        editor.set_flag(EcnFlag::Cwr);
    }
    if let Some(sequence) = marks.sequence {
        editor.set_sequence(sequence);
    }
}

/// What a peer is waited for that does not complete a handshake of its own while others wait for the
/// slot: beyond the first two SYN-ACKs. Anybody can begin one.
const PASSIVE_PATIENCE: Duration = Duration::from_secs(3);
/// smoltcp repeats the SYN of a socket that connects at least every minute.
const ACTIVE_PATIENCE: Duration = Duration::from_mins(2);
/// RFC 9293 §3.7.1, for IPv4.
const LEAST_MAX_SEGMENT: u16 = 536;
