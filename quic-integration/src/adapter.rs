//! quinn's notifications as our events, our decision as quinn's window.

use std::any::Any;
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller as QuinnController, ControllerMetrics};
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Counters, Decision,
    RoundTrip, SentPacket, Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use crate::clock::Clock;
use crate::probe_timeout::ProbeTimeout;
use crate::sent_ring::{Departure, MAX_BURSTS, SentRing};

/// Drives a [`Controller`] inside quinn.
///
/// What quinn tells is not quite what controllers want; the differences are settled here once:
///
/// * **Window.** quinn stops when `in_flight + datagram >= window`, RFC 9002 §7 when the sum
///   exceeds the window. One byte on top of the decision makes a window of k datagrams let k
///   datagrams out, and two datagrams and a byte are the least (quinn stalls at one).
/// * **Pacing.** quinn's own bucket, refilled at 5/4 of a window per smoothed round-trip time, is
///   not configurable; the window is the only lever. The decision's rate appears in the metrics.
/// * **Numbers.** An acknowledged or lost packet is named by its departure; see [`SentRing`].
/// * **Round-trip times** are `now − sent`. The estimator that quinn passes is updated only after
///   the packets of an acknowledgement, so its first value is the initial 333 ms.
/// * **Marks.** quinn reports that an acknowledgement raised the CE count, after it ended and
///   without the amount. Every packet that it newly acknowledged is taken for marked, which never
///   understates congestion, and counts towards the *next* [`AckBatch`].
/// * **Timeouts** are inferred at the next event; see [`ProbeTimeout`].
/// * **Bytes in flight** are quinn's at every acknowledgement, plus what left since. Packets
///   smaller than [`SMALL_BURST`] are taken for bare acknowledgements, which do not count.
#[derive(Clone, Debug)]
pub struct Adapter<C> {
    controller: C,
    clock: Clock,
    max_datagram_size: Bytes,
    least_window: Bytes,
    initial_window: u64,
    /// quinn's instant of the last event, and the same as a timestamp: most events share it.
    last_instant: Instant,
    last_event: Timestamp,
    sent: SentRing,
    timeout: ProbeTimeout,
    bytes_in_flight: Bytes,
    /// When the newest acknowledged packet left; [`Timestamp::ZERO`] before the first.
    newest_acked: Timestamp,
    /// The same within the acknowledgement in progress, if it moved.
    newest_in_batch: Option<Timestamp>,
    /// Remembered departures at which old ones are looked for next.
    tidy_at_bursts: usize,
    /// Packets of the acknowledgement in progress, and of the last one that ended.
    acked_in_batch: u64,
    acked_in_last_batch: u64,
    pending_marks: u64,
    tally: Tally,
}

/// Bursts below this many bytes may hold only an acknowledgement, which is never in flight.
///
/// quinn reports at most 64 ranges: a header of up to 25 bytes, a tag of 16, 37 bytes of fixed
/// fields and ECN counts, 64 ranges of mostly two, at most four bytes (gaps and lengths below
/// 16 384 packets) stay below 350. An endpoint that only receives is never acknowledged, so nothing
/// would ever take such bytes out of flight again: silence would look like a probe timeout.
///
/// In return, data in bursts as small as this is missed until the next acknowledgement brings
/// quinn's own bytes in flight, and the timeout of a lone small packet is not inferred.
pub const SMALL_BURST: u64 = 400;

/// Remembered departures below which old ones are not looked for.
const TIDY_FROM_BURSTS: usize = 256;

/// What an [`Adapter`] has reported to its controller so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bursts handed to the network.
    pub bursts_sent: u64,
    /// Packets acknowledged.
    pub packets_acked: u64,
    /// Detections of loss.
    pub losses: u64,
    /// Bytes of UDP payload declared lost.
    pub lost_bytes: u64,
    /// Acknowledgements that reported new ECN-CE marks.
    pub marks: u64,
    /// Detections of persistent congestion.
    pub persistent: u64,
    /// Probe timeouts inferred.
    pub timeouts: u64,
}

