//! What a controller remembers between rounds, and the feature vector made of it.
//!
//! The memory is deliberately small: two steps, one average, decayed loss counts and a counter.
//! A loop with so little state can be verified as a whole.

use core::time::Duration;

use super::Observation;
use crate::features::{FEATURE_COUNT, LOG_SCALE_SHIFT, OWN_QUEUE_FLOOR, TABLE_1, index};
use crate::fixed::Q16;
use crate::log2::log2;
use crate::units::{Bytes, duration_nanos};

/// State between rounds beside the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    standing_queue_ewma: Q16,
    lost_decayed: PacketCount,
    total_decayed: PacketCount,
    last_step: Q16,
    previous_step: Q16,
    rounds_since_empty: u32,
}

/// Packets in units of 2⁻⁸.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PacketCount(u64);

/// What the features are made of, beside the memory.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The round.
    pub observation: &'a Observation,
    /// m.
    pub min_rtt: Duration,
    /// log₂(window / datagram), in units of 2⁻¹⁶.
    pub log_window: Q16,
    /// The congestion window.
    pub window: Bytes,
}

impl Memory {
    /// Folds the round's loss; must precede [`Memory::features`].
    pub fn count_loss(&mut self, observation: &Observation) {
        let lost = observation.lost_packets;
        let total = lost.saturating_add(observation.acked_packets);
        // Tiny windows forget as if they had carried a few packets more, within 32 rounds.
        let keep = LOSS_MEMORY_PACKETS.saturating_sub(total.max(LOSS_PACKETS_PER_ROUND_MIN));
        self.lost_decayed = self.lost_decayed.decay(keep).add(lost);
        self.total_decayed = self.total_decayed.decay(keep).add(total);
    }

    /// The feature vector of table 1 (units of 2⁻¹⁶), every value clamped to its range.
    pub fn features(&self, view: &View<'_>) -> [i32; FEATURE_COUNT] {
        let observation = view.observation;
        let base = duration_nanos(view.min_rtt);
        let standing = excess(observation.min_rtt, base);
        let judged = observation
            .lost_packets
            .saturating_add(observation.acked_packets);
        let mut values = [0; FEATURE_COUNT];
        let mut set = |index: usize, value: Q16| {
            if let (Some(place), Some(feature)) =
                (values.get_mut(index), TABLE_1.features.get(index))
            {
                *place = value.clamp(feature.low, feature.high).units();
            }
        };
        set(index::QUEUEING, excess(observation.mean_rtt, base));
        set(index::STANDING_QUEUE, standing);
        set(index::QUEUEING_EWMA, self.standing_queue_ewma);
        set(
            index::LOSS,
            Q16::from_ratio(observation.lost_packets, judged),
        );
        set(index::SLOW_LOSS, self.slow_loss());
        set(
            index::CE,
            Q16::from_ratio(observation.ce_packets, observation.acked_packets),
        );
        let window = view.window.as_u64();
        set(
            index::ACKED_RATIO,
            Q16::from_ratio(observation.acked_bytes.as_u64(), window),
        );
        set(
            index::LOG_WINDOW,
            view.log_window.shift_right(LOG_SCALE_SHIFT),
        );
        set(
            index::OWN_QUEUE,
            own_queue(view.log_window, observation.min_rtt, base),
        );
        set(index::LAST_STEP, self.last_step);
        set(index::PREVIOUS_STEP, self.previous_step);
        let empty = u64::from(self.rounds_since_empty);
        set(index::COMPETITOR, Q16::from_ratio(empty, COMPETITOR_ROUNDS));
        values
    }

    /// Updates the averages after the features were read, and notes the applied step.
    pub fn end_round(&mut self, features: &[i32; FEATURE_COUNT], applied: Q16, gain: Q16) {
        let at = |index: usize| Q16::from_units(features.get(index).copied().unwrap_or(0));
        let standing = at(index::STANDING_QUEUE);
        let change = standing
            .saturating_sub(self.standing_queue_ewma)
            .shift_right(2);
        self.standing_queue_ewma = self.standing_queue_ewma.saturating_add(change);
        self.rounds_since_empty = if standing <= OWN_QUEUE_FLOOR {
            0
        } else {
            self.rounds_since_empty.saturating_add(1)
        };
        self.previous_step = self.last_step;
        self.last_step = ratio(applied, gain).clamp(Q16::NEG_ONE, Q16::ONE);
    }

    /// Forgets steps and averages, which a change of the window by other hands made meaningless;
    /// what the path lost it still has lost.
    pub fn restart(&mut self) {
        let Self {
            lost_decayed,
            total_decayed,
            ..
        } = *self;
        *self = Self {
            lost_decayed,
            total_decayed,
            ..Self::default()
        };
    }

    /// Lost fraction over about 256 packets.
    pub fn slow_loss(&self) -> Q16 {
        let total = self.total_decayed.0.max(LOSS_DENOMINATOR_MIN << COUNT_BITS);
        Q16::from_ratio(self.lost_decayed.0, total)
    }
}

impl PacketCount {
    fn decay(self, keep: u64) -> Self {
        Self(crate::units::mul_div(self.0, keep, LOSS_MEMORY_PACKETS))
    }

