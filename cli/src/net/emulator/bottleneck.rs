//! The bottleneck: a queue in bytes in front of a rate.

use std::collections::VecDeque;
use std::time::Duration;

use super::IP_UDP_HEADER;
use super::record::{Fate, Packet};
use super::schedule::RateSchedule;

/// A drop-tail queue, computed rather than waited for: the departure of a packet is known when it
/// arrives, so late threads cannot distort the rate.
#[derive(Debug)]
pub(super) struct Bottleneck {
    schedule: RateSchedule,
    buffer_bytes: u64,
    queued_bytes: u64,
    /// Departure and size of what is queued or in transmission.
    queue: VecDeque<(Duration, u64)>,
    free_at: Duration,
    packets: Vec<Packet>,
}

impl Bottleneck {
    pub(super) const fn new(schedule: RateSchedule, buffer_bytes: u64) -> Self {
        Self {
            schedule,
            buffer_bytes,
            queued_bytes: 0,
            queue: VecDeque::new(),
            free_at: Duration::ZERO,
            packets: Vec::new(),
        }
    }

    /// A datagram of `payload_bytes` arrives; when its last bit leaves, or none if the queue is
    /// full.
    pub(super) fn admit(&mut self, arrival: Duration, payload_bytes: u64) -> Option<Duration> {
        let bytes = payload_bytes + IP_UDP_HEADER;
        while let Some(&(_, gone)) = self.queue.front().filter(|&&(at, _)| at <= arrival) {
            self.queued_bytes -= gone;
            self.queue.pop_front();
        }
        if self.queued_bytes + bytes > self.buffer_bytes {
            self.packets.push(Packet {
                arrival,
                bytes,
                fate: Fate::Dropped,
            });
            return None;
        }
        let start = arrival.max(self.free_at);
        let departure = self.schedule.finish(start, bytes);
        self.free_at = departure;
        self.queued_bytes += bytes;
        self.queue.push_back((departure, bytes));
        self.packets.push(Packet {
            arrival,
            bytes,
            fate: Fate::Delivered {
                queueing: start.saturating_sub(arrival),
                departure,
            },
        });
        Some(departure)
    }

    /// Everything that arrived, in order.
    pub(super) fn into_packets(self) -> Vec<Packet> {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn a_burst_queues_up_and_the_rest_is_dropped() {
        // 12 Mbit/s: 1500 bytes per millisecond; the buffer holds three packets.
        let schedule = RateSchedule::constant(12_000_000).unwrap();
        let mut bottleneck = Bottleneck::new(schedule, 4_500);
        let departures: Vec<_> = (0..4).map(|_| bottleneck.admit(micros(0), 1472)).collect();
        let expected = [
            Some(micros(1000)),
            Some(micros(2000)),
            Some(micros(3000)),
            None,
        ];
        assert_eq!(departures, expected);
        assert_eq!(bottleneck.admit(micros(1000), 1472), Some(micros(4000)));
        let packets = bottleneck.into_packets();
        assert_eq!(
            packets[4].fate,
            Fate::Delivered {
                queueing: micros(2000),
                departure: micros(4000)
            }
        );
    }

    #[test]
    fn an_idle_link_sends_at_once() {
        let schedule = RateSchedule::constant(12_000_000).unwrap();
        let mut bottleneck = Bottleneck::new(schedule, 4_500);
        assert_eq!(bottleneck.admit(micros(70), 722), Some(micros(570)));
        assert_eq!(bottleneck.admit(micros(9000), 722), Some(micros(9500)));
    }
}
