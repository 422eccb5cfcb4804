//! Cloning the reference law from recorded, plausible and corner samples.

use tautline_core::features::FEATURE_COUNT;
use tautline_core::policy::Head;

use crate::env;
use crate::error::TrainError;
use crate::law::{Features, Law};
use crate::loss::{certified, imitation, sparsity};
use crate::network::Matrix;
use crate::obligation::{ONE, Obligation};
use crate::params::CloneParams;
use crate::proposer::ReferenceLaw;
use crate::rng::{Purpose, Stream};
use crate::rollout;
use crate::sampling;
use crate::train::{Observer, PhaseEnd, Session};

use super::{PART, summed_gradient};

impl Session<'_> {
    pub(crate) fn clone_law(
        &mut self,
        observer: &mut dyn Observer,
        stop: &dyn Fn() -> bool,
    ) -> Result<PhaseEnd, TrainError> {
        let params = self.params.params().clone.clone();
        let recorded = self.recorded_from_law()?;
        let layout = self.params.layout();
        while self.state.step < params.steps {
            if stop() {
                return Ok(PhaseEnd::Stopped);
            }
            let (loss, mut gradient) = self.clone_gradient(&recorded, params.batch);
            let l1_weight = self.params.params().closed_loop.l1_weight;
            sparsity::add_gradient(layout, &self.state.weights, l1_weight, &mut gradient);
            let done = self.state.step as f64 / params.steps as f64;
            let rate = params.learning_rate * (1.0 - 0.98 * done);
            self.state
                .adam
                .step(&mut self.state.weights, &gradient, rate);
            layout.project(&mut self.state.weights);
            self.state.step += 1;
            if self.state.step.is_multiple_of(PROGRESS_EVERY) {
                let certified = if self.state.step.is_multiple_of(MEASURE_EVERY) {
                    self.certified_so_far()
                } else {
                    Vec::new()
                };
                self.report_progress(observer, (params.steps, loss), None, &certified);
            }
        }
        let error = self.clone_error(&recorded);
        self.state.history = vec![error];
        let certified = self.certified_so_far();
        self.report_progress(observer, (params.steps, error), None, &certified);
        Ok(PhaseEnd::Done)
    }

    /// Imitation loss of one batch, and its gradient together with the claims' hinge.
    fn clone_gradient(&self, recorded: &[Features], batch: usize) -> (f64, Vec<f64>) {
        let layout = self.params.layout();
        let weights = &self.state.weights;
        let parts = batch.div_ceil(PART);
        // λ = 0 asks for no claims at all.
        let claimed = usize::from(self.params.params().evolve.claim_weight > 0.0);
        summed_gradient(parts + claimed, layout.len(), |part, gradient| {
            let place = self.state.step * (parts as u64 + 1) + part as u64;
            let mut stream = Stream::new(self.seed(), Purpose::CloneBatch, place);
            if part == parts {
                let margin = self.params.params().repair.margin;
                certified::add_claim_gradient(
                    (layout, weights),
                    (&self.obligations, HINGE_BOXES),
                    &mut stream,
                    (margin, HINGE_WEIGHT),
                    gradient,
                );
                return 0.0;
            }
            let (features, targets) = self.batch(recorded, PART, &mut stream);
            let share = 1.0 / parts as f64;
            let samples = (&features, &targets);
            share * imitation::add_gradient(layout, weights, samples, share, gradient)
        })
    }

    /// Feature vectors that connections under the law itself show.
    fn recorded_from_law(&self) -> Result<Vec<Features>, TrainError> {
        let params = self.params.params();
        let episodes = (0..params.clone.recordings)
            .map(|place| {
                let stream = (self.seed(), Purpose::Recording, place as u64);
                env::episode(&params.environment, stream)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let law = ReferenceLaw::of(self.params.layout(), params.law.clone());
        let seen = rollout::record(&law, &episodes)?;
        Ok(seen
            .into_iter()
            .map(|vector| vector.map(|units| f64::from(units) / ONE))
            .collect())
    }

    fn batch(&self, recorded: &[Features], count: usize, stream: &mut Stream) -> (Matrix, Matrix) {
        let params = &self.params.params().clone;
        let samples = samples((&self.obligations, params), recorded, count, stream);
        let heads = self.params.layout().header().head_list();
        let targets = law_heads(&self.params.params().law, heads, &samples);
        (Matrix::from_samples(&samples), targets)
    }

    /// Mean squared error on fresh samples.
    fn clone_error(&self, recorded: &[Features]) -> f64 {
        let mut stream = Stream::new(self.seed(), Purpose::DataSet, 0);
        let (features, targets) = self.batch(recorded, FRESH_SAMPLES, &mut stream);
        let weights = &self.state.weights;
        imitation::loss(self.params.layout(), weights, &features, &targets)
    }
}

/// A part of settled samples, then a mix of recorded, plausible, corner and arbitrary ones.
pub(super) fn samples(
    (obligations, params): (&[Obligation], &CloneParams),
    recorded: &[Features],
    count: usize,
    stream: &mut Stream,
) -> Vec<[f64; FEATURE_COUNT]> {
    let settled = (params.settled * count as f64) as usize;
    (0..count)
        .map(|place| match place % 10 {
            _ if place < settled => sampling::settled(params.settled_queue, stream),
            0..4 if !recorded.is_empty() => recorded[stream.below(recorded.len())],
            0..7 => sampling::plausible(stream),
            7..9 => sampling::corner(obligations, stream),
            _ => sampling::anywhere(stream),
        })
        .collect()
}

fn law_heads(law: &Law, heads: &[Head], samples: &[Features]) -> Matrix {
    let mut targets = Matrix::zeros(heads.len(), samples.len());
    for (row, head) in heads.iter().enumerate() {
        for (column, sample) in samples.iter().enumerate() {
            targets.set(row, column, law.head(head.kind, sample));
        }
    }
    targets
}

const HINGE_BOXES: usize = 64;
const HINGE_WEIGHT: f64 = 0.5;
const PROGRESS_EVERY: u64 = 100;
/// Steps between measurements of the claims; a multiple of the above.
const MEASURE_EVERY: u64 = 1000;
const FRESH_SAMPLES: usize = 8192;
