//! Acknowledgements, losses and timeouts (RFC 9002 §5, §6, §7.6).

use tautline_core::controller::{
    AckedPacket, CongestionEvent, CongestionTrigger, Controller, Event, RoundTrip, Timeout,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::Sender;
use crate::transport::persistent;
use crate::transport::sent::Fate;
use crate::transport::{Ack, NEVER, PACKET_THRESHOLD};

impl<C: Controller> Sender<C> {
    /// RFC 9002 §A.7: acknowledged packets in number order.
    #[inline]
    pub(super) fn acknowledge(&mut self, now: Timestamp, ack: &Ack) -> u64 {
        let mut newly = 0;
        for range in ack.ascending() {
            for number in range.start.max(self.sent.base())..=range.end {
                let sent = self.sent.at(number);
                if sent.fate == Fate::Settled {
                    continue;
                }
                sent.fate = Fate::Settled;
                let (bytes, time_ns) = (u64::from(sent.bytes), sent.time_ns);
                self.in_flight -= bytes;
                self.unsettled -= bytes - self.overhead;
                newly += 1;
                let packet = AckedPacket {
                    number: PacketNumber::new(number),
                    bytes: Bytes::new(bytes),
                    time_sent: Timestamp::from_nanos(time_ns),
                    round_trip: RoundTrip::Measured,
                };
                self.notify(now, Event::PacketAcked(packet));
            }
        }
        newly
    }

    /// RFC 9002 §5.1: a sample only where the largest packet is newly acknowledged; answers when
    /// that packet left, or now where it is not.
    #[inline]
    pub(super) fn sample_rtt(&mut self, now_ns: u64, ack: &Ack) -> u64 {
        if ack.largest() < self.sent.base() {
            return now_ns;
        }
        let sent = *self.sent.at(ack.largest());
        if sent.fate == Fate::Outstanding {
            let latest_ns = now_ns - sent.time_ns;
            let delay_ns = u64::from(ack.delay_ns).min(self.max_ack_delay_ns);
            self.rtt.sample(now_ns, latest_ns, delay_ns);
            self.stats.rtt_samples += 1;
            self.stats.rtt_sum_ns += latest_ns;
        }
        sent.time_ns
    }

    /// RFC 9000 §13.4.2.1: marks count only in acknowledgements of a larger packet.
    #[inline]
    pub(super) fn new_marks(&mut self, ack: &Ack) -> u64 {
        if self.largest_acked >= Some(ack.largest()) {
            return 0;
        }
        let marks = ack.ce_count.wrapping_sub(self.ce_count);
        self.ce_count = ack.ce_count;
        self.stats.marked_packets += u64::from(marks);
        u64::from(marks)
    }

    /// RFC 9002 §7.1: marks are congestion as of the time the largest acknowledged packet left.
    #[cold]
    pub(super) fn answer_marks(&mut self, now: Timestamp, largest: u64, sent_ns: u64) {
        let event = CongestionEvent {
            trigger: CongestionTrigger::EcnCe,
            number: PacketNumber::new(largest),
            time_sent: Timestamp::from_nanos(sent_ns),
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        self.notify(now, Event::Congestion(event));
    }

    /// RFC 9002 §6.1: packet threshold and time threshold.
    #[inline]
    pub(super) fn detect_losses(&mut self, now: Timestamp) {
        self.loss_time_ns = NEVER;
        let Some(largest_acked) = self.largest_acked else {
            return;
        };
        if self.sent.base() > largest_acked {
            return;
        }
        let now_ns = now.as_nanos();
        let delay_ns = self.rtt.loss_delay_ns();
        let mut lost = Lost {
            packets: 0,
            bytes: 0,
            number: 0,
            time_ns: 0,
            run_ns: 0,
        };
        for number in self.sent.base()..=largest_acked {
            let sent = self.sent.at(number);
            if sent.fate == Fate::Settled {
                continue;
            }
            let due_ns = sent.time_ns.saturating_add(delay_ns);
            if due_ns > now_ns && largest_acked < number + PACKET_THRESHOLD {
                self.loss_time_ns = due_ns;
                break;
            }
            sent.fate = Fate::Settled;
            let (bytes, time_ns) = (u64::from(sent.bytes), sent.time_ns);
            let offset = sent.offset;
            let run_ns = self.run.extend(number, time_ns, self.rtt.first_sample_ns());
            lost = Lost {
                packets: lost.packets + 1,
                bytes: lost.bytes + bytes,
                number,
                time_ns,
                run_ns: lost.run_ns.max(run_ns),
            };
            self.unsettled -= bytes - self.overhead;
            if bytes > self.overhead {
                self.resend.push_back((offset, bytes - self.overhead));
            }
            if let Some(numbers) = &mut self.lost_numbers {
                numbers.push(number);
            }
        }
        if lost.packets > 0 {
            self.answer_losses(now, &lost);
        }
    }

    #[cold]
    fn answer_losses(&mut self, now: Timestamp, lost: &Lost) {
        self.in_flight -= lost.bytes;
        self.stats.lost_packets += lost.packets;
        self.sent.advance();
        let event = CongestionEvent {
            trigger: CongestionTrigger::Loss {
                packets: lost.packets,
                bytes: Bytes::new(lost.bytes),
            },
            number: PacketNumber::new(lost.number),
            time_sent: Timestamp::from_nanos(lost.time_ns),
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        self.notify(now, Event::Congestion(event));
        // RFC 9002 §7.6.1.
        let period = self.rtt.timeout_ns().saturating_add(self.max_ack_delay_ns);
        if lost.run_ns > period.saturating_mul(persistent::THRESHOLD) {
            self.run.reset();
            self.rtt.restart_minimum();
            self.stats.persistent_congestions += 1;
            let trigger = CongestionTrigger::Persistent;
            self.notify(now, Event::Congestion(CongestionEvent { trigger, ..event }));
        }
    }

    /// RFC 9002 §6.2.4: up to two probes per expiry.
    #[cold]
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.pto_count += 1;
        self.stats.timeouts += 1;
        self.probes_due = PROBES_PER_TIMEOUT;
        let timeout = Timeout {
            count: self.pto_count,
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        self.notify(now, Event::Timeout(timeout));
    }
}

/// Packets declared lost together.
struct Lost {
    packets: u64,
    bytes: u64,
    /// The largest of them.
    number: u64,
    time_ns: u64,
    /// The longest run of consecutive losses, in time.
    run_ns: u64,
}

/// RFC 9002 §6.2.4 allows two.
const PROBES_PER_TIMEOUT: u32 = 2;
