//! Delivery rate samples (draft-ietf-ccwg-bbr §4.1).

use core::time::Duration;

use tautline_core::controller::{AckedPacket, RoundTrip, SentPacket};
use tautline_core::units::{Bandwidth, Bytes};

/// What one acknowledgement says of the path ("RS" in the draft).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateSample {
    /// Whether a packet that is still remembered was acknowledged.
    pub(super) has_data: bool,
    /// RS.rtt, of the newest packet.
    pub(super) rtt_ns: u64,
    /// RS.newly_acked, in bytes.
    pub(super) newly_acked: u64,
    /// RS.delivered: bytes delivered over the interval.
    pub(super) delivered: u64,
    /// RS.prior_delivered: bytes that were delivered when the newest packet left.
    pub(super) prior_delivered: u64,
    /// RS.delivery_rate in bytes per second; zero where the interval has no length.
    pub(super) delivery_rate: u64,
    /// What else is known of the newest packet.
    pub(super) load: Load,
    send_elapsed_ns: u64,
    ack_elapsed_ns: u64,
    number: u64,
}

/// What a settled packet says about the load under which it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Bytes in flight just after it left.
    pub(super) tx_in_flight: u64,
    /// Bytes lost since it left.
    pub(super) lost: u64,
    /// Whether a rate measured with it is limited by the application.
    pub(super) is_app_limited: bool,
}

/// A packet that was declared lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LostPacket {
    /// Its bytes.
    pub(super) bytes: u64,
    /// Whether its predecessor by number was not lost.
    pub(super) opens_range: bool,
    /// The load under which it left; its own loss counts.
    pub(super) load: Load,
}

/// Per-packet state (draft §4.1.2.1.2).
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    number: u64,
    delivered: u64,
    delivered_ns: u64,
    first_send_ns: u64,
    tx_in_flight: u64,
    lost: u64,
    /// Bytes neither acknowledged nor lost; zero marks a free slot.
    outstanding: u32,
    is_app_limited: bool,
}

