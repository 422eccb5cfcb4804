//! How much is acknowledged in lumps (draft-ietf-ccwg-bbr §5.5.9).

use core::time::Duration;

use tautline_core::units::Bandwidth;

use super::Bbr;
use super::filter::WindowedMax;

/// The estimate of BBR.extra_acked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aggregation {
    /// BBR.extra_acked_interval_start.
    pub(super) interval_start_ns: u64,
    /// BBR.extra_acked_delivered.
    delivered: u64,
    filter: WindowedMax,
}

impl Aggregation {
    pub(super) const fn extra_acked(&self) -> u64 {
        self.filter.value()
    }
}

impl Bbr {
    /// UpdateACKAggregation.
    pub(super) fn update_ack_aggregation(&mut self, now_ns: u64) {
        let length = if self.full_pipe.reached {
            EXTRA_ACKED_ROUNDS
        } else {
            1
        };
        let episode = &mut self.aggregation;
        let interval_ns = now_ns.saturating_sub(episode.interval_start_ns);
        let rate = Bandwidth::from_bytes_per_sec(self.bw);
        let mut expected = rate.bytes_in(Duration::from_nanos(interval_ns)).as_u64();
        if episode.delivered <= expected {
            episode.delivered = 0;
            episode.interval_start_ns = now_ns;
            expected = 0;
        }
        episode.delivered = episode.delivered.saturating_add(self.sample.newly_acked);
        let extra = (episode.delivered - expected).min(self.control.window);
        episode.filter.update(self.round.count, extra, length);
    }
}

/// §2.9: BBR.ExtraAckedFilterLen.
const EXTRA_ACKED_ROUNDS: u64 = 10;
