//! Repair: imitate the weights at its start on their own traffic while the hinge works on the
//! corners that bisection could not prove.

use rayon::prelude::*;

use crate::error::TrainError;
use crate::law::Features;
use crate::loss::certified::{self, Boxes};
use crate::loss::imitation;
use crate::measure::{self, Coverage};
use crate::network::{Arithmetic, Matrix, forward};
use crate::obligation::{Box12, ONE, Obligation};
use crate::rng::{Purpose, Stream};
use crate::rollout;
use crate::train::{Observer, PhaseEnd, Session};

use super::clone::samples;

impl Session<'_> {
    pub(crate) fn repair(
        &mut self,
        observer: &mut dyn Observer,
        stop: &dyn Fn() -> bool,
    ) -> Result<PhaseEnd, TrainError> {
        let params = self.params.params().repair.clone();
        if self.params.params().evolve.claim_weight == 0.0 {
            return Ok(PhaseEnd::Done);
        }
        let mut recorded = None;
        while self.state.step < params.rounds {
            let coverage = self.coverage(&self.state.weights);
            let certified = self.by_claim(&coverage);
            let unproven = 1.0 - certified.iter().fold(1.0, |least: f64, c| least.min(c.1));
            self.report_progress(observer, (params.rounds, unproven), None, &certified);
            if unproven == 0.0 {
                return Ok(PhaseEnd::Done);
            }
            if stop() {
                return Ok(PhaseEnd::Stopped);
            }
            let recorded = match &recorded {
                Some(recorded) => recorded,
                None => recorded.insert(self.recorded_from_teacher()?),
            };
            self.repair_round(recorded, &coverage);
            self.state.step += 1;
        }
        Ok(PhaseEnd::Done)
    }

    /// Steps of imitation and hinge; the margin grows with the rounds.
    fn repair_round(&mut self, recorded: &[Features], coverage: &[Coverage]) {
        let params = self.params.params().repair.clone();
        let layout = self.params.layout();
        let margin = params.margin * (1.0 + self.state.step as f64);
        let open = open_boxes(&self.obligations, coverage);
        let mut gradient = vec![0.0; layout.len()];
        for step in 0..params.steps {
            let place = self.state.step * params.steps + step;
            let mut stream = Stream::new(self.seed(), Purpose::RepairBatch, place);
            let half = params.batch / 2;
            let features = samples(&self.obligations, recorded, half, &mut stream);
            let features = Matrix::from_samples(&features);
            let targets = forward(layout, &self.state.teacher, &features, Arithmetic::Deployed);
            gradient.fill(0.0);
            let weights = &self.state.weights;
            imitation::add_gradient(
                layout,
                weights,
                (&features, &targets.heads),
                1.0,
                &mut gradient,
            );
            let boxes = hard_boxes(&self.obligations, &open, half, &mut stream);
            let hinge = (margin, HINGE_WEIGHT);
            certified::add_hinge_gradient(layout, weights, &boxes, hinge, &mut gradient);
            self.state
                .adam
                .step(&mut self.state.weights, &gradient, params.learning_rate);
            layout.project(&mut self.state.weights);
        }
    }

    /// Bisects every obligation.
    fn coverage(&self, weights: &[f64]) -> Vec<Coverage> {
        let layout = self.params.layout();
        let limit = self.params.params().repair.boxes;
        self.obligations
            .par_iter()
            .map(|obligation| measure::bisect(layout, weights, obligation, limit))
            .collect()
    }

    /// Least coverage of every claim's obligations; claims without any hold by the sign pattern.
    fn by_claim(&self, coverage: &[Coverage]) -> Vec<(String, f64)> {
        let claims = self.claims.claims.iter().enumerate();
        claims
            .map(|(place, claim)| {
                let least = self
                    .obligations
                    .iter()
                    .zip(coverage)
                    .filter(|(obligation, _)| obligation.claim == place)
                    .fold(1.0, |least: f64, (_, coverage)| least.min(coverage.proven));
                (claim.name.clone(), least)
            })
            .collect()
    }

    /// Proven fraction of every claim under `weights`.
    pub(crate) fn certified(&self, weights: &[f64]) -> Result<Vec<(String, f64)>, TrainError> {
        Ok(self.by_claim(&self.coverage(weights)))
    }

    fn recorded_from_teacher(&self) -> Result<Vec<Features>, TrainError> {
        let params = self.params.params();
        let count = params.clone.recordings.clamp(1, MOST_RECORDINGS);
        let episodes = self.episodes(Purpose::Recording, 1, count)?;
        let teacher = rollout::shared_policy(self.params.layout(), &self.state.teacher)?;
        let seen = rollout::record(&teacher, &episodes)?;
        Ok(seen
            .into_iter()
            .map(|vector| vector.map(|units| f64::from(units) / ONE))
            .collect())
    }
}

fn open_boxes<'a>(
    obligations: &'a [Obligation],
    coverage: &[Coverage],
) -> Vec<(&'a Obligation, Vec<Box12>)> {
    obligations
        .iter()
        .zip(coverage)
        .filter(|(_, coverage)| !coverage.open.is_empty())
        .map(|(obligation, coverage)| (obligation, coverage.open.clone()))
        .collect()
}

/// Half boxes that bisection left open, half sampled anywhere in the corner regions.
fn hard_boxes<'a>(
    obligations: &'a [Obligation],
    open: &[(&'a Obligation, Vec<Box12>)],
    count: usize,
    stream: &mut Stream,
) -> Boxes<'a> {
    if open.is_empty() {
        return Boxes::sampled(obligations, count, stream);
    }
    let boxes = (0..count)
        .filter_map(|place| {
            if place % 2 == 0 {
                let (obligation, boxes) = &open[stream.below(open.len())];
                return Some((*obligation, boxes[stream.below(boxes.len())]));
            }
            let obligation = obligations.get(stream.below(obligations.len()))?;
            Some((obligation, obligation.point(stream)))
        })
        .collect::<Vec<_>>();
    Boxes::new(&boxes)
}

const HINGE_WEIGHT: f64 = 2.0;
const MOST_RECORDINGS: usize = 16;
