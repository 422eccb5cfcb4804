//! NewReno as QUIC defines it (RFC 9002 §7), in integers: the guard's fallback.

use core::time::Duration;

use super::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RetryTiming,
    SentPacket, Timeout, initial_window, pacing_rate,
};
use crate::fixed::Q16;
use crate::observe::SmoothedRtt;
use crate::units::{Bytes, Timestamp};

/// RFC 9002 §7 and appendix B, with pacing at 5/4 of a window per smoothed round-trip time.
///
/// The window does not grow while the application leaves it unused (RFC 9002 §7.8): usage is
/// judged from bytes in flight, because stacks report "app limited" unreliably.
#[derive(Clone, Debug)]
pub struct NewReno {
    max_datagram_size: Bytes,
    congestion_window: Bytes,
    ssthresh: Bytes,
    recovery_start: Option<Timestamp>,
    smoothed_rtt: SmoothedRtt,
    sample: Option<Duration>,
    acked_since_growth: Bytes,
    acked_in_batch: Bytes,
    window_used: bool,
}

impl NewReno {
    /// A controller at the start of a connection.
    pub const fn new(max_datagram_size: Bytes) -> Self {
        Self {
            max_datagram_size,
            congestion_window: initial_window(max_datagram_size),
            ssthresh: Bytes::MAX,
            recovery_start: None,
            smoothed_rtt: SmoothedRtt::new(),
            sample: None,
            acked_since_growth: Bytes::ZERO,
            acked_in_batch: Bytes::ZERO,
            window_used: false,
        }
    }

    /// Takes over from another controller: congestion avoidance from `window` on.
    pub fn resume(&mut self, window: Bytes, smoothed_rtt: SmoothedRtt) {
        self.congestion_window = window.max(self.minimum_window());
        self.ssthresh = self.congestion_window;
        self.smoothed_rtt = smoothed_rtt;
        self.recovery_start = None;
        self.acked_since_growth = Bytes::ZERO;
    }

    /// The current congestion window.
    pub const fn window(&self) -> Bytes {
        self.congestion_window
    }

    /// True while the window is below the slow start threshold.
    pub fn in_slow_start(&self) -> bool {
        self.congestion_window < self.ssthresh
    }

    /// RFC 9002 §7.2: the minimum is two datagrams; one byte more, because a stack that compares
    /// `in_flight + datagram >= window` would stop there.
    const fn minimum_window(&self) -> Bytes {
        self.max_datagram_size
            .saturating_mul(2)
            .saturating_add(Bytes::new(1))
    }

    fn in_recovery(&self, time_sent: Timestamp) -> bool {
        self.recovery_start.is_some_and(|start| time_sent <= start)
    }

    /// RFC 9002 §7.3.2: halve once per recovery period.
    fn reduce(&mut self, now: Timestamp, time_sent: Timestamp) {
        if self.in_recovery(time_sent) {
            return;
        }
        self.recovery_start = Some(now);
        self.ssthresh = self.congestion_window.scale(1, 2);
        self.congestion_window = self.ssthresh.max(self.minimum_window());
        self.acked_since_growth = Bytes::ZERO;
    }

    fn grow(&mut self, acked: Bytes) {
        if self.in_slow_start() {
            self.congestion_window = self.congestion_window.saturating_add(acked);
            return;
        }
        // RFC 9002 §7.3.3: at most one datagram per congestion window acknowledged.
        self.acked_since_growth = self.acked_since_growth.saturating_add(acked);
        if self.acked_since_growth >= self.congestion_window {
            self.acked_since_growth = self
                .acked_since_growth
                .saturating_sub(self.congestion_window);
            self.congestion_window = self
                .congestion_window
                .saturating_add(self.max_datagram_size);
        }
    }
}

impl Controller for NewReno {
    fn on_packet_sent(&mut self, _now: Timestamp, packet: SentPacket) {
        let with_slack = packet.bytes_in_flight.saturating_add(self.minimum_window());
        self.window_used |= with_slack >= self.congestion_window;
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        if let Some(sample) = packet.round_trip_time(now) {
            self.sample = Some(sample);
        }
        if !self.in_recovery(packet.time_sent) {
            self.acked_in_batch = self.acked_in_batch.saturating_add(packet.bytes);
        }
    }