    fn add(self, packets: u64) -> Self {
        Self(
            self.0
                .saturating_add(packets.saturating_mul(1 << COUNT_BITS)),
        )
    }
}

/// `rtt / base − 1`, rounded down; zero where `rtt` is below the base.
fn excess(rtt: Duration, base_nanos: u64) -> Q16 {
    Q16::from_ratio(duration_nanos(rtt).saturating_sub(base_nanos), base_nanos)
}

/// (w + log₂ max(x_s/(1+x_s), floor)) / 16, where x_s/(1+x_s) = (rtt − m)/rtt.
fn own_queue(log_window: Q16, round_min: Duration, base_nanos: u64) -> Q16 {
    let rtt = duration_nanos(round_min);
    let share = Q16::from_ratio(rtt.saturating_sub(base_nanos), rtt)
        .clamp(OWN_QUEUE_FLOOR, OWN_QUEUE_CEILING);
    let units = u64::try_from(share.units()).unwrap_or(1);
    let logarithm = log2(units).saturating_sub(Q16::from_units(16 << 16));
    log_window
        .saturating_add(logarithm)
        .shift_right(LOG_SCALE_SHIFT)
}

/// `value / by`, rounded towards zero; zero for a zero divisor.
fn ratio(value: Q16, by: Q16) -> Q16 {
    let scaled = i64::from(value.units()).saturating_mul(i64::from(Q16::ONE.units()));
    Q16::saturate(scaled.checked_div(i64::from(by.units())).unwrap_or(0))
}

/// x_s/(1+x_s) at x_s = 2.
const OWN_QUEUE_CEILING: Q16 = Q16::from_units(43_690);
const LOSS_MEMORY_PACKETS: u64 = 256;
const LOSS_DENOMINATOR_MIN: u64 = 64;
const LOSS_PACKETS_PER_ROUND_MIN: u64 = 8;
const COUNT_BITS: u32 = 8;
const COMPETITOR_ROUNDS: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(observation: &Observation, log_window: i32) -> View<'_> {
        View {
            observation,
            min_rtt: Duration::from_millis(40),
            log_window: Q16::from_units(log_window),
            window: Bytes::new(100_000),
        }
    }

    #[test]
    fn features_of_a_known_round_are_the_values_by_hand() {
        let observation = Observation {
            mean_rtt: Duration::from_millis(60),
            min_rtt: Duration::from_millis(50),
            acked_packets: 90,
            acked_bytes: Bytes::new(50_000),
            lost_packets: 10,
            ce_packets: 9,
            max_bytes_in_flight: Bytes::ZERO,
        };
        let mut memory = Memory::default();
        memory.count_loss(&observation);
        let features = memory.features(&view(&observation, 6 << 16));
        assert_eq!(features[index::QUEUEING], 32_768);
        assert_eq!(features[index::STANDING_QUEUE], 16_384);
        assert_eq!(features[index::LOSS], 6553);
        assert_eq!(features[index::SLOW_LOSS], 6553);
        assert_eq!(features[index::CE], 6553);
        assert_eq!(features[index::ACKED_RATIO], 32_768);
        assert_eq!(features[index::LOG_WINDOW], 6 << 12);
        // log2(0.2) = −2.3219.
        assert!((features[index::OWN_QUEUE] - ((6 << 16) - 152_170) / 16).abs() <= 1);
        memory.end_round(&features, Q16::from_units(8192), Q16::from_units(16_384));
        let features = memory.features(&view(&observation, 6 << 16));
        assert_eq!(features[index::QUEUEING_EWMA], 4096);
        assert_eq!(features[index::LAST_STEP], 32_768);
        assert_eq!(features[index::COMPETITOR], 2048);
    }

    #[test]
    fn a_few_losses_on_a_young_connection_stay_small() {
        let mut memory = Memory::default();
        let round = Observation {
            lost_packets: 1,
            acked_packets: 3,
            ..Observation::default()
        };
        memory.count_loss(&round);
        assert_eq!(memory.slow_loss(), Q16::from_ratio(1, 64));
    }

    proptest! {
        #[test]
        fn every_vector_lies_in_the_table_and_satisfies_its_links(
            min_extra in 0u64..200_000_000,
            mean_extra in 0u64..200_000_000,
            log_window in (2i32 << 16)..=(18 << 16),
            acked in 0u64..10_000,
            lost in 0u64..10_000,
            ce in 0u64..10_000,
            applied in -16_384i32..=16_384,
            rounds in 1usize..40,
        ) {
            let observation = Observation {
                min_rtt: Duration::from_nanos(40_000_000 + min_extra),
                mean_rtt: Duration::from_nanos(40_000_000 + min_extra + mean_extra),
                acked_packets: acked,
                acked_bytes: Bytes::new(acked * 1200),
                lost_packets: lost,
                ce_packets: ce,
                max_bytes_in_flight: Bytes::ZERO,
            };
            let mut memory = Memory::default();
            for _ in 0..rounds {
                memory.count_loss(&observation);
                let features = memory.features(&view(&observation, log_window));
                prop_assert!(TABLE_1.contains(&features), "{features:?}");
                memory.end_round(&features, Q16::from_units(applied), Q16::from_units(16_384));
            }
        }
    }
}
