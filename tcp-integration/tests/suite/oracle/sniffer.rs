//! Judges every frame between a gated device and its path.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::bucket::Bucket;
use super::ledger::{Content, Departure, Kind, Ledger};
use super::recorder::{Feed, Feeds, InForce};
use super::trace::Trace;
use super::wire::{self, Seen};
use smoltcp::phy::Medium;
use smoltcp::wire::IpEndpoint;
use tautline_core::units::Bytes;

/// What a sniffer has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Data segments by kind.
    pub(crate) kinds: BTreeMap<Kind, u64>,
    /// Data segments in total.
    pub(crate) segments: u64,
    /// Segments above the window in force that no exemption covers.
    pub(crate) violations: u64,
    /// Fast retransmissions and probes above the window in force.
    pub(crate) exempt: u64,
    /// Single segments while nothing was outstanding and the window was smaller than a segment.
    pub(crate) lone: u64,
    /// Segments beyond every window that the peer showed.
    pub(crate) beyond_peer: u64,
    /// Segments that left earlier than burst and rate allow.
    pub(crate) hasty: u64,
    /// The same with nothing else outstanding.
    pub(crate) hasty_lone: u64,
    /// The most bytes by which one was above the window, or ahead of its pace.
    pub(crate) most: (i64, i64),
    /// Data segments that the controller did not hear of.
    pub(crate) untold: u64,
    /// Segments that repeat only what was reported by SACK.
    pub(crate) needless: u64,
    /// Times a sender went back to the start of its window.
    pub(crate) timeouts: u64,
    /// Acknowledgements of what was never sent.
    pub(crate) forged: u64,
    /// The first few violations in words.
    pub(crate) complaints: Vec<String>,
}

impl Verdict {
    /// Adds what another sniffer has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        self.segments += other.segments;
        self.violations += other.violations;
        self.exempt += other.exempt;
        self.lone += other.lone;
        self.beyond_peer += other.beyond_peer;
        self.hasty += other.hasty;
        self.hasty_lone += other.hasty_lone;
        self.most.0 = self.most.0.max(other.most.0);
        self.most.1 = self.most.1.max(other.most.1);
        self.untold += other.untold;
        self.needless += other.needless;
        self.timeouts += other.timeouts;
        self.forged += other.forged;
        let room = MAX_COMPLAINTS.saturating_sub(self.complaints.len());
        self.complaints
            .extend(other.complaints.iter().take(room).cloned());
    }

    /// Data segments of `kind`.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or(0)
    }
}

/// What departures are held against.
#[derive(Clone, Debug)]
pub(crate) enum Reference {
    /// Nothing.
    Nothing,
    /// The controllers that report there, in the order of the connections.
    Controllers(Feeds),
    /// A window that never changes, without pacing.
    Window(Bytes),
}

#[derive(Debug)]
struct Conversation {
    ledger: Ledger,
    max_segment: i64,
    feed: Option<Feed>,
    bucket: Bucket,
    /// The largest acknowledgement number that left: the stack expects no less than this.
    expected: Option<u32>,
}

/// Sees the frames of one device as its path does.
#[derive(Debug)]
pub(crate) struct Sniffer {
    medium: Medium,
    reference: Reference,
    conversations: BTreeMap<(IpEndpoint, IpEndpoint), Conversation>,
    /// SYNs that arrived: window scale, window and largest segment.
    offers: BTreeMap<(IpEndpoint, IpEndpoint), (u8, u16, Option<u16>)>,
    /// Connections so far, in the order of their first SYN.
    count: usize,
    own_max_segment: i64,
    verdict: Verdict,
    digest: u64,
    trace: Trace,
}

impl Sniffer {
    /// A judge of a device by `reference`.
    pub(crate) fn new(medium: Medium, reference: Reference) -> Self {
        Self {
            medium,
            reference,
            conversations: BTreeMap::new(),
            offers: BTreeMap::new(),
            count: 0,
            own_max_segment: 536,
            verdict: Verdict::default(),
            digest: 0xCBF2_9CE4_8422_2325,
            trace: Trace::from_environment(),
        }
    }

