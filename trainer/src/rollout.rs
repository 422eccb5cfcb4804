//! Episodes in parallel, results in order.

use core::time::Duration;
use std::sync::Arc;

use rayon::prelude::*;
use tautline_core::controller::{Learned, Proposer};
use tautline_core::features::{FEATURE_COUNT, FeatureTable};
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::Policy;
use tautline_netsim::sim::{self, RunOptions};

use crate::env::Episode;
use crate::error::TrainError;
use crate::loss::task;
use crate::network::{FEATURE_TABLE, Layout};
use crate::proposer::Recording;
use crate::quantize;

/// A policy whose parameters many flows share.
pub(crate) type SharedPolicy = Policy<Arc<[i16]>>;

/// The deployed program of `weights`, shared.
pub(crate) fn shared_policy(layout: &Layout, weights: &[f64]) -> Result<SharedPolicy, TrainError> {
    let parameters = Arc::from(quantize::parameters(layout, weights));
    Ok(Policy::new(*layout.header(), parameters)?)
}

/// The reward of `proposer` in `episode`, every flow under its own copy.
pub(crate) fn reward<P: Proposer + Clone>(
    proposer: &P,
    episode: &Episode,
) -> Result<f64, TrainError> {
    let flows = episode.scenario.flows().len();
    let controllers = (0..flows)
        .map(|_| controller(proposer.clone(), episode))
        .collect::<Result<Vec<_>, _>>()?;
    let options = RunOptions::default().with_timeline(BIN);
    let outcome = sim::run(&episode.scenario, episode.seed, controllers, &options)?;
    Ok(task::reward(&episode.scenario, &outcome))
}

/// Rewards of every policy in every episode: one row per policy, in order.
pub(crate) fn rewards(
    policies: &[SharedPolicy],
    episodes: &[Episode],
) -> Result<Vec<Vec<f64>>, TrainError> {
    let flat = (0..policies.len() * episodes.len())
        .into_par_iter()
        .map(|place| {
            let policy = &policies[place / episodes.len()];
            reward(policy, &episodes[place % episodes.len()])
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(flat
        .chunks(episodes.len().max(1))
        .map(<[f64]>::to_vec)
        .collect())
}

/// Feature vectors that `proposer` is shown in `episodes`, in order.
pub(crate) fn record<P: Proposer + Clone + Send + Sync>(
    proposer: &P,
    episodes: &[Episode],
) -> Result<Vec<[i32; FEATURE_COUNT]>, TrainError> {
    let per_episode = episodes
        .par_iter()
        .map(|episode| {
            let flows = episode.scenario.flows().len();
            let controllers = (0..flows)
                .map(|_| controller(Recording::new(proposer.clone(), 1), episode))
                .collect::<Result<Vec<_>, TrainError>>()?;
            let options = RunOptions::default();
            let outcome = sim::run(&episode.scenario, episode.seed, controllers, &options)?;
            let seen = outcome
                .controllers
                .into_iter()
                .flat_map(|controller| controller.into_proposer().into_seen());
            Ok(seen.collect::<Vec<_>>())
        })
        .collect::<Result<Vec<_>, TrainError>>()?;
    Ok(per_episode.into_iter().flatten().collect())
}

/// `proposer` under the guard, trusted for its whole table as no certificate can exist yet.
fn controller<P: Proposer>(
    proposer: P,
    episode: &Episode,
) -> Result<Learned<P, UncheckedEnvelope>, TrainError> {
    let table =
        FeatureTable::by_version(FEATURE_TABLE).ok_or(TrainError::Table { got: FEATURE_TABLE })?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(proposer.digest(), table);
    let datagram = episode.scenario.transport().max_datagram_size();
    Ok(Learned::new(proposer, envelope, datagram)?)
}

const BIN: Duration = Duration::from_millis(500);
