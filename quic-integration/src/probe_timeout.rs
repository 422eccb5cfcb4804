//! quinn does not tell a controller that its probe timeout expired; the silence before the next
//! event does.

use std::time::Duration;

use tautline_core::units::Timestamp;

/// Infers expired probe timeouts (RFC 9002 §6.2) from gaps between events.
///
/// quinn's own timer subtracts the peer's reported acknowledgement delays from its samples; here
/// they are unknown, so round-trip times come out longer. To notice quinn's expiries all the same,
/// only half of the peer's allowance (25 ms unless negotiated otherwise) is waited for.
///
/// Everything is asked once per packet, so times are kept in plain nanoseconds.
#[derive(Clone, Debug)]
pub struct ProbeTimeout {
    rtt: Option<Estimate>,
    /// The latest departure or acknowledgement; [`Timestamp::MAX`] before the first.
    last_event: Timestamp,
    expired: u32,
    /// The timeout in force, computed when what it is made of changes.
    timeout_nanos: Option<u64>,
}

/// All in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: u64,
    variation: u64,
    latest: u64,
}

impl Default for ProbeTimeout {
    fn default() -> Self {
        Self {
            rtt: None,
            last_event: Timestamp::MAX,
            expired: 0,
            timeout_nanos: None,
        }
    }
}

impl ProbeTimeout {
    /// Takes the round-trip time of a packet that left at `sent` and was acknowledged at `acked`,
    /// acknowledgement delay included (RFC 9002 §5.3).
    pub fn on_sample(&mut self, sent: Timestamp, acked: Timestamp) {
        let latest = acked.as_nanos().saturating_sub(sent.as_nanos());
        let latest = latest.min(LONGEST_SAMPLE);
        self.rtt = Some(match self.rtt {
            None => Estimate {
                smoothed: latest,
                variation: latest / 2,
                latest,
            },
            Some(old) => {
                let deviation = old.smoothed.abs_diff(latest);
                Estimate {
                    smoothed: (old.smoothed * 7 + latest) / 8,
                    variation: (old.variation * 3 + deviation) / 4,
                    latest,
                }
            }
        });
        self.timeout_nanos = None;
    }

    /// Packets that count towards bytes in flight left at `now`.
    pub const fn on_sent(&mut self, now: Timestamp) {
        self.last_event = now;
    }

    /// New packets were acknowledged at `now`: the backoff starts over.
    pub const fn on_ack(&mut self, now: Timestamp) {
        self.last_event = now;
        if self.expired > 0 {
            self.expired = 0;
            self.timeout_nanos = None;
        }
    }

    /// Consecutive expiries, this one included, if `now` comes later than the timeout after the
    /// last event; asked before `now` is itself reported.
    #[inline]
    pub fn expired_by(&mut self, now: Timestamp) -> Option<u32> {
        let silence = now.as_nanos().saturating_sub(self.last_event.as_nanos());
        if silence <= SHORTEST_TIMEOUT {
            return None;
        }
        self.expired_after(silence, now)
    }

    #[cold]
    fn expired_after(&mut self, silence: u64, now: Timestamp) -> Option<u32> {
        let timeout = match self.timeout_nanos {
            Some(timeout) => timeout,
            None => *self.timeout_nanos.insert(self.computed_timeout_nanos()),
        };
        if silence <= timeout {
            return None;
        }
        self.expired = self.expired.saturating_add(1);
        self.timeout_nanos = None;
        self.last_event = now;
        Some(self.expired)
    }

    /// How long after its departure a packet may still be acknowledged or declared lost: four
    /// round-trip times, the latest or the smoothed, whichever is longer.
    pub fn attribution_horizon(&self) -> Duration {
        let longest = self
            .rtt
            .map_or(INITIAL_RTT, |rtt| rtt.smoothed.max(rtt.latest));
        Duration::from_nanos(longest * 4)
    }

    /// Smoothed round-trip time; none before the first sample.
    pub fn smoothed_rtt(&self) -> Option<Duration> {
        self.rtt.map(|rtt| Duration::from_nanos(rtt.smoothed))
    }

    fn computed_timeout_nanos(&self) -> u64 {
        let (smoothed, variation) = self.rtt.map_or((INITIAL_RTT, INITIAL_RTT / 2), |rtt| {
            (rtt.smoothed, rtt.variation)
        });
        let base = smoothed + (variation * 4).max(GRANULARITY) + MAX_ACK_DELAY / 2;
        base.saturating_mul(1 << self.expired.min(MAX_BACKOFF))
    }
}

/// RFC 9002 §6.2.2: before the first sample; 333 ms.
const INITIAL_RTT: u64 = 333_000_000;
/// RFC 9002 §6.1.2: kGranularity; 1 ms.
const GRANULARITY: u64 = 1_000_000;
/// RFC 9000 §18.2: the default of `max_ack_delay`; 25 ms.
const MAX_ACK_DELAY: u64 = 25_000_000;
/// No computed timeout is shorter.
const SHORTEST_TIMEOUT: u64 = GRANULARITY + MAX_ACK_DELAY / 2;
/// quinn doubles its timeout at most this often.
const MAX_BACKOFF: u32 = 16;
/// An hour: no path has it, and sums of such times stay far from overflow.
const LONGEST_SAMPLE: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expiry_doubles_the_wait_and_an_acknowledgement_ends_it() {
        let ms = |n: u64| Timestamp::from_nanos(n * 1_000_000);
        let mut timer = ProbeTimeout::default();
        for _ in 0..100 {
            timer.on_sample(ms(0), ms(40));
        }
        timer.on_ack(ms(0));
        // 40 ms smoothed, 1 ms granularity, 12.5 ms: 53.5 ms, then 107 ms.
        assert_eq!(timer.expired_by(ms(53)), None);
        assert_eq!(timer.expired_by(ms(54)), Some(1));
        assert_eq!(timer.expired_by(ms(160)), None);
        assert_eq!(timer.expired_by(ms(162)), Some(2));
        timer.on_ack(ms(170));
        assert_eq!(timer.expired_by(ms(220)), None);
        assert_eq!(timer.expired_by(ms(224)), Some(1));
    }

    #[test]
    fn nothing_expires_before_the_first_packet() {
        let mut timer = ProbeTimeout::default();
        assert_eq!(
            timer.expired_by(Timestamp::from_nanos(60_000_000_000)),
            None
        );
    }
}
