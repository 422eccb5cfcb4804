//! Controllers whose decisions the judge can read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, FixedWindow, Learned,
    NewReno, RetryTiming, SentPacket, Timeout,
};
use tautline_core::features::TABLE_1;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{self, Policy};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline;

use super::chance::Chance;

/// A controller of any kind.
pub(crate) type AnyController = Box<dyn Controller + Send>;

/// Which controller drives a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// A constant window of so many bytes.
    Fixed(u64),
    /// RFC 9002's.
    NewReno,
    /// The shipped model under its guard.
    Learned,
    /// netsim's CUBIC.
    Cubic,
    /// netsim's Copa.
    Copa,
    /// netsim's BBR.
    Bbr,
    /// Random windows, rates and bursts, changed at any event.
    Adversary,
    /// The same, with windows down to nothing.
    LawlessAdversary,
    /// The same decision for ever.
    Steady(Decision),
    /// 60 kB at 8 Mbit/s, while the judge hears of half of either.
    Boasting,
}

impl Choice {
    /// A new controller for segments of `max_segment`.
    pub(crate) fn build(self, max_segment: Bytes, seed: u64) -> AnyController {
        let named = |name| baseline::by_name(name, max_segment, seed).unwrap();
        match self {
            Self::Fixed(bytes) => Box::new(FixedWindow::new(Bytes::new(bytes), max_segment)),
            Self::NewReno => Box::new(NewReno::new(max_segment)),
            Self::Learned => Box::new(learned(max_segment)),
            Self::Cubic => named("cubic"),
            Self::Copa => named("copa"),
            Self::Bbr => named("bbr"),
            Self::Adversary => {
                let least = 2 * max_segment.as_u64() + 1;
                Box::new(Adversary::new(seed, least))
            }
            Self::LawlessAdversary => Box::new(Adversary::new(seed, 1)),
            Self::Steady(decision) => Box::new(Steady(decision)),
            Self::Boasting => Box::new(Steady(Decision {
                pacing_rate: Bandwidth::from_bits_per_sec(8_000_000),
                send_quantum: Bytes::new(10_000),
                ..Decision::unpaced(Bytes::new(60_000))
            })),
        }
    }
}

/// What the judge knows about one controller; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    current: Option<Decision>,
    /// The decision that a departure was made under, until the judge has seen that departure.
    before_departure: Option<Decision>,
    /// What the controller decided on hearing of that departure.
    after_departure: Option<Decision>,
    /// Decisions since the last departure, for the judge's meter of paces.
    changes: Vec<Decision>,
    /// The decision never changes, and departures are not reported.
    constant: bool,
}

impl Feed {
    /// Stands for a controller with `window` for ever, though no controller runs.
    pub(crate) fn constant(window: Bytes) -> Self {
        let feed = Self::default();
        let decision = Decision::unpaced(window);
        {
            let mut record = feed.lock();
            record.current = Some(decision);
            record.changes.push(decision);
            record.constant = true;
        }
        feed
    }

    /// What was in force for the departure that the judge looks at now: the decision before the
    /// controller heard of that departure. None if it never heard of it.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        let mut record = self.lock();
        let reported = record.before_departure.take();
        let constant = if record.constant {
            record.current
        } else {
            None
        };
        let decision = reported.or(constant)?;
        let changes = std::mem::take(&mut record.changes);
        let after = record.after_departure.take();
        record.changes.extend(after);
        Some(InForce { decision, changes })
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the judge compares one departure with.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// The decision.
    pub(crate) decision: Decision,
    /// Decisions since the last departure, oldest first.
    pub(crate) changes: Vec<Decision>,
}

/// Feeds of one device, in the order of the connections.
pub(crate) type Feeds = Arc<Mutex<Vec<Feed>>>;

/// A controller that tells the judge every decision.
pub(crate) struct Recorder {
    inner: AnyController,
    divisor: u64,
    feed: Feed,
}

impl core::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Recorder").field(&self.feed).finish()
    }
}

impl Recorder {
    /// `inner`, with a new feed at the end of `feeds` that tells of windows and rates divided by
    /// `divisor`.
    pub(crate) fn new(inner: AnyController, divisor: u64, feeds: &Feeds) -> Self {
        let feed = Feed::default();
        let decision = told(inner.decision(), divisor);
        {
            let mut record = feed.lock();
            record.current = Some(decision);
            record.changes.push(decision);
        }
        let mut all = feeds.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(feed.clone());
        Self {
            inner,
            divisor,
            feed,
        }
    }

