//! CUBIC (RFC 9438) with HyStart++ (RFC 9406), in `f64`, for simulations only.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, HyStart,
    RetryTiming, SentPacket, SlowStart, Timeout, initial_window, pacing_rate,
};
use tautline_core::fixed::Q16;
use tautline_core::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

/// CUBIC's state; windows are in segments of one maximum datagram, as in RFC 9438.
#[derive(Clone, Debug)]
pub struct Cubic {
    max_datagram_size: Bytes,
    window: f64,
    ssthresh: f64,
    /// RFC 9438 §4.1.2: W_max.
    w_max: f64,
    /// K, in seconds.
    k: f64,
    /// W_est of the Reno-friendly region (§4.3).
    w_est: f64,
    /// cwnd_prior: the window before the last reduction.
    prior: f64,
    /// Start of the current congestion avoidance; set by its first acknowledgement.
    epoch_ns: Option<u64>,
    recovery_start: Option<Timestamp>,
    hystart: HyStart,
    smoothed_rtt_ns: u64,
    acked_bytes: u64,
    /// The round-trip time of the largest packet of the acknowledgement under way.
    sample_ns: u64,
    largest_acked: PacketNumber,
    next_number: PacketNumber,
    last_ack_end_ns: u64,
    window_used: bool,
}

impl Cubic {
    /// A controller at the start of a connection.
    pub fn new(max_datagram_size: Bytes) -> Self {
        let segments =
            initial_window(max_datagram_size).as_u64() as f64 / max_datagram_size.as_u64() as f64;
        Self {
            max_datagram_size,
            window: segments,
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            k: 0.0,
            w_est: 0.0,
            prior: 0.0,
            epoch_ns: None,
            recovery_start: None,
            hystart: HyStart::new(),
            smoothed_rtt_ns: 0,
            acked_bytes: 0,
            sample_ns: 0,
            largest_acked: PacketNumber::default(),
            next_number: PacketNumber::default(),
            last_ack_end_ns: 0,
            window_used: false,
        }
    }

    /// The congestion window.
    pub fn window(&self) -> Bytes {
        let bytes = self.window * self.max_datagram_size.as_u64() as f64;
        Bytes::new((bytes + 0.5) as u64).max(self.minimum_window())
    }

    /// True below the slow start threshold.
    pub fn in_slow_start(&self) -> bool {
        self.window < self.ssthresh
    }

    const fn minimum_window(&self) -> Bytes {
        self.max_datagram_size
            .saturating_mul(2)
            .saturating_add(Bytes::new(1))
    }

    fn in_recovery(&self, time_sent: Timestamp) -> bool {
        self.recovery_start.is_some_and(|start| time_sent <= start)
    }

