//! Evolution strategies: the reward's gradient from perturbed copies, the claims' by backpropagation.

use crate::env::{self, Episode};
use crate::error::TrainError;
use crate::loss::certified;
use crate::rng::{Purpose, Stream};
use crate::rollout;
use crate::train::{Observer, PhaseEnd, Session};

impl Session<'_> {
    pub(crate) fn evolve(
        &mut self,
        observer: &mut dyn Observer,
        stop: &dyn Fn() -> bool,
    ) -> Result<PhaseEnd, TrainError> {
        let params = self.params.params().evolve.clone();
        while self.state.step < params.generations {
            if stop() {
                return Ok(PhaseEnd::Stopped);
            }
            if self.state.best.is_none() {
                self.validate_and_keep()?;
            }
            let (reward, hinge) = self.generation()?;
            self.state.step += 1;
            let mut certified = Vec::new();
            let last = self.state.step == params.generations;
            if last || self.state.step.is_multiple_of(params.validate_every) {
                self.validate_and_keep()?;
                certified = self.certified_so_far();
            }
            let done = (params.generations, hinge);
            self.report_progress(observer, done, Some(reward), &certified);
        }
        Ok(PhaseEnd::Done)
    }

    /// One generation; returns its mean reward and the claims' hinge.
    fn generation(&mut self) -> Result<(f64, f64), TrainError> {
        let params = &self.params.params().evolve;
        let layout = self.params.layout();
        let episodes = self.episodes(Purpose::Scenario, self.state.step, params.scenarios)?;
        let noise = (0..params.pairs)
            .map(|pair| {
                let place = self.state.step * params.pairs as u64 + pair as u64;
                let mut stream = Stream::new(self.seed(), Purpose::Perturbation, place);
                (0..layout.len())
                    .map(|_| stream.normal())
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>();
        let policies = noise
            .iter()
            .flat_map(|direction| [(direction, params.sigma), (direction, -params.sigma)])
            .map(|(direction, sigma)| {
                let moved = self.state.weights.iter().zip(direction);
                let mut moved = moved.map(|(w, d)| w + sigma * d).collect::<Vec<_>>();
                layout.project(&mut moved);
                rollout::shared_policy(layout, &moved)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rewards = rollout::rewards(&policies, &episodes)?;
        let means = rewards.iter().map(|row| mean(row)).collect::<Vec<_>>();
        let ranks = centred_ranks(&means);
        let mut gradient = vec![0.0; layout.len()];
        for (direction, pair) in noise.iter().zip(ranks.chunks_exact(2)) {
            // Adam descends, rewards ascend.
            let push = (pair[1] - pair[0]) / params.pairs as f64;
            for (place, step) in gradient.iter_mut().zip(direction) {
                *place += push * step;
            }
        }
        let hinge = self.add_claim_gradient(params.claim_weight, &mut gradient);
        let done = self.state.step as f64 / params.generations as f64;
        let rate = params.learning_rate * (1.0 - 0.8 * done);
        self.state
            .adam
            .step(&mut self.state.weights, &gradient, rate);
        layout.project(&mut self.state.weights);
        Ok((mean(&means), hinge))
    }

    fn add_claim_gradient(&self, weight: f64, gradient: &mut [f64]) -> f64 {
        let mut stream = Stream::new(self.seed(), Purpose::CertifiedBatch, self.state.step);
        let margin = self.params.params().repair.margin;
        certified::add_claim_gradient(
            (self.params.layout(), &self.state.weights),
            (&self.obligations, HINGE_BOXES),
            &mut stream,
            (margin, weight),
            gradient,
        )
    }

    /// Keeps the current weights if they validate better than all before.
    fn validate_and_keep(&mut self) -> Result<(), TrainError> {
        let reward = self.validate(&self.state.weights)?;
        let generation = self.state.step as f64;
        self.state.history.extend([generation, reward]);
        let mut unused = vec![0.0; self.state.weights.len()];
        let weight = self.params.params().evolve.claim_weight;
        let hinge = self.add_claim_gradient(0.0, &mut unused);
        let score = reward - weight * hinge;
        if self
            .state
            .best
            .as_ref()
            .is_none_or(|(best, _)| score > *best)
        {
            self.state.best = Some((score, self.state.weights.clone()));
        }
        Ok(())
    }

    /// Mean reward over the fixed validation scenarios.
    pub(crate) fn validate(&self, weights: &[f64]) -> Result<f64, TrainError> {
        let count = self.params.params().evolve.validation_scenarios;
        let episodes = self.episodes(Purpose::Validation, 0, count)?;
        let policy = rollout::shared_policy(self.params.layout(), weights)?;
        let rewards = rollout::rewards(&[policy], &episodes)?;
        Ok(rewards.first().map_or(0.0, |row| mean(row)))
    }

    pub(crate) fn episodes(
        &self,
        purpose: Purpose,
        batch: u64,
        count: usize,
    ) -> Result<Vec<Episode>, TrainError> {
        let environment = &self.params.params().environment;
        (0..count as u64)
            .map(|place| {
                let place = batch * count as u64 + place;
                Ok(env::episode(environment, (self.seed(), purpose, place))?)
            })
            .collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Ranks scaled to [−1/2, 1/2]; equal values in order of place.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let mut order = (0..values.len()).collect::<Vec<_>>();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let scale = (values.len().max(2) - 1) as f64;
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place] = rank as f64 / scale - 0.5;
    }
    ranks
}

const HINGE_BOXES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_centred_and_follow_the_values() {
        assert_eq!(centred_ranks(&[3.0, -1.0, 10.0]), vec![0.0, -0.5, 0.5]);
    }
}