impl<C: Controller> Adapter<C> {
    /// Drives `controller` on a path that starts at `now` and carries datagrams of
    /// `max_datagram_size` bytes of UDP payload.
    pub fn new(controller: C, now: Instant, max_datagram_size: Bytes) -> Self {
        let mut adapter = Self {
            controller,
            clock: Clock::starting_at(now),
            max_datagram_size,
            least_window: least_window(max_datagram_size),
            initial_window: 0,
            last_instant: now,
            last_event: Clock::ORIGIN,
            sent: SentRing::default(),
            timeout: ProbeTimeout::default(),
            bytes_in_flight: Bytes::ZERO,
            newest_acked: Timestamp::ZERO,
            newest_in_batch: None,
            tidy_at_bursts: TIDY_FROM_BURSTS,
            acked_in_batch: 0,
            acked_in_last_batch: 0,
            pending_marks: 0,
            tally: Tally::default(),
        };
        adapter.initial_window = adapter.effective_window();
        adapter
    }

    /// The driven controller.
    pub const fn controller(&self) -> &C {
        &self.controller
    }

    /// Its current decision.
    pub fn decision(&self) -> Decision {
        self.controller.decision()
    }

    /// Its counters.
    pub fn counters(&self) -> Counters {
        self.controller.counters()
    }

    /// What was reported to it.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The window that quinn compares with, bytes: the decision's, at least two datagrams and a
    /// byte, and one byte more; at most `u32::MAX`, beyond which quinn stops pacing.
    fn effective_window(&self) -> u64 {
        self.controller
            .decision()
            .congestion_window
            .max(self.least_window)
            .saturating_add(Bytes::new(1))
            .as_u64()
            .min(u32::MAX.into())
    }

    /// Time of an event; never before the previous one, whatever the platform's clock does.
    fn event_time(&mut self, now: Instant) -> Timestamp {
        if now != self.last_instant {
            self.last_instant = now;
            self.last_event = self.last_event.max(self.clock.timestamp(now));
        }
        self.last_event
    }

    /// When and as which number the packet left that quinn names by its instant.
    fn departure_of(&mut self, sent: Instant) -> Departure {
        if let Some(departure) = self.sent.departure_near_last(sent) {
            return departure;
        }
        self.search_departure(sent)
    }

    #[cold]
    fn search_departure(&mut self, sent: Instant) -> Departure {
        let at = self.clock.timestamp(sent);
        Departure {
            at,
            number: self.sent.number_of(at),
        }
    }

    /// Forgets old departures; rests until as many again have been added or the ring is full,
    /// which would otherwise merge neighbours for good.
    #[cold]
    fn tidy(&mut self) {
        self.sent
            .forget_before(self.newest_acked, self.timeout.attribution_horizon());
        let twice = self.sent.len().saturating_mul(2);
        self.tidy_at_bursts = twice.clamp(TIDY_FROM_BURSTS, MAX_BURSTS);
    }

    fn infer_timeout(&mut self, at: Timestamp) {
        if self.bytes_in_flight == Bytes::ZERO {
            return;
        }
        if let Some(count) = self.timeout.expired_by(at) {
            self.tally.timeouts += 1;
            let timeout = Timeout {
                count,
                bytes_in_flight: self.bytes_in_flight,
            };
            self.controller.on_timeout(at, timeout);
        }
    }

    fn congestion(&mut self, now: Instant, sent: Instant, trigger: CongestionTrigger) {
        let at = self.event_time(now);
        let departure = self.departure_of(sent);
        let event = CongestionEvent {
            trigger,
            number: departure.number,
            time_sent: departure.at,
            bytes_in_flight: self.bytes_in_flight,
        };
        self.controller.on_congestion_event(at, event);
    }

