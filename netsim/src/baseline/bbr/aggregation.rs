//! How much is acknowledged in lumps (draft-ietf-ccwg-bbr §5.5.9).

use super::filter::WindowedMax;
use super::{Bbr, NANOS_PER_SEC};

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
        let mut expected = expected_bytes(self.bw, interval_ns);
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

fn expected_bytes(bytes_per_sec: u64, interval_ns: u64) -> u64 {
    let wide = u128::from(bytes_per_sec) * u128::from(interval_ns) / u128::from(NANOS_PER_SEC);
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// §2.9: BBR.ExtraAckedFilterLen.
const EXTRA_ACKED_ROUNDS: u64 = 10;
