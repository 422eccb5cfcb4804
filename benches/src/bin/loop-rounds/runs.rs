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
use crate::follow::Follow;
use crate::hands::{Hand, Recording, Thrown, Walk};
use crate::intervals::Mistake;
use crate::path::{DATAGRAM, Path};
use crate::proof::{Proof, Ranked};
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
    /// What is certified of the model; all paths are then drawn from it.
    pub(crate) proof: Option<Proof>,
}

/// Who proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Who {
    /// The model.
    Model,
    /// The model, but after each drain a random walk for a while.
    Thrown,
    /// A linear law that aims at a queue of half a base RTT.
    Linear,
    /// A random walk.
    Walk,
}

impl Family {
    /// One run of about `rounds` rounds with a product of `bdp` packets, least and largest, where
    /// one is named in a slice of the certificate.
    pub(crate) fn run(
        &self,
        bdp: (u64, u64),
        slice: Option<&Arc<Ranked>>,
        rounds: u64,
        seed: u64,
    ) -> anyhow::Result<Tallies> {
        let mut stream = Stream::new(seed, Component::Workload);
        let path = self.draw(bdp, slice, &mut stream)?;
        let hand = self.hand(&path, &mut stream)?;
        let slice = slice.filter(|_| matches!(hand, Hand::Model(_) | Hand::Thrown(_)));
        // Windows of others may go anywhere.
        let path = Path {
            highest: path.highest.filter(|_| slice.is_some()),
            ..path
        };
        let assumptions = match (&self.proof, slice) {
            (Some(proof), Some(_)) => proof.assumptions,
            _ => None,
        };
        let envelope = UncheckedEnvelope::dangerously_unchecked(hand.digest(), &TABLE_1)
            .with_loop_assumptions(assumptions.unwrap_or_else(|| path.assumptions()));
        let checker = Checker::new(&path, hand.header().step_gain)?;
        let inner = Learned::new(Recording::new(hand), envelope, Bytes::new(DATAGRAM))?;
        let follow = slice.map(|slice| Follow::new(Arc::clone(slice), path, self.mistake));
        let controllers = vec![Watched::new(inner, path, checker, self.mistake, follow)];
        let scenario = path.scenario(rounds)?;
        let outcome = run(&scenario, seed, controllers, &RunOptions::default())?;
        let mut tallies = Tallies::default();
        for watched in outcome.controllers {
            tallies.merge(watched.into_tallies());
        }
        Ok(tallies)
    }

    fn draw(
        &self,
        bdp: (u64, u64),
        slice: Option<&Arc<Ranked>>,
        stream: &mut Stream,
    ) -> anyhow::Result<Path> {
        let (least, largest) = slice.map_or(bdp, |slice| slice.products(bdp));
        let bdp = least + stream.up_to(largest.saturating_sub(least));
        let (bdp, buffer) = match slice {
            None => (bdp, depth(bdp, pick(&self.buffers, stream)?)?),
            Some(slice) => slice.buffer(bdp, pick(&self.buffers, stream)?)?,
        };
        let certified = slice.map_or(1 << 16, |slice| u64::from(slice.claim.family.jitter));
        let jitters = self.jitters.iter().copied();
        let jitters: Vec<u64> = jitters
            .filter(|&jitter| jitter << 16 <= certified * 1000)
            .collect();
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
        Ok(Path {
            bdp,
            packet_ns,
            jitter: pick(&jitters, stream)?,
            law: pick(&laws, stream)?,
            buffer,
            paced: pick(&self.paced, stream)?,
            highest: slice.and_then(|slice| slice.highest()),
        })
    }

    fn hand(&self, path: &Path, stream: &mut Stream) -> anyhow::Result<Hand> {
        let header = ModelHeader {
            step_gain: STEADY_GAIN,
            ..*self.policy.header()
        };
        Ok(match pick(&self.hands, stream)? {
            Who::Model => Hand::Model(self.policy.clone()),
            Who::Thrown => {
                // Within what the shipped claims start from, less a step: 2^-0.6 to 2^0.98.
                let log_bdp = ((path.bdp as f64).log2() * 65_536.0) as i32;
                let range = (log_bdp - 39_321, log_bdp + 64_225);
                Hand::Thrown(Box::new(Thrown {
                    policy: self.policy.clone(),
                    walk: Walk::new(*self.policy.header(), range, stream.bits()),
                    decisions: 0,
                    throws: 1 + stream.up_to(23),
                }))
            }
            Who::Linear => Hand::Linear(header),
            Who::Walk => {
                let log_bdp = ((path.bdp as f64).log2() * 65_536.0) as i32;
                let range = (log_bdp - (1 << 16), log_bdp + 5 * (1 << 14));
                Hand::Walk(Walk::new(header, range, stream.bits()))
            }
        })
    }
}

/// Packets in a buffer of so many thousandths; none for no bound.
fn depth(bdp: u64, share: u64) -> anyhow::Result<Option<u32>> {
    let packets = (bdp * share).div_ceil(1000);
    Ok((share > 0).then(|| u32::try_from(packets)).transpose()?)
}

impl Ranked {
    /// A product of `bdp` packets or somewhat fewer and a buffer that the slice has for it; of those
    /// without an upper bound, `share` thousandths where that is deep enough.
    fn buffer(&self, bdp: u64, share: u64) -> anyhow::Result<(u64, Option<u32>)> {
        let least = u64::from(self.buffer.least);
        let Some(most) = self.buffer.most else {
            let shallow = share > 0 && share << 16 < least * 1000;
            let share = if shallow { (least * 1000) >> 16 } else { share };
            return Ok((bdp, depth(bdp, share)?));
        };
        let inside = |bdp: u64| {
            let packets = (bdp * (least + u64::from(most))) >> 17;
            let fits =
                |packets: u64| (least * bdp..=u64::from(most) * bdp).contains(&(packets << 16));
            [packets, packets + 1]
                .into_iter()
                .find(|&packets| fits(packets))
        };
        let (first, _) = self.products((0, bdp));
        let found = (first..=bdp)
            .rev()
            .find_map(|bdp| Some((bdp, inside(bdp)?)));
        let (bdp, packets) = found.context("no product has such a buffer in packets")?;
        Ok((bdp, Some(u32::try_from(packets)?)))
    }
}

fn pick<T: Copy>(all: &[T], stream: &mut Stream) -> anyhow::Result<T> {
    let last = all.len().checked_sub(1).context("nothing to draw from")?;
    let chosen = usize::try_from(stream.up_to(last as u64))?;
    all.get(chosen).copied().context("nothing to draw from")
}

/// G of the closed-loop models, 9/64.
const STEADY_GAIN: Q16 = Q16::from_units(9216);
