//! Adam (Kingma and Ba, 2015).

/// First and second moments of the gradient, and how many steps they cover.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adam {
    pub(crate) mean: Vec<f64>,
    pub(crate) square: Vec<f64>,
    pub(crate) steps: u64,
}

impl Adam {
    /// Zero moments for `len` weights.
    pub fn new(len: usize) -> Self {
        Self {
            mean: vec![0.0; len],
            square: vec![0.0; len],
            steps: 0,
        }
    }

    /// Moves `weights` against `gradient` at `rate`.
    pub fn step(&mut self, weights: &mut [f64], gradient: &[f64], rate: f64) {
        self.steps += 1;
        let steps = self.steps as f64;
        let mean_scale = 1.0 / (1.0 - libm::pow(MEAN_DECAY, steps));
        let square_scale = 1.0 / (1.0 - libm::pow(SQUARE_DECAY, steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((weight, &slope), (mean, square)) in weights.iter_mut().zip(gradient).zip(moments) {
            *mean = MEAN_DECAY * *mean + (1.0 - MEAN_DECAY) * slope;
            *square = SQUARE_DECAY * *square + (1.0 - SQUARE_DECAY) * slope * slope;
            let spread = libm::sqrt(*square * square_scale) + STABILISER;
            *weight -= rate * *mean * mean_scale / spread;
        }
    }
}

const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
const STABILISER: f64 = 1e-8;