    /// RFC 9438 §4.6 and §4.7: once per recovery period.
    fn reduce(&mut self, now: Timestamp, time_sent: Timestamp) {
        if self.in_recovery(time_sent) {
            return;
        }
        self.recovery_start = Some(now);
        self.hystart.stop();
        self.prior = self.window;
        // Fast convergence: a flow below its last maximum leaves room for newcomers.
        self.w_max = if self.window < self.w_max {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        self.ssthresh = (self.window * BETA).max(MINIMUM_SEGMENTS);
        self.window = self.ssthresh;
        self.epoch_ns = None;
    }

    /// RFC 9002 §5.1, RFC 9406 §4.2: one sample per acknowledgement, of its largest packet.
    fn sample_rtt(&mut self) {
        let sample_ns = core::mem::take(&mut self.sample_ns);
        if sample_ns == 0 {
            return;
        }
        self.smoothed_rtt_ns = if self.smoothed_rtt_ns == 0 {
            sample_ns
        } else {
            (7 * self.smoothed_rtt_ns + sample_ns) / 8
        };
        if self.in_slow_start() {
            self.hystart.on_sample(Duration::from_nanos(sample_ns));
        }
    }

    fn grow(&mut self, now_ns: u64, acked_segments: f64) {
        if self.in_slow_start() {
            self.window += acked_segments / self.hystart.growth_divisor() as f64;
            return;
        }
        let epoch_ns = *self.epoch_ns.get_or_insert_with(|| {
            // RFC 9438 §4.2: K from the window at the start of congestion avoidance; §4.8, §4.10:
            // zero where slow start ended without a loss or followed a timeout.
            self.w_max = self.w_max.max(self.window);
            self.k = libm::cbrt((self.w_max - self.window) / C);
            self.w_est = self.window;
            now_ns
        });
        let time_s = (now_ns - epoch_ns) as f64 / 1e9;
        let rtt_s = self.smoothed_rtt_ns as f64 / 1e9;
        // §4.3: Reno's slope with CUBIC's decrease, Reno's own once past the old window.
        let alpha = if self.w_est >= self.prior { 1.0 } else { ALPHA };
        self.w_est += alpha * acked_segments / self.window;
        if self.w_cubic(time_s) < self.w_est {
            self.window = self.window.max(self.w_est);
            return;
        }
        // §4.4, §4.5.
        let target = self
            .w_cubic(time_s + rtt_s)
            .clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window * acked_segments;
    }

    /// RFC 9438 §4.2, figure 1.
    fn w_cubic(&self, time_s: f64) -> f64 {
        let distance = time_s - self.k;
        C * distance * distance * distance + self.w_max
    }
}

impl Controller for Cubic {
    fn on_packet_sent(&mut self, _now: Timestamp, packet: SentPacket) {
        self.next_number = packet.number.next();
        let with_slack = packet.bytes_in_flight.saturating_add(self.minimum_window());
        self.window_used |= with_slack >= self.window();
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        if let Some(sample) = packet.round_trip_time(now) {
            self.sample_ns = duration_nanos(sample).max(1);
        }
        self.largest_acked = packet.number;
        if !self.in_recovery(packet.time_sent) {
            self.acked_bytes += packet.bytes.as_u64();
        }
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.sample_rtt();
        let acked = core::mem::take(&mut self.acked_bytes);
        let now_ns = now.as_nanos();
        let idle_ns = now_ns - core::mem::replace(&mut self.last_ack_end_ns, now_ns);
        if self.in_slow_start() {
            let verdict = self
                .hystart
                .on_ack_end(self.largest_acked, self.next_number);
            if verdict == SlowStart::Finished {
                self.ssthresh = self.window;
            }
        }
        let before = batch.bytes_in_flight.saturating_add(Bytes::new(acked));
        if !self.window_used && before.saturating_add(self.minimum_window()) < self.window() {
            // §5.8: time without use of the window does not count.
            if let Some(epoch_ns) = &mut self.epoch_ns {
                *epoch_ns = epoch_ns.saturating_add(idle_ns).min(now_ns);
            }
            return;
        }
        if acked > 0 {
            self.grow(
                now_ns,
                acked as f64 / self.max_datagram_size.as_u64() as f64,
            );
        }
        self.window_used = false;
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        match event.trigger {
            CongestionTrigger::Loss { .. } | CongestionTrigger::EcnCe => {
                self.reduce(now, event.time_sent);
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: the minimum window, and slow start from there. RFC 9438 §4.8:
                // the congestion avoidance after it begins at its own plateau, K being zero.
                self.window = MINIMUM_SEGMENTS;
                self.w_max = 0.0;
                self.recovery_start = None;
                self.epoch_ns = None;
            }
        }
    }

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {
        // RFC 9002 §6.2: a probe timeout is no sign of loss, so the window stays.
    }

    fn on_mtu_update(&mut self, _now: Timestamp, max_datagram_size: Bytes) {
        let ratio =
            self.max_datagram_size.as_u64() as f64 / max_datagram_size.as_u64().max(1) as f64;
        self.max_datagram_size = max_datagram_size;
        for segments in [
            &mut self.window,
            &mut self.ssthresh,
            &mut self.w_max,
            &mut self.w_est,
            &mut self.prior,
        ] {
            *segments *= ratio;
        }
    }

    fn decision(&self) -> Decision {
        let congestion_window = self.window();
        let smoothed_rtt = Duration::from_nanos(self.smoothed_rtt_ns);
        Decision {
            congestion_window,
            pacing_rate: pacing_rate(congestion_window, smoothed_rtt, PACING_GAIN),
            send_quantum: self.max_datagram_size.saturating_mul(10),
            buffer_cap: congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// RFC 9438 §4.6: multiplicative decrease.
const BETA: f64 = 0.7;
/// RFC 9438 §5.1, in segments per second cubed.
const C: f64 = 0.4;
/// RFC 9438 §4.3: 3 (1 − β) / (1 + β).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
const MINIMUM_SEGMENTS: f64 = 2.0;
/// RFC 9002 §7.7 suggests 1.25.
const PACING_GAIN: Q16 = Q16::from_units(5 << 14);

#[cfg(test)]
mod tests;
