//! Laws written by hand behind the guard: on ratios of round-trip times, and on own queued packets.

use tautline_core::controller::Proposer;
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Digest, Head, HeadKind, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Skip,
};

/// A law for the rate head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    /// 1.25 · (T − x̂), where T falls by `slope` base RTTs per octave of the window and x̂ is 0.8 ·
    /// `standing_queue` + 0.2 · `queueing_ewma`: flows that see one ratio of round-trip times share.
    Ratio {
        /// T at a window of 2¹⁰ datagrams.
        target: f64,
        /// Base RTTs per octave.
        slope: f64,
    },
    /// log₂ n* − log₂ n, where n is W · x/(1 + x), the own datagrams in the queue as `own_queue`
    /// says them: flows that see one queue share, whatever their base RTTs.
    OwnQueue {
        /// n*.
        datagrams: f64,
    },
}

impl Law {
    /// Its name in tables.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ratio { slope, .. } => format!("ratio of RTTs, s = {slope}"),
            Self::OwnQueue { datagrams } => format!("own queue, n* = {datagrams}"),
        }
    }

    fn rate(&self, features: &[f64; FEATURE_COUNT]) -> f64 {
        let aim = match *self {
            Self::Ratio { target, slope } => {
                let queue =
                    0.8 * features[index::STANDING_QUEUE] + 0.2 * features[index::QUEUEING_EWMA];
                let target = target + slope * (10.0 - 16.0 * features[index::LOG_WINDOW]);
                1.25 * (target - queue)
            }
            Self::OwnQueue { datagrams } => {
                libm::log2(datagrams) - 16.0 * features[index::OWN_QUEUE]
            }
        };
        aim.min(0.45 + 0.5 * features[index::LAST_STEP]) - 2.9 * features[index::LOSS]
    }
}

/// A law as a controller's proposer.
#[derive(Clone, Debug)]
pub(crate) struct ByHand {
    header: ModelHeader,
    law: Law,
}

impl ByHand {
    pub(crate) fn new(law: Law) -> Self {
        let header = ModelHeader {
            feature_table: TABLE_1.version,
            inputs: FEATURE_COUNT as u16,
            hidden_count: 0,
            hidden: [tautline_core::policy::Hidden::default(); MAX_HIDDEN_LAYERS],
            output_shift: 12,
            skip: Skip::None,
            head_count: 1,
            heads: HeadKind::ALL.map(Head::free),
            // 9/64.
            step_gain: Q16::from_units(9216),
            pacing_gain: Q16::from_units(5 << 14),
            jitter: Q16::from_units(3277),
            cadence: Cadence::EveryRound,
        };
        Self { header, law }
    }
}

impl Proposer for ByHand {
    fn header(&self) -> &ModelHeader {
        &self.header
    }

    fn digest(&self) -> Digest {
        Digest::of(b"tautline laws of two flows, feature table 1")
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        let reals = features.map(|units| f64::from(units) / ONE);
        let mut heads = [0; MAX_HEADS];
        heads[0] = libm::floor(self.law.rate(&reals).clamp(-1.0, 1.0) * ONE) as i32;
        heads
    }
}

const ONE: f64 = 65_536.0;