    /// quinn counts bytes; a burst of losses is at least that many full datagrams.
    fn packets_in(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.max_datagram_size.as_u64().max(1))
    }
}

/// Two datagrams and a byte.
const fn least_window(max_datagram_size: Bytes) -> Bytes {
    max_datagram_size
        .saturating_mul(2)
        .saturating_add(Bytes::new(1))
}

impl<C: Controller + Clone + Send + Sync + 'static> QuinnController for Adapter<C> {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        let at = self.event_time(now);
        if self.sent.len() >= self.tidy_at_bursts {
            self.tidy();
        }
        let number = self.sent.push(now, at, last_packet_number);
        if bytes >= SMALL_BURST {
            self.infer_timeout(at);
            self.timeout.on_sent(at);
            self.bytes_in_flight = self.bytes_in_flight.saturating_add(Bytes::new(bytes));
        }
        self.tally.bursts_sent += 1;
        let packet = SentPacket {
            number,
            bytes: Bytes::new(bytes),
            bytes_in_flight: self.bytes_in_flight,
        };
        self.controller.on_packet_sent(at, packet);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        _app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        let at = self.event_time(now);
        let departure = self.departure_of(sent);
        self.infer_timeout(at);
        if departure.at >= self.newest_acked {
            self.newest_acked = departure.at;
            self.newest_in_batch = Some(departure.at);
        }
        self.timeout.on_ack(at);
        self.tally.packets_acked += 1;
        self.acked_in_batch += 1;
        let packet = AckedPacket {
            number: departure.number,
            bytes: Bytes::new(bytes),
            time_sent: departure.at,
            round_trip: RoundTrip::Measured,
        };
        self.controller.on_packet_acked(at, packet);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        _app_limited: bool,
        _largest_packet_num_acked: Option<u64>,
    ) {
        let at = self.event_time(now);
        // RFC 9002 §5.1: only the newest packet of an acknowledgement gives a sample.
        if let Some(time_sent) = self.newest_in_batch.take() {
            self.timeout.on_sample(time_sent, at);
        }
        self.bytes_in_flight = Bytes::new(in_flight);
        self.acked_in_last_batch = std::mem::take(&mut self.acked_in_batch);
        let batch = AckBatch {
            bytes_in_flight: self.bytes_in_flight,
            ecn_ce_count: std::mem::take(&mut self.pending_marks),
        };
        self.controller.on_ack_end(at, batch);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        if lost_bytes == 0 {
            self.tally.marks += 1;
            // The event follows the end of the acknowledgement that raised the count.
            let marked = self.acked_in_last_batch.max(1);
            self.pending_marks = self.pending_marks.saturating_add(marked);
            self.congestion(now, sent, CongestionTrigger::EcnCe);
            return;
        }
        self.tally.losses += 1;
        self.tally.lost_bytes = self.tally.lost_bytes.saturating_add(lost_bytes);
        self.bytes_in_flight = self.bytes_in_flight.saturating_sub(Bytes::new(lost_bytes));
        let loss = CongestionTrigger::Loss {
            packets: self.packets_in(lost_bytes),
            bytes: Bytes::new(lost_bytes),
        };
        self.congestion(now, sent, loss);
        if is_persistent_congestion {
            self.tally.persistent += 1;
            self.congestion(now, sent, CongestionTrigger::Persistent);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.max_datagram_size = Bytes::new(new_mtu.into());
        self.least_window = least_window(self.max_datagram_size);
        // quinn gives no time; the update belongs to the acknowledgement or loss in progress.
        self.controller
            .on_mtu_update(self.last_event, self.max_datagram_size);
    }

    fn window(&self) -> u64 {
        self.effective_window()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.effective_window();
        let rate = self.controller.decision().pacing_rate;
        metrics.pacing_rate = (rate != Bandwidth::MAX).then(|| rate.as_bits_per_sec());
        metrics
    }

    fn clone_box(&self) -> Box<dyn QuinnController> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
