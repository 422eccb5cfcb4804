//! Who proposes: a model, a linear law, or an adversary within the step gain.

use std::sync::Arc;

use tautline_core::controller::{DRAIN_PERIOD_ROUNDS, Proposer};
use tautline_core::features::{FEATURE_COUNT, LOG_SCALE_SHIFT, index};
use tautline_core::policy::{Digest, HeadKind, MAX_HEADS, ModelHeader, Policy};
use tautline_netsim::rng::{Component, Stream};

/// What decides on the steps.
#[derive(Clone, Debug)]
pub(crate) enum Hand {
    /// A model.
    Model(Policy<Arc<[i16]>>),
    /// A model that a walk throws off after each drain.
    Thrown(Box<Thrown>),
    /// Linear in queueing and its average, with the gains of a model.
    Linear(ModelHeader),
    /// At random and in runs.
    Walk(Walk),
}

/// A model, and a walk that decides in its place every now and then.
#[derive(Clone, Debug)]
pub(crate) struct Thrown {
    pub(crate) policy: Policy<Arc<[i16]>>,
    pub(crate) walk: Walk,
    /// Decisions of either, and how many in a row the walk has at a time.
    pub(crate) decisions: u64,
    pub(crate) throws: u64,
}

impl Thrown {
    const fn walks(&self) -> bool {
        self.decisions % BETWEEN_DRAINS < self.throws
    }
}

/// A random walk of the log window between two values.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    header: ModelHeader,
    stream: Stream,
    /// log₂ of the window in datagrams, units of 2⁻¹⁶: least and largest.
    range: (i32, i32),
    /// Steps that the run under way still has, and their size as a head.
    run: (u64, i32),
    /// The pacer's quantum, as a head.
    burst: i32,
}

impl Walk {
    pub(crate) fn new(header: ModelHeader, range: (i32, i32), seed: u64) -> Self {
        let mut stream = Stream::new(seed, Component::Controller);
        let burst = head(&mut stream);
        Self {
            header,
            stream,
            range,
            run: (0, 0),
            burst,
        }
    }

    fn step(&mut self, log_window: i32) -> i32 {
        if self.run.0 == 0 {
            let size = match self.stream.up_to(3) {
                0 => ONE,
                1 => -ONE,
                _ => head(&mut self.stream),
            };
            self.run = (1 + self.stream.up_to(LONGEST_RUN - 1), size);
        }
        self.run.0 -= 1;
        let (least, largest) = self.range;
        let size = self.run.1;
        if (log_window > largest && size > 0) || (log_window < least && size < 0) {
            self.run.1 = -size;
        }
        self.run.1
    }
}

impl Hand {
    /// As `--hand` calls it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Model(_) => "model",
            Self::Thrown(_) => "thrown",
            Self::Linear(_) => "linear",
            Self::Walk(_) => "walk",
        }
    }
}

impl Proposer for Hand {
    fn header(&self) -> &ModelHeader {
        match self {
            Self::Model(policy) => policy.header(),
            Self::Linear(header) => header,
            Self::Thrown(thrown) => thrown.policy.header(),
            Self::Walk(walk) => &walk.header,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Model(policy) => policy.digest(),
            Self::Thrown(thrown) => thrown.policy.digest(),
            Self::Linear(_) | Self::Walk(_) => Digest::from_bytes([0; 32]),
        }
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        let (rate, burst) = match self {
            Self::Model(policy) => return Proposer::propose(policy, features),
            Self::Thrown(thrown) => {
                let walks = thrown.walks();
                thrown.decisions += 1;
                if !walks {
                    return Proposer::propose(&mut thrown.policy, features);
                }
                let log_window = features[index::LOG_WINDOW] << LOG_SCALE_SHIFT;
                (thrown.walk.step(log_window), thrown.walk.burst)
            }
            Self::Linear(_) => (linear(features), ONE),
            Self::Walk(walk) => {
                let log_window = features[index::LOG_WINDOW] << LOG_SCALE_SHIFT;
                (walk.step(log_window), walk.burst)
            }
        };
        let mut heads = [0; MAX_HEADS];
        for (place, head) in heads.iter_mut().zip(self.header().head_list()) {
            *place = match head.kind {
                HeadKind::Rate => rate,
                HeadKind::Pacing => burst,
                HeadKind::Buffer => ONE,
                HeadKind::Retry => -ONE,
            };
        }
        heads
    }
}

/// 1.2 · (0.5 − ¾ queueing − ¼ its average), which aims at half a base RTT.
fn linear(features: &[i32; FEATURE_COUNT]) -> i32 {
    let queue = (features[index::QUEUEING] * 3 + features[index::QUEUEING_EWMA]) / 4;
    ((ONE / 2 - queue) / 5 * 6).clamp(-ONE, ONE)
}

fn head(stream: &mut Stream) -> i32 {
    stream.up_to(2 * u64::from(ONE.unsigned_abs())) as i32 - ONE
}

/// Keeps what was proposed last.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    hand: Hand,
    /// Proposals so far.
    pub(crate) count: u64,
    /// What the last one was made of.
    pub(crate) features: [i32; FEATURE_COUNT],
    /// The last one.
    pub(crate) heads: [i32; MAX_HEADS],
    /// Whether it was the model's.
    pub(crate) by_model: bool,
}

impl Recording {
    pub(crate) const fn new(hand: Hand) -> Self {
        Self {
            hand,
            count: 0,
            features: [0; FEATURE_COUNT],
            heads: [0; MAX_HEADS],
            by_model: false,
        }
    }

    /// Who proposes.
    pub(crate) const fn name(&self) -> &'static str {
        self.hand.name()
    }
}

impl Proposer for Recording {
    fn header(&self) -> &ModelHeader {
        self.hand.header()
    }

    fn digest(&self) -> Digest {
        self.hand.digest()
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        self.count += 1;
        self.features = *features;
        self.by_model = match &self.hand {
            Hand::Model(_) => true,
            Hand::Thrown(thrown) => !thrown.walks(),
            Hand::Linear(_) | Hand::Walk(_) => false,
        };
        self.heads = self.hand.propose(features);
        self.heads
    }
}

const ONE: i32 = 1 << 16;
/// Proposals from one drain to the next.
const BETWEEN_DRAINS: u64 = DRAIN_PERIOD_ROUNDS as u64 - 1;
/// Most steps of one size in a row.
const LONGEST_RUN: u64 = 4;
