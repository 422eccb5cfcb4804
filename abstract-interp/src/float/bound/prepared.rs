//! A network laid out for bounds, with the factors of its rounding errors.

use pulp::Arch;

use crate::float::network::{Activation, FloatNetwork, Layer};
use crate::float::rounding::{Rounding, any_order_error};

/// What bounds read of a network; made once.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) inputs: usize,
    pub(super) layers: Vec<PreparedLayer>,
    /// κ: what the bounds' own arithmetic may lose, relative to magnitudes (see [`Prepared::new`]).
    pub(super) own_error: f64,
    /// The machine's vectors.
    pub(super) arch: Arch,
}

/// One layer; arrays per output unless said otherwise.
#[derive(Clone, Debug)]
pub(super) struct PreparedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[out, in]`.
    pub(super) rows: Vec<f64>,
    /// `[in, lanes(out)]`, zero beyond the outputs.
    pub(super) columns: Vec<f64>,
    /// `[lanes(out)]`, zero beyond.
    pub(super) bias: Vec<f64>,
    /// The `f32` evaluation's error: `relative`·magnitude + `absolute`; `[lanes(out)]`.
    pub(super) relative: Vec<f64>,
    pub(super) absolute: Vec<f64>,
    pub(super) activations: Vec<Activation>,
    /// False where every activation is the identity.
    pub(super) bends: bool,
}

/// Values that are worked on together; every array that is vectorised over is padded to it.
pub(super) const LANES: usize = 8;

/// `count` rounded up to whole groups of lanes.
pub(super) const fn padded(count: usize) -> usize {
    count.div_ceil(LANES) * LANES
}

impl Prepared {
    /// Lays a network out.
    ///
    /// # Own error
    /// Let Z_j be at least |w_j|·|v| + |b_j| + δ_j for every evaluation in the region, so that it bounds the
    /// pre-activation too. A backward pass multiplies a coefficient Λ by a slope (relative error
    /// ε = 2⁻⁵³), sums K products per coefficient of the layer below (γ_{K+1}·Σ|λ_j|·|w_ji|, hence
    /// γ_{K+1}·Σ|λ_j|·Z_j after multiplication with |v_i|), and adds at most P constants, each at most 2·|λ_j|·Z_j
    /// (γ_{P+2} of their sum). With P ≥ K at least four times all values of the network, the loss is below
    /// κ·Σ|λ_j|·Z_j for κ = 8·P·ε. Interval sums lose γ_{K+1}·Z_j, which is less. Products that
    /// underflow lose 2⁻¹⁰⁷⁴ each, times magnitudes below 2¹²⁹: [`UNDERFLOW`] covers them all.
    pub(super) fn new(network: &FloatNetwork) -> Self {
        let layers: Vec<PreparedLayer> = network.layers().iter().map(PreparedLayer::new).collect();
        let values: usize = layers.iter().map(|layer| layer.outputs).sum();
        let terms = 4 * (values + network.inputs()) + 64;
        Self {
            inputs: network.inputs(),
            layers,
            own_error: terms as f64 * 4.0 * f64::EPSILON,
            arch: Arch::new(),
        }
    }
}

impl PreparedLayer {
    fn new(layer: &Layer) -> Self {
        let lanes = padded(layer.outputs);
        let mut columns = vec![0.0; layer.inputs * lanes];
        for output in 0..layer.outputs {
            for (input, &weight) in layer.row(output).iter().enumerate() {
                columns[input * lanes + output] = weight;
            }
        }
        let mut bias = layer.bias.clone();
        bias.resize(lanes, 0.0);
        let errors = |magnitude| {
            let errors = (0..lanes).map(|output| match layer.rounding {
                Rounding::AnyOrder if output < layer.outputs => {
                    // Products with zero are exact, and adding them is.
                    let row = layer.row(output).iter();
                    any_order_error(row.filter(|&&weight| weight != 0.0).count(), magnitude)
                }
                Rounding::AnyOrder | Rounding::Exact => 0.0,
            });
            errors.collect()
        };
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            rows: layer.weights.clone(),
            columns,
            bias,
            relative: errors(1.0),
            absolute: errors(0.0),
            activations: layer.activations.clone(),
            bends: layer
                .activations
                .iter()
                .any(|&activation| activation != Activation::Identity),
        }
    }

    /// Length of an array over the outputs.
    pub(super) const fn lanes(&self) -> usize {
        padded(self.outputs)
    }
}

/// More than all products of a bound can lose by underflow.
pub(super) const UNDERFLOW: f64 = 1e-240;
