//! The tests themselves, each implied by the model; the module above derives them.

use core::time::Duration;

use super::packets::Packets;
use super::{Pending, SETTLED_ROUNDS, SLACK_NANOS, Scale, Watch, WatchedRound};
use crate::log2::exp2_scaled;
use crate::units::{Bandwidth, Bytes, Timestamp, duration_nanos, mul_div};

impl Watch {
    pub(super) fn rises(packets: &Packets, scale: Scale, round: &WatchedRound<'_>) -> bool {
        let datagram = round.datagram.as_u64();
        let datagrams = packets.largest.as_u64().div_ceil(datagram.max(1));
        let explained = scale
            .datagram
            .saturating_mul(datagrams)
            .saturating_add(scale.jitter);
        packets.rise > explained.saturating_add(SLACK_NANOS)
    }

    /// What this round shows, for the next one to confirm.
    pub(super) fn pending(&self, scale: Scale, round: &WatchedRound<'_>) -> Pending {
        if !self.steady() {
            return Pending::NOTHING;
        }
        Pending {
            spread: self.spreads(scale, round),
            rate: self.explanation(scale, round),
        }
    }

    fn spreads(&self, scale: Scale, round: &WatchedRound<'_>) -> bool {
        let [before, earlier] = self.windows;
        let least = before.min(earlier);
        let rise = before.saturating_sub(least).as_u64();
        let min = duration_nanos(round.observation.min_rtt);
        let reach = min
            .saturating_add(scale.jitter.saturating_mul(2))
            .saturating_add(scale.datagram.saturating_mul(4));
        let explained = mul_div(reach, rise, least.as_u64())
            .saturating_add(scale.jitter.saturating_mul(3))
            .saturating_add(scale.datagram.saturating_mul(5))
            .saturating_add(self.held_back(least, scale))
            .saturating_add(SLACK_NANOS);
        duration_nanos(round.observation.mean_rtt).saturating_sub(min) > explained
    }

    pub(super) fn undercuts(&mut self, round: &WatchedRound<'_>) -> bool {
        self.base_nanos = self.base_nanos.max(duration_nanos(round.min_rtt));
        let least = duration_nanos(round.observation.min_rtt);
        least != 0 && least.saturating_add(SLACK_NANOS) < self.least_base(self.base_nanos)
    }

    /// Whether bounds of the rate cross, and whether they leave the declared range.
    pub(super) fn rates(
        &mut self,
        packets: &Packets,
        explained: Option<u64>,
        scale: Scale,
        round: &WatchedRound<'_>,
    ) -> (bool, bool) {
        let delivered = self.delivery(packets, scale, round.now);
        let datagram = round.datagram.as_u64();
        let (low, high) = self.assumed.log_bdp;
        let mut crossed = false;
        let mut outside = false;
        if let Some(rate) = delivered {
            crossed |= rate > !self.explained.get();
            let product = Bandwidth::from_bytes_per_sec(rate);
            let product = product.bytes_in(Duration::from_nanos(scale.least));
            let most = exp2_scaled(high, datagram).saturating_add(datagram);
            outside |= product.as_u64() > most;
            self.delivered.note(rate);
        }
        if let Some(rate) = explained {
            crossed |= rate < self.delivered.get();
            let product = Bandwidth::from_bytes_per_sec(rate);
            let product = product.bytes_in(Duration::from_nanos(scale.most));
            let least = exp2_scaled(low, datagram).saturating_sub(datagram);
            outside |= product.as_u64() < least;
            self.explained.note(!rate);
        }
        (crossed, outside)
    }

    /// A lower bound of the rate, in bytes per second.
    fn delivery(&self, packets: &Packets, scale: Scale, now: Timestamp) -> Option<u64> {
        let began = self.round_began?;
        if self.lossless_rounds < SETTLED_ROUNDS {
            return None;
        }
        let time = duration_nanos(now.saturating_since(began))
            .saturating_add(scale.jitter)
            .saturating_add(SLACK_NANOS);
        let rate = Bandwidth::from_transfer(packets.acked, Duration::from_nanos(time));
        Some(rate.as_bytes_per_sec())
    }

    /// What the pacer may hold back beyond D + g, in nanoseconds: nothing while its rate of 2·W/m is
    /// that of the acknowledgements at least, so with W ≥ (1+D)/2 bandwidth-delay products, else
    /// λ·(1 − 2·λ/(1+D)) ≤ (1+D)/8.
    fn held_back(&self, window: Bytes, scale: Scale) -> u64 {
        let rate = Bandwidth::from_bytes_per_sec(!self.explained.get());
        let product = rate.bytes_in(Duration::from_nanos(scale.most));
        let longest = scale.most.saturating_add(scale.jitter);
        let needed = product.scale(longest, scale.most).scale(1, 2);
        if window >= needed {
            0
        } else {
            longest.div_ceil(8)
        }
    }

    /// An upper bound of the rate, in bytes per second.
    fn explanation(&self, scale: Scale, round: &WatchedRound<'_>) -> Option<u64> {
        let [before, earlier] = self.windows;
        if before > earlier {
            return None;
        }
        let own = scale.jitter.saturating_add(scale.datagram);
        let empty = own.saturating_mul(2).saturating_add(scale.jitter);
        let empty = empty.saturating_add(self.held_back(before, scale));
        let rtt = duration_nanos(round.observation.mean_rtt);
        if rtt <= scale.most.saturating_add(empty).saturating_add(SLACK_NANOS) {
            return None;
        }
        let time = rtt.saturating_sub(own).saturating_sub(SLACK_NANOS);
        let rate = Bandwidth::from_transfer(before, Duration::from_nanos(time));
        Some(rate.as_bytes_per_sec().saturating_add(1))
    }

    /// Loss that no full buffer explains, or a queue that no buffer holds.
    pub(super) fn drops(
        &mut self,
        packets: &Packets,
        scale: Scale,
        round: &WatchedRound<'_>,
    ) -> bool {
        let (least, most) = self.assumed.buffer;
        let recent = self.recent.iter().copied().max().unwrap_or(0);
        // Two datagrams more than the lemma asks for: queues count what is being sent or do not.
        let shallowest = least.scale(scale.least).max(self.buffered.get());
        let least_rtt = scale
            .least
            .saturating_add(shallowest)
            .saturating_sub(scale.datagram.saturating_mul(3));
        let known = self.recent.iter().all(|&rtt| rtt != 0);
        let lost = round.observation.lost_packets > 0;
        let too_early = lost && known && recent.saturating_add(SLACK_NANOS) < least_rtt;
        let empty = scale.most.saturating_add(scale.jitter);
        let queued = packets.largest_rtt.saturating_sub(empty);
        let too_deep = most.is_some_and(|most| {
            queued
                > most
                    .scale(scale.most)
                    .saturating_add(scale.datagram)
                    .saturating_add(SLACK_NANOS)
        });
        self.buffered.note(queued);
        too_early || too_deep
    }
}
