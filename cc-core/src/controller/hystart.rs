//! HyStart++ (RFC 9406): slow start that leaves before the queue overflows.

use core::time::Duration;

use crate::observe::Observation;
use crate::units::{Bytes, duration_nanos};

/// Slow start with its exit rules; rounds come from the observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HyStart {
    window: Bytes,
    max_datagram_size: Bytes,
    last_round_min_rtt: Option<Duration>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// RFC 9406 §4.2, exponential growth.
    SlowStart,
    /// RFC 9406 §4.2, Conservative Slow Start: growth divided by four, for five rounds.
    Conservative { baseline: Duration, rounds: u32 },
}

/// What a round means for startup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Startup {
    /// Goes on.
    Continues,
    /// Over; the policy takes the window from here.
    Finished,
}

impl HyStart {
    /// Starts from the initial window.
    pub(super) const fn new(max_datagram_size: Bytes) -> Self {
        Self {
            window: super::initial_window(max_datagram_size),
            max_datagram_size,
            last_round_min_rtt: None,
            phase: Phase::SlowStart,
        }
    }

    /// The congestion window.
    pub(super) const fn window(&self) -> Bytes {
        self.window
    }

    /// Grows by what was acknowledged.
    pub(super) fn on_acked(&mut self, acked: Bytes) {
        let growth = match self.phase {
            Phase::SlowStart => acked,
            Phase::Conservative { .. } => acked.scale(1, CSS_GROWTH_DIVISOR),
        };
        self.window = self.window.saturating_add(growth);
    }

    /// Loss or marks end startup with half the window (RFC 9002 §7.3.1).
    pub(super) fn on_congestion(&mut self) {
        self.window = self.window.scale(1, 2);
    }

    /// A new datagram size.
    pub(super) const fn on_mtu_update(&mut self, max_datagram_size: Bytes) {
        self.max_datagram_size = max_datagram_size;
    }

    /// Judges a finished round by its minimum RTT over a `base` minimum.
    ///
    /// Beside RFC 9406's five conservative rounds, startup also ends when such a round shows a
    /// standing queue of half the base RTT: from there the certified policy drains.
    pub(super) fn on_round(&mut self, round: &Observation, base: Duration) -> Startup {
        if round.acked_packets < N_RTT_SAMPLE {
            return Startup::Continues;
        }
        let current = round.min_rtt;
        match &mut self.phase {
            Phase::SlowStart => {
                if let Some(last) = self.last_round_min_rtt {
                    let eighth = last.checked_div(MIN_RTT_DIVISOR).unwrap_or(last);
                    let threshold = eighth.clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                    if current >= last.saturating_add(threshold) {
                        self.phase = Phase::Conservative {
                            baseline: current,
                            rounds: 0,
                        };
                    }
                }
            }
            Phase::Conservative { baseline, .. } if current < *baseline => {
                // RFC 9406 §4.2: the rise was spurious.
                self.phase = Phase::SlowStart;
            }
            Phase::Conservative { rounds, .. } => {
                *rounds = rounds.saturating_add(1);
                let queue = duration_nanos(current).saturating_sub(duration_nanos(base));
                let standing = queue.saturating_mul(2) >= duration_nanos(base);
                if *rounds >= CSS_ROUNDS || standing {
                    return Startup::Finished;
                }
            }
        }
        self.last_round_min_rtt = Some(current);
        Startup::Continues
    }
}

// RFC 9406 §4.3.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u64 = 8;
const CSS_GROWTH_DIVISOR: u64 = 4;
const CSS_ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(40);

    fn round(min_rtt_ms: u64) -> Observation {
        Observation {
            min_rtt: Duration::from_millis(min_rtt_ms),
            acked_packets: 10,
            ..Observation::default()
        }
    }

    #[test]
    fn a_rise_of_an_eighth_enters_conservative_slow_start() {
        let mut start = HyStart::new(Bytes::new(1200));
        start.on_acked(Bytes::new(4000));
        assert_eq!(start.window(), Bytes::new(16_000));
        start.on_round(&round(40), BASE);
        start.on_round(&round(45), BASE);
        start.on_acked(Bytes::new(4000));
        assert_eq!(
            start.window(),
            Bytes::new(17_000),
            "a quarter of the growth"
        );
    }

    #[test]
    fn five_conservative_rounds_end_startup() {
        let mut start = HyStart::new(Bytes::new(1200));
        start.on_round(&round(40), BASE);
        start.on_round(&round(45), BASE);
        for _ in 0..4 {
            assert_eq!(start.on_round(&round(46), BASE), Startup::Continues);
        }
        assert_eq!(start.on_round(&round(46), BASE), Startup::Finished);
    }

    #[test]
    fn a_spurious_rise_goes_back_to_slow_start() {
        let mut start = HyStart::new(Bytes::new(1200));
        start.on_round(&round(40), BASE);
        start.on_round(&round(45), BASE);
        start.on_round(&round(41), BASE);
        start.on_acked(Bytes::new(4000));
        assert_eq!(start.window(), Bytes::new(16_000));
    }

    #[test]
    fn a_standing_queue_ends_startup_at_once() {
        let mut start = HyStart::new(Bytes::new(1200));
        start.on_round(&round(40), BASE);
        start.on_round(&round(46), BASE);
        assert_eq!(start.on_round(&round(60), BASE), Startup::Finished);
    }
}
