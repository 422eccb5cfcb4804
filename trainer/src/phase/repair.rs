//! Repair: imitate the weights at its start on their own traffic while the hinge works on the
//! corners that bisection could not prove.

use rayon::prelude::*;

use crate::closed_loop::{Leaving, Target};
use crate::error::TrainError;
use crate::law::Features;
use crate::loss::certified::{self, Boxes};
use crate::loss::{imitation, sparsity};
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
        let target = self.closed_loop_target()?;
        let mut recorded = None;
        loop {
            let certified = self.certified(params.boxes as u64)?;
            let unproven = 1.0 - certified.iter().fold(1.0, |least: f64, c| least.min(c.1));
            let leaving = match &target {
                Some(target) => self.leaving(target)?,
                None => Leaving::default(),
            };
            if target.is_some() && unproven == 0.0 {
                self.keep_if_fewer(leaving.cells);
            }
            if self.state.step == params.rounds {
                break;
            }
            self.report_progress(observer, (params.rounds, unproven), None, &certified);
            if unproven == 0.0 && leaving.cells == 0 {
                break;
            }
            if stop() {
                return Ok(PhaseEnd::Stopped);
            }
            let recorded = match &recorded {
                Some(recorded) => recorded,
                None => recorded.insert(self.recorded_from_teacher()?),
            };
            let open = self.open_boxes();
            let work = Work {
                recorded,
                open: &open,
                leaving: &leaving.obligations,
                unproven: unproven > 0.0,
            };
            self.repair_round(&work);
            self.state.step += 1;
        }
        if let Some((_, weights)) = self.state.best.take() {
            self.state.weights = weights;
        }
        Ok(PhaseEnd::Done)
    }

    /// Keeps the current weights if fewer cells leave their successors than under all before.
    fn keep_if_fewer(&mut self, leaving: usize) {
        let score = -(leaving as f64);
        let best = self.state.best.as_ref();
        if best.is_none_or(|(best, _)| score > *best) {
            self.state.best = Some((score, self.state.weights.clone()));
        }
    }

    /// Steps of imitation and hinge; the margin grows with the rounds. A search for the fewest
    /// cells ends with small steps.
    fn repair_round(&mut self, work: &Work<'_>) {
        let params = self.params.params().repair.clone();
        let layout = self.params.layout();
        let left = if self.params.params().closed_loop.hinge_weight > 0.0 {
            1.0 - self.state.step as f64 / params.rounds as f64
        } else {
            1.0
        };
        for step in 0..params.steps {
            let gradient = self.repair_gradient(step, work);
            self.state.adam.step(
                &mut self.state.weights,
                &gradient,
                params.learning_rate * left,
            );
            layout.project(&mut self.state.weights);
        }
    }

    fn repair_gradient(&self, step: u64, work: &Work<'_>) -> Vec<f64> {
        let params = &self.params.params().repair;
        let closed_loop = &self.params.params().closed_loop;
        let Work { recorded, open, .. } = *work;
        let layout = self.params.layout();
        let weights = &self.state.weights;
        let rounds = if work.unproven { self.state.step } else { 0 };
        let margin = params.margin * (1.0 + rounds as f64);
        let parts = (params.batch / 2).div_ceil(PART);
        let loops = if work.leaving.is_empty() { 0 } else { parts };
        let (_, mut gradient) =
            summed_gradient(2 * parts + loops, layout.len(), |part, gradient| {
                if part >= 2 * parts {
                    let place =
                        (self.state.step * params.steps + step) * parts as u64 + part as u64;
                    let mut stream = Stream::new(self.seed(), Purpose::ClosedLoop, place);
                    let boxes = drawn(work.leaving, &mut stream);
                    let hinge = (LOOP_MARGIN, closed_loop.hinge_weight / parts as f64);
                    return certified::crown::add_hinge_gradient(
                        layout, weights, &boxes, hinge, gradient,
                    );
                }
                let place =
                    (self.state.step * params.steps + step) * 2 * parts as u64 + part as u64;
                let mut stream = Stream::new(self.seed(), Purpose::RepairBatch, place);
                let share = 1.0 / parts as f64;
                if part < parts {
                    let clone = &self.params.params().clone;
                    let obligations = (self.obligations.as_slice(), clone);
                    let features = samples(obligations, recorded, PART, &mut stream);
                    let features = Matrix::from_samples(&features);
                    let teacher =
                        forward(layout, &self.state.teacher, &features, Arithmetic::Deployed);
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
        sparsity::add_gradient(layout, weights, closed_loop.l1_weight, &mut gradient);
        gradient
    }

    /// Ranks of the law that the network's images shall respect, where that is asked for.
    pub(crate) fn closed_loop_target(&self) -> Result<Option<Target>, TrainError> {
        let params = self.params.params();
        if params.closed_loop.hinge_weight == 0.0 {
            return Ok(None);
        }
        let gain = self.params.layout().header().step_gain;
        Ok(Some(Target::new(&params.closed_loop, &params.law, gain)?))
    }

    /// Cells whose image under the deployed program of the current weights leaves its successors.
    pub(crate) fn leaving(&self, target: &Target) -> Result<Leaving, TrainError> {
        let layout = self.params.layout();
        let policy = rollout::shared_policy(layout, &self.state.weights)?;
        Ok(target.leaving(layout, &policy)?)
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

/// What a round works on.
struct Work<'a> {
    recorded: &'a [Features],
    /// Boxes that interval bounds leave unproven, by place of their obligation.
    open: &'a [(usize, Vec<Box12>)],
    /// Bounds that would keep cells of the closed loop among their successors.
    leaving: &'a [Obligation],
    /// The prover leaves a claim open.
    unproven: bool,
}

/// A part of a batch of bounds over the features of cells.
fn drawn<'a>(obligations: &'a [Obligation], stream: &mut Stream) -> Boxes<'a> {
    let boxes = (0..PART)
        .map(|_| {
            let obligation = &obligations[stream.below(obligations.len())];
            (obligation, obligation.region)
        })
        .collect::<Vec<_>>();
    Boxes::new(&boxes)
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
/// Head units by which a rate shall keep from the edge of its successors.
const LOOP_MARGIN: f64 = 0.005;
const MOST_RECORDINGS: usize = 16;
/// Boxes that one search for open boxes visits.
const MOST_OPEN: usize = 4096;
