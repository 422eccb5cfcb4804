//! The events of a connection, as the guarded controller takes them.

use core::time::Duration;

use super::state::Phase;
use super::{Learned, Proposer};
use crate::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Counters, Decision,
    SentPacket, SlowStart, Timeout,
};
use crate::features::{LOG_WINDOW_MAX, LOG_WINDOW_MIN};
use crate::fixed::Q16;
use crate::guard::{Envelope, Watching as _};
use crate::log2::log2_ratio;
use crate::units::{Bytes, Timestamp};

impl<P: Proposer, E: Envelope> Controller for Learned<P, E> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.rounds.on_packet_sent(packet);
        match &mut self.phase {
            Phase::Startup(start) => start.on_packet_sent(packet.number),
            Phase::Fallback { reno, .. } => reno.on_packet_sent(now, packet),
            Phase::Policy | Phase::Drain(_) => {}
        }
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.rounds.on_packet_acked(now, packet);
        let sample = packet.round_trip_time(now);
        if sample.is_some() {
            self.sample = sample;
        }
        if let Some(watch) = self.watch.get_mut() {
            watch.on_packet_acked(packet.number, packet.bytes, sample);
        }
        self.acked_in_batch = self.acked_in_batch.saturating_add(packet.bytes);
        match &mut self.phase {
            Phase::Startup(start) => {
                let base = self.min_rtt.get().or(sample).unwrap_or(Duration::MAX);
                start.on_packet_acked(packet.number, sample, base);
            }
            Phase::Fallback { reno, .. } => reno.on_packet_acked(now, packet),
            Phase::Policy | Phase::Drain(_) => {}
        }
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let acked = core::mem::take(&mut self.acked_in_batch);
        if let Some(sample) = self.sample.take() {
            self.smoothed_rtt.update(sample);
            self.min_rtt.update(sample);
        }
        let round = self.rounds.on_ack_end(batch.ecn_ce_count);
        let per_batch = match &mut self.phase {
            Phase::Startup(start) => {
                let in_flight = batch.bytes_in_flight.saturating_add(acked);
                let size = self.max_datagram_size;
                if start.on_ack_end(acked, in_flight, size) == SlowStart::Finished {
                    let window = start.window;
                    self.enter_policy(window);
                }
                true
            }
            Phase::Fallback { reno, .. } => {
                reno.on_ack_end(now, batch);
                true
            }
            Phase::Policy | Phase::Drain(_) => false,
        };
        if let Some(round) = &round {
            self.round_rtt = round.mean_rtt;
            self.on_round(now, round);
        }
        if per_batch || round.is_some() {
            self.refresh();
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        if let CongestionTrigger::Loss { packets, .. } = event.trigger {
            self.rounds.on_lost(packets);
        }
        match event.trigger {
            CongestionTrigger::Loss { .. } | CongestionTrigger::EcnCe => {
                self.leave_startup_on_congestion();
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: at once, whatever the policy thinks of it.
                let count = self.counters.persistent_congestion;
                self.counters.persistent_congestion = count.saturating_add(1);
                self.intervene();
                if !matches!(self.phase, Phase::Fallback { .. }) {
                    self.enter_fallback();
                    // The loss that established it was left to the policy; the slow start to come
                    // ends at half the window (RFC 9002 §7.3.2).
                    let bytes = Bytes::ZERO;
                    let trigger = CongestionTrigger::Loss { packets: 0, bytes };
                    if let Phase::Fallback { reno, .. } = &mut self.phase {
                        reno.on_congestion_event(now, CongestionEvent { trigger, ..event });
                    }
                }
            }
        }
        if let Phase::Fallback { reno, .. } = &mut self.phase {
            reno.on_congestion_event(now, event);
        }
        self.refresh();
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        match &mut self.phase {
            // RFC 9002 §6.2: one probe timeout is no sign of loss. RFC 8085 §3.1: without any
            // feedback the rate must fall, so each further one halves the window.
            Phase::Policy | Phase::Drain(_) if timeout.count >= 2 => {
                if let Phase::Drain(drain) = self.phase {
                    self.log_window = drain.restore;
                    self.rounds_since_drain = 0;
                }
                let halved = self.log_window.saturating_sub(Q16::ONE).max(LOG_WINDOW_MIN);
                self.intervene();
                self.log_window = halved;
                self.memory.restart();
                self.watch_anew();
                self.begin_policy();
            }
            Phase::Startup(_) if timeout.count >= 2 => {
                self.intervene();
                self.leave_startup_on_congestion();
            }
            Phase::Fallback { reno, .. } => reno.on_timeout(now, timeout),
            _ => {}
        }
        self.refresh();
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        // The window in bytes stays; w and the memory are expressed anew.
        let change = log2_ratio(self.max_datagram_size.as_u64(), max_datagram_size.as_u64());
        self.log_window = self
            .log_window
            .saturating_add(change)
            .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
        self.memory.restart();
        self.watch_anew();
        self.max_datagram_size = max_datagram_size;
        match &mut self.phase {
            Phase::Fallback { reno, .. } => reno.on_mtu_update(now, max_datagram_size),
            Phase::Drain(drain) => {
                drain.restore = drain
                    .restore
                    .saturating_add(change)
                    .clamp(LOG_WINDOW_MIN, LOG_WINDOW_MAX);
            }
            Phase::Startup(_) | Phase::Policy => {}
        }
        if matches!(self.phase, Phase::Policy) {
            self.begin_policy();
        }
        self.refresh();
    }

    fn decision(&self) -> Decision {
        self.decision
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}
