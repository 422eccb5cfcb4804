//! What a training run is asked to do: `Params` as written, `ValidParams` as checked.

mod check;
mod closed_loop;
mod error;
mod presets;
mod set;

use serde::{Deserialize, Serialize};

use crate::law::Law;

pub use check::ValidParams;
pub use closed_loop::ClosedLoopParams;
pub use error::ParamsError;

/// A training run as written in a file; [`Params::check`] makes it usable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Version of this format; 1.
    pub version: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Shapes of the network.
    pub network: NetworkParams,
    /// Scenarios that are drawn.
    pub environment: EnvironmentParams,
    /// Cloning the reference law.
    pub clone: CloneParams,
    /// Evolution strategies in simulation.
    pub evolve: EvolveParams,
    /// Repair of the claims.
    pub repair: RepairParams,
    /// Constants of the reference law; left out where they are the default ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub law: Law,
    /// Training for closed-loop claims; left out where there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub closed_loop: ClosedLoopParams,
}

/// Shapes of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkParams {
    /// Widths of the hidden layers, each 2 to 128.
    pub hidden: Vec<usize>,
    /// Heads by name, the rate first.
    pub heads: Vec<String>,
    /// Weights are multiples of 2^-shift; 8 to 15.
    pub weight_shift: u8,
    /// G: a rate of one multiplies the window by 2^G; above 0, to 1/4.
    #[serde(
        default = "default_step_gain",
        skip_serializing_if = "is_default_step_gain"
    )]
    pub step_gain: f64,
    /// D, the jitter that the model is designed for, a share of the base round-trip time; 0 to 1.
    #[serde(default = "default_jitter", skip_serializing_if = "is_default_jitter")]
    pub jitter: f64,
    /// Features that the network does not see: all their weights are zero.
    #[serde(default, skip_serializing_if = "is_default")]
    pub masked: Vec<String>,
    /// Features in which the rate never falls, besides those in which it never rises.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rising: Vec<String>,
}

/// Parameters that came later are written only where they differ from what there was before, so
/// that older runs keep their text and its digest.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Growth by 2^(1/4) per round fits quinn's pacer at 5 % jitter.
const fn default_step_gain() -> f64 {
    0.25
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_default_step_gain(gain: &f64) -> bool {
    *gain == default_step_gain()
}

const fn default_jitter() -> f64 {
    0.05
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_default_jitter(jitter: &f64) -> bool {
    *jitter == default_jitter()
}

const fn default_settled_queue() -> f64 {
    1.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_default_settled_queue(longest: &f64) -> bool {
    *longest == default_settled_queue()
}

/// The distribution of scenarios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentParams {
    /// Slowest bottleneck, Mbit/s; rates are log-uniform.
    pub min_rate_mbps: f64,
    /// Fastest bottleneck, Mbit/s.
    pub max_rate_mbps: f64,
    /// Shortest base round-trip time, ms; round-trip times are log-uniform.
    pub min_rtt_ms: f64,
    /// Longest base round-trip time, ms.
    pub max_rtt_ms: f64,
    /// Shallowest buffer, in bandwidth-delay products; buffers are log-uniform.
    pub min_buffer_bdp: f64,
    /// Deepest buffer, in bandwidth-delay products.
    pub max_buffer_bdp: f64,
    /// Largest random loss, a fraction; half of the scenarios have none.
    pub max_loss: f64,
    /// Most flows at once.
    pub max_flows: usize,
    /// Longest simulated time of one episode, seconds.
    pub max_seconds: f64,
    /// Packets of 1200 bytes that the bottleneck could carry in one episode, at most; bounds its
    /// cost.
    pub max_packets: f64,
}

/// Cloning the reference law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloneParams {
    /// Steps of Adam.
    pub steps: u64,
    /// Samples per step.
    pub batch: usize,
    /// First learning rate; it falls linearly to 2 % of it.
    pub learning_rate: f64,
    /// Episodes whose features are recorded; zero clones from synthetic samples alone.
    pub recordings: usize,
    /// Part of the samples that are drawn from what a settled connection shows; the rest is shared
    /// by recorded, plausible, corner and arbitrary ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settled: f64,
    /// The longest standing queue that those show, in base round-trip times; 0 to 2.
    #[serde(
        default = "default_settled_queue",
        skip_serializing_if = "is_default_settled_queue"
    )]
    pub settled_queue: f64,
}

/// Evolution strategies (Salimans et al., 2017) with the claims' hinge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvolveParams {
    /// Generations; zero keeps the clone.
    pub generations: u64,
    /// Antithetic pairs per generation.
    pub pairs: usize,
    /// Scenarios that every member of a generation meets.
    pub scenarios: usize,
    /// Standard deviation of the perturbation of every weight.
    pub sigma: f64,
    /// First learning rate of Adam; it falls linearly to a fifth of it.
    pub learning_rate: f64,
    /// λ, the weight of the claims' hinge; zero trains for the task alone and skips the repair.
    pub claim_weight: f64,
    /// Generations between validations; the best validated weights are kept.
    pub validate_every: u64,
    /// Fixed scenarios of the validation.
    pub validation_scenarios: usize,
}

/// Repair at the corners of the claims' regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairParams {
    /// Rounds of measuring, then training; ends early once every claim is proven.
    pub rounds: u64,
    /// Steps of Adam per round.
    pub steps: u64,
    /// Samples per step, half for distillation, half for the claims.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Boxes that one measurement of one claim may visit.
    pub boxes: usize,
    /// Margin by which the bounds shall hold, in head units.
    pub margin: f64,
}

impl Params {
    /// Reads parameters from TOML; `file` names the text in errors.
    ///
    /// # Errors
    /// [`ParamsError::Syntax`] with line and column.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ParamsError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            ParamsError::Syntax {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                message: error.message().to_owned(),
            }
        })
    }

    /// The parameters as TOML.
    ///
    /// # Errors
    /// [`ParamsError::Unwritable`] for numbers that TOML cannot hold (a seed above 2⁶³ − 1).
    pub fn to_toml(&self) -> Result<String, ParamsError> {
        toml::to_string(self).map_err(|error| ParamsError::Unwritable {
            message: error.to_string(),
        })
    }
}

/// Version of the format.
const FORMAT_VERSION: u32 = 1;

#[cfg(test)]
mod tests;