    fn on_ack_end(&mut self, _now: Timestamp, batch: AckBatch) {
        // RFC 9002 §5.1: only the largest packet of an acknowledgement gives a sample.
        if let Some(sample) = self.sample.take() {
            self.smoothed_rtt.update(sample);
        }
        let acked = core::mem::take(&mut self.acked_in_batch);
        let before = batch.bytes_in_flight.saturating_add(acked);
        if self.window_used
            || before.saturating_add(self.minimum_window()) >= self.congestion_window
        {
            self.grow(acked);
            self.window_used = false;
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        match event.trigger {
            CongestionTrigger::Loss { .. } | CongestionTrigger::EcnCe => {
                self.reduce(now, event.time_sent);
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: the minimum window, and slow start from there.
                self.congestion_window = self.minimum_window();
                self.recovery_start = None;
                self.acked_since_growth = Bytes::ZERO;
            }
        }
    }

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {
        // RFC 9002 §6.2: a probe timeout is no sign of loss, so the window stays.
    }

    fn on_mtu_update(&mut self, _now: Timestamp, max_datagram_size: Bytes) {
        self.max_datagram_size = max_datagram_size;
        self.congestion_window = self.congestion_window.max(self.minimum_window());
    }

    fn decision(&self) -> Decision {
        Decision {
            congestion_window: self.congestion_window,
            pacing_rate: pacing_rate(self.congestion_window, self.smoothed_rtt.get(), PACING_GAIN),
            send_quantum: self.max_datagram_size.saturating_mul(10),
            buffer_cap: self.congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// RFC 9002 §7.7 suggests 1.25.
const PACING_GAIN: Q16 = Q16::from_units(5 << 14);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::RoundTrip;
    use crate::units::PacketNumber;

    const MTU: Bytes = Bytes::new(1200);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn ack(reno: &mut NewReno, now: u64, sent: u64, bytes: u64) {
        reno.on_packet_acked(
            at(now),
            AckedPacket {
                number: PacketNumber::new(now),
                bytes: Bytes::new(bytes),
                time_sent: at(sent),
                round_trip: RoundTrip::Measured,
            },
        );
        let in_flight = reno.window().saturating_sub(Bytes::new(bytes));
        reno.on_ack_end(
            at(now),
            AckBatch {
                bytes_in_flight: in_flight,
                ecn_ce_count: 0,
            },
        );
    }

    fn lose(reno: &mut NewReno, now: u64, sent: u64, trigger: CongestionTrigger) {
        reno.on_congestion_event(
            at(now),
            CongestionEvent {
                trigger,
                number: PacketNumber::new(1),
                time_sent: at(sent),
                bytes_in_flight: Bytes::ZERO,
            },
        );
    }

    #[test]
    fn slow_start_grows_by_what_is_acknowledged() {
        let mut reno = NewReno::new(MTU);
        assert_eq!(reno.window(), Bytes::new(12_000));
        ack(&mut reno, 40, 0, 1200);
        assert_eq!(reno.window(), Bytes::new(13_200));
    }

    #[test]
    fn loss_halves_the_window_once_per_recovery_period() {
        let mut reno = NewReno::new(MTU);
        let loss = CongestionTrigger::Loss {
            packets: 1,
            bytes: MTU,
        };
        lose(&mut reno, 40, 10, loss);
        assert_eq!(reno.window(), Bytes::new(6000));
        lose(&mut reno, 41, 39, loss);
        assert_eq!(
            reno.window(),
            Bytes::new(6000),
            "sent before recovery began"
        );
        lose(&mut reno, 90, 60, loss);
        assert_eq!(reno.window(), Bytes::new(3000));
    }

    #[test]
    fn congestion_avoidance_adds_one_datagram_per_window() {
        let mut reno = NewReno::new(MTU);
        let mut smoothed = SmoothedRtt::new();
        smoothed.update(Duration::from_millis(40));
        reno.resume(Bytes::new(12_000), smoothed);
        for step in 0..10 {
            ack(&mut reno, 50 + step, 10 + step, 1200);
        }
        assert_eq!(reno.window(), Bytes::new(13_200));
    }

    #[test]
    fn an_idle_application_does_not_grow_the_window() {
        let mut reno = NewReno::new(MTU);
        reno.on_packet_acked(
            at(40),
            AckedPacket {
                number: PacketNumber::new(0),
                bytes: MTU,
                time_sent: at(0),
                round_trip: RoundTrip::Measured,
            },
        );
        reno.on_ack_end(
            at(40),
            AckBatch {
                bytes_in_flight: Bytes::ZERO,
                ecn_ce_count: 0,
            },
        );
        assert_eq!(reno.window(), Bytes::new(12_000));
    }

    #[test]
    fn persistent_congestion_falls_to_the_minimum_window() {
        let mut reno = NewReno::new(MTU);
        lose(&mut reno, 900, 10, CongestionTrigger::Persistent);
        assert_eq!(reno.window(), Bytes::new(2401));
    }
}