    fn update(&self) {
        let decision = told(self.inner.decision(), self.divisor);
        let mut record = self.feed.lock();
        let after = record.after_departure.take();
        record.changes.extend(after);
        if record.current != Some(decision) {
            record.current = Some(decision);
            record.changes.push(decision);
        }
    }
}

impl Controller for Recorder {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        let before = told(self.inner.decision(), self.divisor);
        self.inner.on_packet_sent(now, packet);
        let after = told(self.inner.decision(), self.divisor);
        let mut record = self.feed.lock();
        let earlier = record.after_departure.take();
        record.changes.extend(earlier);
        record.before_departure = Some(before);
        record.after_departure = (after != before).then_some(after);
        record.current = Some(after);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.inner.on_packet_acked(now, packet);
        self.update();
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.inner.on_ack_end(now, batch);
        self.update();
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.inner.on_congestion_event(now, event);
        self.update();
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.inner.on_timeout(now, timeout);
        self.update();
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.inner.on_mtu_update(now, max_datagram_size);
        self.update();
    }

    fn decision(&self) -> Decision {
        self.inner.decision()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

fn told(decision: Decision, divisor: u64) -> Decision {
    let rate = decision.pacing_rate;
    Decision {
        congestion_window: decision.congestion_window.scale(1, divisor),
        pacing_rate: if rate == Bandwidth::MAX {
            rate
        } else {
            Bandwidth::from_bytes_per_sec(rate.as_bytes_per_sec() / divisor)
        },
        ..decision
    }
}

/// Never changes its mind.
#[derive(Debug)]
struct Steady(Decision);

impl Controller for Steady {
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {}

    fn on_packet_acked(&mut self, _now: Timestamp, _packet: AckedPacket) {}

    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {}

    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {}

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {}

    fn on_mtu_update(&mut self, _now: Timestamp, _max_datagram_size: Bytes) {}

    fn decision(&self) -> Decision {
        self.0
    }
}

/// Changes its mind at random, whatever it is told.
#[derive(Debug)]
struct Adversary {
    chance: Chance,
    least: u64,
    decision: Decision,
}

impl Adversary {
    fn new(seed: u64, least: u64) -> Self {
        let mut adversary = Self {
            chance: Chance::new(seed, 0xADE5),
            least,
            decision: Decision::unpaced(Bytes::new(least.max(10_000))),
        };
        adversary.change(1_000_000);
        adversary
    }

    fn change(&mut self, per_million: u64) {
        let chance = &mut self.chance;
        if chance.happens(per_million) {
            let window = match chance.between(0, 3) {
                0 => self.least,
                1 => chance.magnitude(self.least, 20 * self.least),
                _ => chance.magnitude(self.least.max(3000), 1_000_000),
            };
            self.decision.congestion_window = Bytes::new(window);
        }
        if chance.happens(per_million / 4) {
            let rate = chance.magnitude(20_000, 20_000_000);
            self.decision.pacing_rate = if chance.happens(300_000) {
                Bandwidth::MAX
            } else {
                Bandwidth::from_bytes_per_sec(rate)
            };
            self.decision.send_quantum = Bytes::new(chance.magnitude(1, 60_000));
            self.decision.buffer_cap = Bytes::new(chance.magnitude(3000, 1_000_000));
            self.decision.retry = RetryTiming::RFC9002;
        }
    }
}

impl Controller for Adversary {
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {
        self.change(20_000);
    }

    fn on_packet_acked(&mut self, _now: Timestamp, _packet: AckedPacket) {
        self.change(20_000);
    }

    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {
        self.change(50_000);
    }

    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {
        self.change(500_000);
    }

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {
        self.change(500_000);
    }

    fn on_mtu_update(&mut self, _now: Timestamp, _max_datagram_size: Bytes) {}

    fn decision(&self) -> Decision {
        self.decision
    }
}

fn learned(max_segment: Bytes) -> Learned<Policy<Vec<i16>>, UncheckedEnvelope> {
    let (header, parameters) = policy::decode(MODEL).unwrap();
    let policy = Policy::new(header, parameters.iter().collect()).unwrap();
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    Learned::new(policy, envelope, max_segment).unwrap()
}

const MODEL: &[u8] = include_bytes!("../../../../models/demo/model.tlm");