    /// What was seen so far.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict.clone();
        for conversation in self.conversations.values() {
            verdict.timeouts += conversation.ledger.timeouts();
        }
        verdict
    }

    /// FNV-1a over every frame, its direction and its time.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// A frame leaves the device at `now` (µs).
    pub(crate) fn on_departure(&mut self, now: i64, frame: &[u8]) {
        self.mix(now, 1, frame);
        let Some(seen) = wire::read(self.medium, frame) else {
            return;
        };
        if seen.syn {
            self.on_own_syn(now, &seen);
            return;
        }
        let key = (seen.source, seen.target);
        let Some(conversation) = self.conversations.get_mut(&key) else {
            return;
        };
        self.trace.departure(now, &seen, &conversation.ledger);
        conversation.expected = seen.acknowledgement.or(conversation.expected);
        if seen.payload > 0 {
            let (sequence, payload) = (seen.sequence, seen.payload);
            let departure = conversation.ledger.on_departure(now, sequence, payload);
            judge(conversation, now, &departure, &mut self.verdict);
        }
        if seen.fin {
            let end = seen.sequence.wrapping_add(seen.payload as u32);
            conversation.ledger.on_fin(end);
        }
    }

    /// A frame arrives at the device at `now` (µs).
    pub(crate) fn on_arrival(&mut self, now: i64, frame: &[u8]) {
        self.mix(now, 0, frame);
        let Some(seen) = wire::read(self.medium, frame) else {
            return;
        };
        let key = (seen.target, seen.source);
        if seen.syn && seen.acknowledgement.is_none() {
            let offer = (seen.scale.unwrap_or(0), seen.window, seen.max_segment);
            self.offers.insert(key, offer);
        }
        let Some(conversation) = self.conversations.get_mut(&key) else {
            return;
        };
        self.trace.arrival(now, &seen, &conversation.ledger);
        if let Some(bytes) = seen.max_segment {
            conversation.max_segment = conversation.max_segment.min(i64::from(bytes));
        }
        let Some(acknowledgement) = seen.acknowledgement else {
            return;
        };
        if seen.rst {
            return;
        }
        let ledger = &mut conversation.ledger;
        if seen.syn {
            ledger.set_peer(now, seen.scale.unwrap_or(0), seen.window);
            return;
        }
        if conversation
            .expected
            .is_some_and(|next| is_old(&seen, next))
        {
            return;
        }
        let content = Content {
            sack: &seen.sack,
            payload: seen.payload,
        };
        if !ledger.on_acknowledgement(now, acknowledgement, seen.window, content) {
            self.verdict.forged += 1;
        }
    }

    fn on_own_syn(&mut self, now: i64, seen: &Seen) {
        let key = (seen.source, seen.target);
        if let Some(bytes) = seen.max_segment {
            self.own_max_segment = i64::from(bytes);
        }
        if let Some(known) = self.conversations.get(&key) {
            if known.ledger.isn() == seen.sequence {
                return;
            }
            self.verdict.timeouts += known.ledger.timeouts();
        }
        let feed = match &self.reference {
            Reference::Nothing => None,
            Reference::Window(window) => Some(Feed::constant(*window)),
            Reference::Controllers(feeds) => {
                let feeds = feeds.lock().unwrap_or_else(PoisonError::into_inner);
                feeds.get(self.count).cloned()
            }
        };
        self.count += 1;
        let mut ledger = Ledger::new(seen.sequence, now);
        let mut max_segment = self.own_max_segment;
        if let Some(&(scale, window, bytes)) = self.offers.get(&key) {
            ledger.set_peer(now, scale, window);
            max_segment = bytes.map_or(max_segment, |bytes| max_segment.min(bytes.into()));
        }
        let conversation = Conversation {
            ledger,
            expected: None,
            max_segment,
            feed,
            bucket: Bucket::default(),
        };
        self.conversations.insert(key, conversation);
    }

    fn mix(&mut self, now: i64, direction: u8, frame: &[u8]) {
        let head = now.to_le_bytes().into_iter().chain([direction]);
        for byte in head.chain(frame.iter().copied()) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

fn judge(conversation: &mut Conversation, now: i64, departure: &Departure, verdict: &mut Verdict) {
    verdict.segments += 1;
    *verdict.kinds.entry(departure.kind).or_default() += 1;
    if departure.beyond_peer > 0 {
        verdict.beyond_peer += 1;
        complain(verdict, now, departure, "beyond the peer's window");
    }
    let exempt = match departure.kind {
        Kind::KeepAlive | Kind::Stale | Kind::ZeroWindowProbe => {
            return;
        }
        Kind::FastRetransmission | Kind::TimeoutProbe | Kind::TailProbe => true,
        Kind::New | Kind::Repeated => false,
    };
    let Some(feed) = &conversation.feed else {
        return;
    };
    let Some(InForce { decision, changes }) = feed.in_force() else {
        if departure.after == departure.before && departure.kind == Kind::Repeated {
            // All of it was reported by SACK: it does not count towards bytes in flight.
            verdict.needless += 1;
            return;
        }
        verdict.untold += 1;
        complain(verdict, now, departure, "the controller was not told");
        return;
    };
    for change in changes {
        let max_segment = conversation.max_segment;
        conversation.bucket.change(&change, max_segment);
    }
    if !exempt {
        let early = conversation.bucket.take(now, departure.payload);
        if early > 0 && departure.before == 0 {
            verdict.hasty_lone += 1;
        } else if early > 0 {
            verdict.hasty += 1;
            verdict.most.1 = verdict.most.1.max(early);
            if verdict.hasty <= MAX_HASTY_COMPLAINTS {
                let what = format!("{early} bytes too early for {decision:?}");
                complain(verdict, now, departure, &what);
            }
        }
    }
    let window = i64::try_from(decision.congestion_window.as_u64()).unwrap_or(i64::MAX);
    let alone = departure.before == 0 && departure.payload <= conversation.max_segment;
    if departure.after <= window {
        return;
    }
    if exempt {
        verdict.exempt += 1;
    } else if alone {
        verdict.lone += 1;
    } else {
        verdict.violations += 1;
        verdict.most.0 = verdict.most.0.max(departure.after - window);
        complain(
            verdict,
            now,
            departure,
            &format!("above a window of {window}"),
        );
    }
}

fn complain(verdict: &mut Verdict, now: i64, departure: &Departure, what: &str) {
    if verdict.complaints.len() < MAX_COMPLAINTS {
        let complaint = format!("at {now} µs {departure:?}: {what}");
        verdict.complaints.push(complaint);
    }
}

/// So that these leave room for others.
const MAX_HASTY_COMPLAINTS: u64 = 5;
/// Nobody reads more than these.
const MAX_COMPLAINTS: usize = 20;

/// Left of the receive window, as keep-alives are: answered, and not looked at any further (RFC
/// 9293 §3.10.7.4).
fn is_old(seen: &Seen, expected: u32) -> bool {
    let last = seen
        .sequence
        .wrapping_add((seen.payload as u32).saturating_sub(1));
    (last.wrapping_sub(expected) as i32) < 0
}