/// Per-connection state (draft §4.1.2.1.1), with the packets in flight in a ring by number.
///
/// A burst that is reported under one number has one entry, whose bytes are settled part by part.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    ring: Vec<Sent>,
    /// No smaller number is outstanding.
    oldest: u64,
    /// One more than the largest number sent.
    next: u64,
    delivered: u64,
    delivered_ns: u64,
    first_send_ns: u64,
    lost: u64,
    last_lost: Option<u64>,
    /// C.app_limited: the samples stay limited until more than this is delivered; zero if not.
    app_limited: u64,
    pending: RateSample,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            ring: vec![Sent::default(); FIRST_CAPACITY],
            oldest: 0,
            next: 0,
            delivered: 0,
            delivered_ns: 0,
            first_send_ns: 0,
            lost: 0,
            last_lost: None,
            app_limited: 0,
            pending: RateSample::default(),
        }
    }

    /// C.delivered, in bytes.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether samples are limited by the application at present.
    pub(super) const fn is_app_limited(&self) -> bool {
        self.app_limited != 0
    }

    /// MarkConnectionAppLimited (§4.1.2.4).
    pub(super) const fn mark_app_limited(&mut self, in_flight: u64) {
        let until = self.delivered.saturating_add(in_flight);
        self.app_limited = if until == 0 { 1 } else { until };
    }

    /// True before the first packet of an acknowledgement.
    pub(super) const fn is_between_acks(&self) -> bool {
        self.pending.newly_acked == 0
    }

    /// OnPacketSent (§4.1.2.2).
    pub(super) fn send(&mut self, now_ns: u64, packet: &SentPacket) {
        let (bytes, in_flight) = (packet.bytes.as_u64(), packet.bytes_in_flight.as_u64());
        if in_flight <= bytes {
            self.first_send_ns = now_ns;
            self.delivered_ns = now_ns;
        }
        let number = packet.number.as_u64();
        if number < self.next || bytes == 0 {
            // Not the order of one packet number space: it counts when delivered, unsampled.
            return;
        }
        self.make_room(number);
        let sent = Sent {
            number,
            delivered: self.delivered,
            delivered_ns: self.delivered_ns,
            first_send_ns: self.first_send_ns,
            tx_in_flight: in_flight,
            lost: self.lost,
            outstanding: u32::try_from(bytes).unwrap_or(u32::MAX),
            is_app_limited: self.is_app_limited(),
        };
        *self.slot(number) = sent;
        self.next = number.saturating_add(1);
    }

    /// UpdateRateSample (§4.1.2.3), for one packet of an acknowledgement.
    pub(super) fn acknowledge(&mut self, now_ns: u64, packet: &AckedPacket) {
        let bytes = packet.bytes.as_u64();
        let sent_ns = packet.time_sent.as_nanos();
        let number = packet.number.as_u64();
        self.delivered += bytes;
        self.delivered_ns = now_ns;
        self.pending.newly_acked += bytes;
        let sent = self.slot(number);
        if sent.number != number || sent.outstanding == 0 {
            return;
        }
        sent.outstanding = sent.outstanding.saturating_sub(bytes as u32);
        let sent = *sent;
        self.advance();
        if packet.round_trip == RoundTrip::Ambiguous {
            return;
        }
        let newest = sent_ns > self.first_send_ns
            || (sent_ns == self.first_send_ns && number > self.pending.number);
        if self.pending.has_data && !newest {
            return;
        }
        self.first_send_ns = sent_ns;
        self.pending = RateSample {
            has_data: true,
            rtt_ns: now_ns.saturating_sub(sent_ns),
            newly_acked: self.pending.newly_acked,
            delivered: 0,
            prior_delivered: sent.delivered,
            delivery_rate: 0,
            load: self.load(&sent),
            send_elapsed_ns: sent_ns.saturating_sub(sent.first_send_ns),
            ack_elapsed_ns: now_ns.saturating_sub(sent.delivered_ns),
            number,
        };
    }

    /// GenerateRateSample (§4.1.2.3), at the end of an acknowledgement.
    ///
    /// The draft drops intervals below the shortest round-trip time, which ambiguous
    /// acknowledgements of retransmissions cause; packet numbers leave no such ambiguity, and an
    /// interval is at least the packet's own round-trip time.
    pub(super) fn finish(&mut self) -> RateSample {
        let mut sample = core::mem::take(&mut self.pending);
        self.pending.number = sample.number;
        if self.app_limited != 0 && self.delivered > self.app_limited {
            self.app_limited = 0;
        }
        if !sample.has_data {
            return sample;
        }
        let interval_ns = sample.send_elapsed_ns.max(sample.ack_elapsed_ns);
        sample.delivered = self.delivered - sample.prior_delivered;
        if interval_ns != 0 {
            let interval = Duration::from_nanos(interval_ns);
            let rate = Bandwidth::from_transfer(Bytes::new(sample.delivered), interval);
            sample.delivery_rate = rate.as_bytes_per_sec();
        }
        sample
    }

    /// The next packet, in number order, of a detection of losses up to `number` that has `budget`
    /// bytes left to explain.
    ///
    /// RFC 9002 §6.1 declares packets lost in number order, so everything outstanding before the
    /// largest lost one is lost, and of that one (a burst, perhaps) what the budget covers. `None`
    /// when all of it was named.
    pub(super) fn next_lost(&mut self, number: u64, budget: u64) -> Option<LostPacket> {
        self.advance();
        let at = self.oldest;
        if at > number || at >= self.next || (at == number && budget == 0) {
            return None;
        }
        let sent = self.slot(at);
        let bytes = u64::from(sent.outstanding).min(budget);
        if at == number {
            sent.outstanding -= bytes as u32;
        } else {
            sent.outstanding = 0;
        }
        let sent = *sent;
        self.lost += bytes;
        let opens_range = self.last_lost.is_none_or(|last| last + 1 != at);
        self.last_lost = Some(at);
        Some(LostPacket {
            bytes,
            opens_range,
            load: self.load(&sent),
        })
    }

    /// Counts bytes as lost that belong to no remembered packet, or congestion marks in their
    /// stead.
    pub(super) const fn count_lost(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// The load under which packet `number` left, if it is remembered, outstanding or not.
    pub(super) fn load_of(&mut self, number: u64) -> Option<Load> {
        let sent = *self.slot(number);
        let known = sent.number == number && sent.tx_in_flight > 0;
        known.then(|| self.load(&sent))
    }

    const fn load(&self, sent: &Sent) -> Load {
        Load {
            tx_in_flight: sent.tx_in_flight,
            lost: self.lost - sent.lost,
            is_app_limited: sent.is_app_limited,
        }
    }

    fn slot(&mut self, number: u64) -> &mut Sent {
        let mask = self.ring.len() - 1;
        &mut self.ring[number as usize & mask]
    }

    /// Moves past everything that is settled.
    fn advance(&mut self) {
        while self.oldest < self.next {
            let oldest = self.oldest;
            let sent = self.slot(oldest);
            if sent.number == oldest && sent.outstanding > 0 {
                return;
            }
            self.oldest += 1;
        }
    }

    /// Frees what was outstanding while many flights were delivered: its stack gave it up without
    /// a word, as with a discarded packet number space.
    fn forget_abandoned(&mut self) {
        loop {
            self.advance();
            if self.oldest == self.next {
                return;
            }
            let (oldest, delivered) = (self.oldest, self.delivered);
            let sent = self.slot(oldest);
            let patience = sent.tx_in_flight.saturating_mul(ABANDONED_FLIGHTS);
            if delivered - sent.delivered <= patience {
                return;
            }
            sent.outstanding = 0;
        }
    }

    /// Makes the slot of `number` free: by growing, or at the limit by forgetting the oldest.
    #[inline]
    fn make_room(&mut self, number: u64) {
        if number - self.oldest < self.ring.len() as u64 {
            return;
        }
        self.grow(number);
    }

    /// Doubles as far as needed, after forgetting packets that can no longer be acknowledged.
    #[cold]
    fn grow(&mut self, number: u64) {
        self.forget_abandoned();
        if self.oldest == self.next {
            self.oldest = number;
        }
        self.oldest = self.oldest.max(number.saturating_sub(MAX_CAPACITY - 1));
        let span = number - self.oldest + 1;
        if span <= self.ring.len() as u64 {
            return;
        }
        let capacity = span.next_power_of_two() as usize;
        let old = core::mem::replace(&mut self.ring, vec![Sent::default(); capacity]);
        for sent in old.into_iter().filter(|sent| sent.outstanding > 0) {
            if sent.number >= self.oldest {
                *self.slot(sent.number) = sent;
            }
        }
    }
}

/// Power of two; doubles as needed.
const FIRST_CAPACITY: usize = 64;
/// Packets that are remembered at most: 1.5 GB in flight at 1500 bytes.
const MAX_CAPACITY: u64 = 1 << 20;
/// A flight may double every round trip, and a loss takes a few of those to be noticed.
const ABANDONED_FLIGHTS: u64 = 64;

#[cfg(test)]
mod tests;
