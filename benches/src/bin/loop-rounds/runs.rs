//! Runs drawn at random from the family of paths, its adversaries and those who propose.

use core::time::Duration;
use std::sync::Arc;

use anyhow::Context as _;
use tautline_core::controller::{Learned, Proposer as _};
use tautline_core::features::TABLE_1;
use tautline_core::fixed::Q16;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{ModelHeader, Policy};
use tautline_core::units::Bytes;
use tautline_netsim::rng::{Component, Stream};
use tautline_netsim::scenario::JitterLaw;
use tautline_netsim::sim::{RunOptions, run};

use crate::checker::Checker;
use crate::hands::{Hand, Recording, Walk};
use crate::intervals::Mistake;
use crate::path::{DATAGRAM, Path};
use crate::tally::Tallies;
use crate::watch::Watched;

/// What all runs share.
pub(crate) struct Family {
    pub(crate) policy: Policy<Arc<[i16]>>,
    /// D to draw from, in thousandths.
    pub(crate) jitters: Vec<u64>,
    /// β to draw from, in thousandths; zero for no bound.
    pub(crate) buffers: Vec<u64>,
    pub(crate) paced: Vec<bool>,
    pub(crate) hands: Vec<Who>,
    pub(crate) mistake: Mistake,
}

/// Who proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Who {
    /// The model.
    Model,
    /// A linear law that aims at a queue of half a base RTT.
    Linear,
    /// A random walk.
    Walk,
}

impl Family {
    /// One run of about `rounds` rounds with a product of `bdp` packets, least and largest.
    pub(crate) fn run(&self, bdp: (u64, u64), rounds: u64, seed: u64) -> anyhow::Result<Tallies> {
        let mut stream = Stream::new(seed, Component::Workload);
        let path = self.draw(bdp, &mut stream)?;
        let hand = self.hand(&path, &mut stream)?;
        let envelope = UncheckedEnvelope::dangerously_unchecked(hand.digest(), &TABLE_1)
            .with_loop_assumptions(path.assumptions());
        let checker = Checker::new(&path, hand.header().step_gain)?;
        let inner = Learned::new(Recording::new(hand), envelope, Bytes::new(DATAGRAM))?;
        let controllers = vec![Watched::new(inner, path, checker, self.mistake)];
        let scenario = path.scenario(rounds)?;
        let outcome = run(&scenario, seed, controllers, &RunOptions::default())?;
        let mut tallies = Tallies::default();
        for watched in outcome.controllers {
            tallies.merge(watched.into_tallies());
        }
        Ok(tallies)
    }

    fn draw(&self, (least, largest): (u64, u64), stream: &mut Stream) -> anyhow::Result<Path> {
        let bdp = least + stream.up_to(largest - least);
        // A2: a base RTT of a millisecond or more.
        let packet_ns = if bdp < 1000 { 100_000 } else { 1000 };
        let period = Duration::from_nanos(bdp * packet_ns / 8 * (1 + stream.up_to(39)));
        let laws = [
            JitterLaw::Uniform,
            JitterLaw::Constant,
            JitterLaw::Square { period },
            JitterLaw::Sawtooth { period },
            JitterLaw::Bursts,
            JitterLaw::ShortQueue,
            JitterLaw::LongQueue,
        ];
        let buffer = match pick(&self.buffers, stream)? {
            0 => None,
            share => Some(u32::try_from((bdp * share).div_ceil(1000))?),
        };
        Ok(Path {
            bdp,
            packet_ns,
            jitter: pick(&self.jitters, stream)?,
            law: pick(&laws, stream)?,
            buffer,
            paced: pick(&self.paced, stream)?,
        })
    }

    fn hand(&self, path: &Path, stream: &mut Stream) -> anyhow::Result<Hand> {
        let header = ModelHeader {
            step_gain: STEADY_GAIN,
            ..*self.policy.header()
        };
        Ok(match pick(&self.hands, stream)? {
            Who::Model => Hand::Model(self.policy.clone()),
            Who::Linear => Hand::Linear(header),
            Who::Walk => {
                let log_bdp = ((path.bdp as f64).log2() * 65_536.0) as i32;
                let range = (log_bdp - (1 << 16), log_bdp + 5 * (1 << 14));
                Hand::Walk(Walk::new(header, range, stream.bits()))
            }
        })
    }
}

fn pick<T: Copy>(all: &[T], stream: &mut Stream) -> anyhow::Result<T> {
    let last = all.len().checked_sub(1).context("nothing to draw from")?;
    let chosen = usize::try_from(stream.up_to(last as u64))?;
    all.get(chosen).copied().context("nothing to draw from")
}

/// G of the closed-loop models, 9/64.
const STEADY_GAIN: Q16 = Q16::from_units(9216);
