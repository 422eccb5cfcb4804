//! Repair: imitate the weights at its start on their own traffic while the hinge works on the
//! corners that bisection could not prove.

use rayon::prelude::*;

use crate::error::TrainError;
use crate::law::Features;
use crate::loss::certified::{self, Boxes};
use crate::loss::imitation;
use crate::measure;
use crate::network::{Arithmetic, Matrix, forward};
use crate::obligation::{Box12, ONE, Obligation};
use crate::rng::{Purpose, Stream};
use crate::rollout;
use crate::train::{Observer, PhaseEnd, Session};

use super::clone::samples;
use super::{PART, summed_gradient};

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
            let certified = self.certified(params.boxes as u64)?;
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
            let open = self.open_boxes();
            self.repair_round(recorded, &open);
            self.state.step += 1;
        }
        Ok(PhaseEnd::Done)
    }

    /// Steps of imitation and hinge; the margin grows with the rounds.
    fn repair_round(&mut self, recorded: &[Features], open: &[(usize, Vec<Box12>)]) {
        let params = self.params.params().repair.clone();
        let layout = self.params.layout();
        for step in 0..params.steps {
            let gradient = self.repair_gradient(step, recorded, open);
            self.state
                .adam
                .step(&mut self.state.weights, &gradient, params.learning_rate);
            layout.project(&mut self.state.weights);
        }
    }

    fn repair_gradient(
        &self,
        step: u64,
        recorded: &[Features],
        open: &[(usize, Vec<Box12>)],
    ) -> Vec<f64> {
        let params = &self.params.params().repair;
        let layout = self.params.layout();
        let weights = &self.state.weights;
        let margin = params.margin * (1.0 + self.state.step as f64);
        let parts = (params.batch / 2).div_ceil(PART);
        let (_, gradient) = summed_gradient(2 * parts, layout.len(), |part, gradient| {
            let place = (self.state.step * params.steps + step) * 2 * parts as u64 + part as u64;
            let mut stream = Stream::new(self.seed(), Purpose::RepairBatch, place);
            let share = 1.0 / parts as f64;
            if part < parts {
                let settled = self.params.params().clone.settled;
                let obligations = (self.obligations.as_slice(), settled);
                let features = samples(obligations, recorded, PART, &mut stream);
                let features = Matrix::from_samples(&features);
                let teacher = forward(layout, &self.state.teacher, &features, Arithmetic::Deployed);
                let samples = (&features, &teacher.heads);
                return imitation::add_gradient(layout, weights, samples, share, gradient);
            }
            let hinge = (margin, share * HINGE_WEIGHT);
            if open.is_empty() {
                let obligations = (self.obligations.as_slice(), PART);
                let network = (layout, weights.as_slice());
                return certified::add_claim_gradient(
                    network,
                    obligations,
                    &mut stream,
                    hinge,
                    gradient,
                );
            }
            let boxes = hard_boxes(&self.obligations, open, &mut stream);
            certified::crown::add_hinge_gradient(layout, weights, &boxes, hinge, gradient)
        });
        gradient
    }

    /// Boxes that interval bounds leave unproven, by place of their obligation.
    fn open_boxes(&self) -> Vec<(usize, Vec<Box12>)> {
        let layout = self.params.layout();
        let weights = &self.state.weights;
        let open = self
            .obligations
            .par_iter()
            .map(|obligation| measure::open_boxes(layout, weights, obligation, MOST_OPEN))
            .collect::<Vec<_>>();
        open.into_iter()
            .enumerate()
            .filter(|(_, boxes)| !boxes.is_empty())
            .collect()
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

/// Half boxes that bisection left open, half points anywhere in the corner regions.
fn hard_boxes<'a>(
    obligations: &'a [Obligation],
    open: &[(usize, Vec<Box12>)],
    stream: &mut Stream,
) -> Boxes<'a> {
    let boxes = (0..PART)
        .map(|place| {
            if place % 2 == 0 {
                let (of, boxes) = &open[stream.below(open.len())];
                return (&obligations[*of], boxes[stream.below(boxes.len())]);
            }
            let obligation = &obligations[stream.below(obligations.len())];
            (obligation, obligation.point(stream))
        })
        .collect::<Vec<_>>();
    Boxes::new(&boxes)
}

const HINGE_WEIGHT: f64 = 2.0;
const MOST_RECORDINGS: usize = 16;
/// Boxes that one search for open boxes visits.
const MOST_OPEN: usize = 4096;
