//! Heads to a proposal: each head's monotone integer map.

use crate::controller::RetryTiming;
use crate::fixed::Q16;
use crate::policy::{HeadKind, MAX_HEADS, ModelHeader};

/// What the policy would do; the guard decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Change of log₂ window, in [−G, G].
    pub step: Q16,
    /// Datagrams that may leave in one burst, in [2, 10].
    pub burst_datagrams: u64,
    /// What the application may hold in the transport, as a factor of the window in [1, 2].
    pub buffer_factor: Q16,
    /// Timer factors, never below RFC 9002.
    pub retry: RetryTiming,
}

impl Proposal {
    /// Maps the heads of `header`'s model; an absent head gives its neutral action: no step, a
    /// burst of ten datagrams, twice the window, RFC 9002's timers.
    pub fn from_heads(header: &ModelHeader, heads: &[i32; MAX_HEADS]) -> Self {
        let head = |kind| {
            let value = heads.get(header.head_index(kind)?).copied()?;
            Some(Q16::from_units(value).clamp(Q16::NEG_ONE, Q16::ONE))
        };
        // From [−1, 1] to [0, 1].
        let share = |kind| head(kind).map(|value| value.saturating_add(Q16::ONE).shift_right(1));
        let step = head(HeadKind::Rate).map_or(Q16::ZERO, |a| a.saturating_mul(header.step_gain));
        let burst = share(HeadKind::Pacing)
            .unwrap_or(Q16::ONE)
            .scale(BURST_SPAN);
        let buffer = share(HeadKind::Buffer).unwrap_or(Q16::ONE);
        let patience = share(HeadKind::Retry).unwrap_or(Q16::ZERO);
        Self {
            step,
            burst_datagrams: burst.saturating_add(BURST_MIN),
            buffer_factor: buffer.saturating_add(Q16::ONE),
            retry: RetryTiming::at_least_rfc9002(
                patience.saturating_add(Q16::ONE),
                patience.saturating_add(Q16::from_units(2 << 16)),
            ),
        }
    }
}

const BURST_MIN: u64 = 2;
const BURST_SPAN: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Cadence, Head, Hidden, MAX_HIDDEN_LAYERS, Skip};
    use proptest::prelude::*;

    fn header(heads: u8) -> ModelHeader {
        ModelHeader {
            feature_table: 1,
            inputs: 12,
            hidden_count: 0,
            hidden: [Hidden::default(); MAX_HIDDEN_LAYERS],
            output_shift: 12,
            skip: Skip::None,
            head_count: heads,
            heads: HeadKind::ALL.map(Head::free),
            step_gain: Q16::from_units(1 << 14),
            pacing_gain: Q16::from_units(5 << 14),
            jitter: Q16::from_units(3277),
            cadence: Cadence::EveryRound,
        }
    }

    #[test]
    fn absent_heads_are_neutral() {
        let proposal = Proposal::from_heads(&header(1), &[65_536, 65_536, 65_536, 65_536]);
        assert_eq!(proposal.step, Q16::from_units(1 << 14));
        assert_eq!(proposal.burst_datagrams, 10);
        assert_eq!(proposal.buffer_factor, Q16::from_units(2 << 16));
        assert_eq!(proposal.retry, RetryTiming::RFC9002);
    }

    proptest! {
        #[test]
        fn every_map_is_monotone_and_bounded(low in any::<i32>(), high in any::<i32>()) {
            let (low, high) = (low.min(high), low.max(high));
            let from = Proposal::from_heads(&header(4), &[low; 4]);
            let to = Proposal::from_heads(&header(4), &[high; 4]);
            prop_assert!(from.step <= to.step);
            prop_assert!(from.burst_datagrams <= to.burst_datagrams);
            prop_assert!(from.buffer_factor <= to.buffer_factor);
            prop_assert!(from.retry.timeout_factor() <= to.retry.timeout_factor());
            prop_assert!(from.retry.timeout_factor() >= Q16::ONE);
            prop_assert!(from.retry.backoff_factor() >= Q16::from_units(2 << 16));
            prop_assert!((2..=10).contains(&from.burst_datagrams));
            prop_assert!(from.step.units().abs() <= 1 << 14);
        }
    }
}
