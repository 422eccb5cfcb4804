//! What happened on a path.

use std::time::Duration;

use super::schedule::RateSchedule;

/// One packet that reached the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) arrival: Duration,
    pub(super) bytes: u64,
    pub(super) fate: Fate,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The queue was full.
    Dropped,
    /// It left.
    Delivered {
        /// Time before its transmission began.
        queueing: Duration,
        /// When its last bit left the bottleneck.
        departure: Duration,
    },
}

/// The log of one emulated path; times count from its start, bytes include IP and UDP headers.
#[derive(Clone, Debug)]
pub(crate) struct PathRecord {
    schedule: RateSchedule,
    elapsed: Duration,
    pub(super) packets: Vec<Packet>,
    /// How late the emulator itself sent each datagram, sorted.
    pub(super) lateness: Vec<Duration>,
}

/// A stretch of the timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bin {
    /// Its start.
    pub(crate) start: Duration,
    /// Figures of the stretch.
    pub(crate) summary: Summary,
}

/// Figures of a stretch of time at the bottleneck.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Mean rate available, bit/s.
    pub(crate) capacity_bits_per_sec: f64,
    /// Mean rate of departures, bit/s, headers included.
    pub(crate) throughput_bits_per_sec: f64,
    /// Throughput over capacity.
    pub(crate) utilisation: f64,
    /// Packets delivered.
    pub(crate) delivered_packets: u64,
    /// Their bytes.
    pub(crate) delivered_bytes: u64,
    /// Packets dropped at the queue.
    pub(crate) dropped_packets: u64,
    /// Dropped over arrived packets.
    pub(crate) loss: f64,
    /// Mean time in the queue of packets that arrived in the stretch and were delivered.
    pub(crate) mean_queueing: Duration,
    /// Its 95th percentile.
    pub(crate) p95_queueing: Duration,
    /// Its 99th percentile.
    pub(crate) p99_queueing: Duration,
}

impl PathRecord {
    pub(super) const fn new(schedule: RateSchedule, elapsed: Duration) -> Self {
        Self {
            schedule,
            elapsed,
            packets: Vec::new(),
            lateness: Vec::new(),
        }
    }

    /// How long the path was open.
    #[cfg(test)]
    pub(crate) const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Figures of what arrived (or, for throughput, left) in `from..to`.
    pub(crate) fn summary(&self, from: Duration, to: Duration) -> Summary {
        let window = from..to;
        let mut figures = Summary::default();
        let mut delays = Vec::new();
        let mut departed_bits = 0.0;
        for packet in &self.packets {
            let arrived_inside = window.contains(&packet.arrival);
            match packet.fate {
                Fate::Dropped => figures.dropped_packets += u64::from(arrived_inside),
                Fate::Delivered {
                    queueing,
                    departure,
                } => {
                    if window.contains(&departure) {
                        departed_bits += packet.bytes as f64 * 8.0;
                        figures.delivered_bytes += packet.bytes;
                        figures.delivered_packets += 1;
                    }
                    if arrived_inside {
                        delays.push(queueing);
                    }
                }
            }
        }
        let seconds = to.saturating_sub(from).as_secs_f64();
        let capacity_bits = self.schedule.capacity_bits(from, to);
        figures.capacity_bits_per_sec = ratio(capacity_bits, seconds);
        figures.throughput_bits_per_sec = ratio(departed_bits, seconds);
        figures.utilisation = ratio(departed_bits, capacity_bits);
        let arrived = delays.len() as u64 + figures.dropped_packets;
        figures.loss = ratio(figures.dropped_packets as f64, arrived as f64);
        delays.sort_unstable();
        figures.mean_queueing = mean(&delays);
        figures.p95_queueing = percentile(&delays, 95);
        figures.p99_queueing = percentile(&delays, 99);
        figures
    }

    /// The timeline in stretches of `width`; the last may reach past the end.
    pub(crate) fn bins(&self, width: Duration) -> Vec<Bin> {
        let count = self.elapsed.as_nanos().div_ceil(width.as_nanos().max(1));
        (0..count as u32)
            .map(|index| {
                let start = width * index;
                Bin {
                    start,
                    summary: self.summary(start, start + width),
                }
            })
            .collect()
    }

    /// The emulator's own fault: how late it sent, as the `percent`th percentile over all
    /// datagrams of both directions.
    pub(crate) fn lateness_percentile(&self, percent: u8) -> Duration {
        percentile(&self.lateness, percent)
    }
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 {
        numerator / denominator
    } else {
        0.0
    }
}

fn mean(delays: &[Duration]) -> Duration {
    let total: Duration = delays.iter().sum();
    total / u32::try_from(delays.len()).unwrap_or(u32::MAX).max(1)
}

/// Nearest rank of sorted values; zero of none.
fn percentile(sorted: &[Duration], percent: u8) -> Duration {
    let rank = (sorted.len() * usize::from(percent)).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn figures_follow_from_the_packets_of_the_window() {
        let schedule = RateSchedule::constant(1_000_000).unwrap();
        let mut record = PathRecord::new(schedule, ms(200));
        for i in 0..10 {
            record.packets.push(Packet {
                arrival: ms(i * 10),
                bytes: 625,
                fate: Fate::Delivered {
                    queueing: ms(i),
                    departure: ms(i * 10 + i + 5),
                },
            });
        }
        record.packets.push(Packet {
            arrival: ms(150),
            bytes: 625,
            fate: Fate::Dropped,
        });
        let first = record.summary(ms(0), ms(100));
        // The tenth packet leaves at 104 ms.
        assert_eq!(first.delivered_packets, 9);
        assert!((first.utilisation - 0.45).abs() < 1e-9, "{first:?}");
        assert_eq!(first.mean_queueing, Duration::from_micros(4500));
        assert_eq!(first.p95_queueing, ms(9));
        assert_eq!(first.loss, 0.0);
        let second = record.bins(ms(100))[1];
        assert_eq!(second.start, ms(100));
        assert_eq!(second.summary.loss, 1.0);
        assert_eq!(record.bins(ms(100)).len(), 2);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<_> = (1..=100).map(ms).collect();
        assert_eq!(percentile(&values, 99), ms(99));
        assert_eq!(percentile(&values[..1], 99), ms(1));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
