//! What a training run is asked to do: `Params` as written, `ValidParams` as checked.

use serde::{Deserialize, Serialize};
use tautline_core::features::{FeatureTable, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{Digest, HeadKind};

use crate::law::Law;
use crate::network::{FEATURE_TABLE, Layout, LayoutError, Pattern, PatternError};
use crate::obligation::ONE;

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
    /// Features that the network does not see: all their weights are zero.
    #[serde(default, skip_serializing_if = "is_default")]
    pub masked: Vec<String>,
    /// Features in which the rate never falls, besides those in which it never rises.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rising: Vec<String>,
}

/// Training for closed-loop claims: ranks of the law on a coarse grid, which the network's images
/// shall respect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClosedLoopParams {
    /// λ of the closed-loop hinge in the repair; zero for none.
    pub hinge_weight: f64,
    /// λ of the sum of the weights' magnitudes, biases left out, while cloning and repairing.
    pub l1_weight: f64,
    /// D of the paths, a share of the base round-trip time.
    pub jitter: f64,
    /// The shallowest buffer, in bandwidth-delay products.
    pub least_buffer: f64,
    /// Slices: log₂ of the bandwidth-delay product in datagrams, least and largest.
    pub log_bdp: Vec<(f64, f64)>,
    /// log₂ of window over bandwidth-delay product at the start: least and largest.
    pub start: (f64, f64),
    /// Width of a cell of windows in 2⁻⁸ octaves.
    pub width: u16,
    /// By how much the rate may differ from the law's, in head units: the target's ranks hold for
    /// all such rates.
    pub margin: f64,
    /// Most cells that one round of the repair works on.
    pub cells: usize,
}

impl Default for ClosedLoopParams {
    fn default() -> Self {
        Self {
            hinge_weight: 0.0,
            l1_weight: 0.0,
            jitter: 0.05,
            least_buffer: 1.0,
            log_bdp: vec![(5.0, 6.0), (10.0, 12.0), (15.0, 16.0)],
            start: (-0.75, 1.125),
            width: 8,
            margin: 0.02,
            cells: 4096,
        }
    }
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
    /// Cloned, briefly trained, repaired: about 5 CPU-seconds.
    pub fn quick() -> Self {
        let mut params = Self::demo();
        params.environment.max_packets = 15_000.0;
        params.clone.steps = 6_000;
        params.clone.recordings = 16;
        params.evolve.generations = 24;
        params.evolve.pairs = 8;
        params.evolve.scenarios = 8;
        params.evolve.validate_every = 6;
        params.evolve.validation_scenarios = 32;
        params.repair.rounds = 6;
        params
    }

    /// What a demonstration can wait for: about 42 CPU-seconds.
    pub fn demo() -> Self {
        Self {
            version: FORMAT_VERSION,
            seed: 1,
            network: NetworkParams {
                hidden: vec![32, 32],
                heads: vec![HeadKind::Rate.name().to_owned()],
                weight_shift: 12,
                step_gain: default_step_gain(),
                masked: Vec::new(),
                rising: Vec::new(),
            },
            environment: EnvironmentParams {
                min_rate_mbps: 1.0,
                max_rate_mbps: 100.0,
                min_rtt_ms: 10.0,
                max_rtt_ms: 200.0,
                min_buffer_bdp: 0.5,
                max_buffer_bdp: 4.0,
                max_loss: 0.02,
                max_flows: 4,
                max_seconds: 12.0,
                max_packets: 30_000.0,
            },
            clone: CloneParams {
                steps: 10_000,
                batch: 256,
                learning_rate: 1e-2,
                recordings: 32,
                settled: 0.0,
            },
            evolve: EvolveParams {
                generations: 60,
                pairs: 16,
                scenarios: 16,
                sigma: 0.03,
                learning_rate: 1e-2,
                claim_weight: 10.0,
                validate_every: 10,
                validation_scenarios: 96,
            },
            repair: RepairParams {
                rounds: 12,
                steps: 300,
                batch: 256,
                learning_rate: 5e-4,
                boxes: 4_000,
                margin: 0.02,
            },
            law: Law::default(),
            closed_loop: ClosedLoopParams::default(),
        }
    }

    /// The budget of a shipped model: about 400 CPU-seconds.
    pub fn full() -> Self {
        let mut params = Self::demo();
        params.clone.steps = 24_000;
        params.clone.recordings = 96;
        params.evolve.generations = 240;
        params.evolve.pairs = 24;
        params.evolve.scenarios = 24;
        params.evolve.validate_every = 10;
        params.evolve.validation_scenarios = 192;
        params.repair.rounds = 20;
        params.repair.boxes = 20_000;
        params
    }

    /// A policy whose closed loop can be certified, cloned and repaired without evolution: about 25
    /// CPU-seconds.
    ///
    /// It sees no feature whose value the loop's model leaves open, moves with every other in one
    /// direction, and steps by 2^(9/64) at most, as what it sees is two rounds old.
    pub fn steady() -> Self {
        let mut params = Self::demo();
        params.network.masked = ["slow_loss", "acked_ratio", "previous_step", "competitor"]
            .map(str::to_owned)
            .to_vec();
        params.network.rising = vec!["last_step".to_owned()];
        params.network.step_gain = 0.140_625;
        params.clone.steps = 30_000;
        params.clone.settled = 0.4;
        params.evolve.generations = 0;
        params.law = Law::steady();
        params.closed_loop.hinge_weight = 4.0;
        params.closed_loop.l1_weight = 1e-6;
        params
    }

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

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of range, with the range and the value.
    pub fn check(self) -> Result<ValidParams, ParamsError> {
        let heads = self
            .network
            .heads
            .iter()
            .map(|name| {
                HeadKind::ALL
                    .into_iter()
                    .find(|kind| kind.name() == name)
                    .ok_or_else(|| ParamsError::UnknownHead { got: name.clone() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.check_counts()?;
        self.check_reals()?;
        let (network, pattern) = (&self.network, self.pattern()?);
        let layout = Layout::with_pattern(&network.hidden, &heads, network.weight_shift, pattern)?
            .with_step_gain(Q16::from_units((network.step_gain * ONE) as i32));
        self.check_products(layout.len() as u64)?;
        if self.closed_loop.hinge_weight > 0.0 {
            check_directions(layout.pattern())?;
        }
        let digest = Digest::of(self.to_toml()?.as_bytes());
        Ok(ValidParams {
            params: self,
            layout,
            digest,
        })
    }

    fn pattern(&self) -> Result<Pattern, ParamsError> {
        let mut pattern = Pattern::default();
        for name in &self.network.masked {
            pattern = pattern
                .masked(name)
                .map_err(|reason| ParamsError::Pattern {
                    field: "network.masked",
                    reason,
                })?;
        }
        for name in &self.network.rising {
            pattern = pattern
                .rising(name)
                .map_err(|reason| ParamsError::Pattern {
                    field: "network.rising",
                    reason,
                })?;
        }
        Ok(pattern)
    }

    fn check_counts(&self) -> Result<(), ParamsError> {
        let (clone, evolve, repair) = (&self.clone, &self.evolve, &self.repair);
        let counts = [
            ("version", u64::from(self.version), 1, 1),
            ("seed", self.seed, 0, i64::MAX as u64),
            (
                "environment.max_flows",
                self.environment.max_flows as u64,
                1,
                16,
            ),
            ("clone.steps", clone.steps, 1, 10_000_000),
            ("clone.batch", clone.batch as u64, 16, 65_536),
            ("clone.recordings", clone.recordings as u64, 0, 100_000),
            ("evolve.generations", evolve.generations, 0, 1_000_000),
            ("evolve.pairs", evolve.pairs as u64, 1, 4096),
            ("evolve.scenarios", evolve.scenarios as u64, 1, 65_536),
            ("evolve.validate_every", evolve.validate_every, 1, 1_000_000),
            (
                "evolve.validation_scenarios",
                evolve.validation_scenarios as u64,
                1,
                65_536,
            ),
            ("repair.rounds", repair.rounds, 0, 10_000),
            ("repair.steps", repair.steps, 1, 1_000_000),
            ("repair.batch", repair.batch as u64, 16, 65_536),
            ("repair.boxes", repair.boxes as u64, 1, 1 << 20),
            (
                "closed_loop.width",
                u64::from(self.closed_loop.width),
                1,
                64,
            ),
            (
                "closed_loop.cells",
                self.closed_loop.cells as u64,
                1,
                1 << 20,
            ),
        ];
        for (field, got, low, high) in counts {
            if !(low..=high).contains(&got) {
                return Err(ParamsError::Count {
                    field,
                    low,
                    high,
                    got,
                });
            }
        }
        Ok(())
    }

    /// Fields that are fine one by one can still ask for more memory than there is.
    fn check_products(&self, weights: u64) -> Result<(), ParamsError> {
        let (environment, evolve) = (&self.environment, &self.evolve);
        // A connection decides at most once per round-trip time.
        let decisions = environment.max_seconds * 1000.0 / environment.min_rtt_ms;
        let decisions = decisions as u64 * environment.max_flows as u64;
        let batch = self.clone.batch.max(self.repair.batch) as u64;
        let (pairs, scenarios) = (evolve.pairs as u64, evolve.scenarios as u64);
        let products = [
            (
                "evolve.pairs × evolve.scenarios",
                pairs * scenarios,
                MAX_EPISODES,
            ),
            (
                "evolve.pairs × weights of the network",
                pairs * weights,
                MAX_REALS,
            ),
            (
                "the larger of clone.batch and repair.batch × weights of the network / 64",
                batch * weights / 64,
                MAX_REALS,
            ),
            (
                "clone.recordings × environment.max_flows × max_seconds / min_rtt_ms",
                self.clone.recordings.max(1) as u64 * decisions,
                MAX_RECORDED,
            ),
        ];
        match products.into_iter().find(|&(_, got, high)| got > high) {
            Some((fields, got, high)) => Err(ParamsError::Product { fields, high, got }),
            None => Ok(()),
        }
    }

    fn later_reals(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let mut reals = self.closed_loop.ranges();
        reals.extend(self.law.ranges());
        reals.push(("network.step_gain", self.network.step_gain, 1.0 / ONE, 0.25));
        reals.push(("clone.settled", self.clone.settled, 0.0, 1.0));
        reals
    }

    fn check_reals(&self) -> Result<(), ParamsError> {
        let environment = &self.environment;
        let reals = [
            (
                "environment.min_rate_mbps",
                environment.min_rate_mbps,
                0.1,
                10_000.0,
            ),
            (
                "environment.max_rate_mbps",
                environment.max_rate_mbps,
                environment.min_rate_mbps,
                10_000.0,
            ),
            (
                "environment.min_rtt_ms",
                environment.min_rtt_ms,
                1.0,
                2_000.0,
            ),
            (
                "environment.max_rtt_ms",
                environment.max_rtt_ms,
                environment.min_rtt_ms,
                2_000.0,
            ),
            (
                "environment.min_buffer_bdp",
                environment.min_buffer_bdp,
                0.05,
                100.0,
            ),
            (
                "environment.max_buffer_bdp",
                environment.max_buffer_bdp,
                environment.min_buffer_bdp,
                100.0,
            ),
            ("environment.max_loss", environment.max_loss, 0.0, 0.5),
            (
                "environment.max_seconds",
                environment.max_seconds,
                1.0,
                600.0,
            ),
            (
                "environment.max_packets",
                environment.max_packets,
                100.0,
                1e8,
            ),
            ("clone.learning_rate", self.clone.learning_rate, 1e-7, 1.0),
            ("evolve.sigma", self.evolve.sigma, 1e-4, 1.0),
            ("evolve.learning_rate", self.evolve.learning_rate, 1e-7, 1.0),
            ("evolve.claim_weight", self.evolve.claim_weight, 0.0, 1e6),
            ("repair.learning_rate", self.repair.learning_rate, 1e-7, 1.0),
            ("repair.margin", self.repair.margin, 0.0, 1.0),
        ];
        for (field, got, low, high) in reals.into_iter().chain(self.later_reals()) {
            // Not a number is in no range.
            if !(low..=high).contains(&got) {
                return Err(ParamsError::Real {
                    field,
                    low,
                    high,
                    got,
                });
            }
        }
        Ok(())
    }
}

impl ClosedLoopParams {
    /// Every real with its name and the range that it may be in.
    fn ranges(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let mut ranges = vec![
            ("closed_loop.hinge_weight", self.hinge_weight, 0.0, 1e6),
            ("closed_loop.l1_weight", self.l1_weight, 0.0, 1.0),
            ("closed_loop.jitter", self.jitter, 0.0, 1.0),
            ("closed_loop.least_buffer", self.least_buffer, 0.0, 1024.0),
            ("closed_loop.start", self.start.0, -8.0, 7.0),
            ("closed_loop.start", self.start.1, self.start.0, 8.0),
            ("closed_loop.margin", self.margin, 0.0, 1.0),
        ];
        for &(low, high) in &self.log_bdp {
            ranges.push(("closed_loop.log_bdp", low, 0.0, 24.0));
            ranges.push(("closed_loop.log_bdp", high, low, 24.0));
        }
        ranges
    }
}

/// A closed loop needs one direction, or no effect, of every feature; `previous_step` carries the
/// disturbance of the target.
fn check_directions(pattern: &Pattern) -> Result<(), ParamsError> {
    let table = FeatureTable::by_version(FEATURE_TABLE);
    let names = table.map_or(&[][..], |table| table.features);
    for (place, feature) in names.iter().enumerate() {
        let seen = !pattern.hides(place);
        if seen && (pattern.signs()[place] == 0 || place == index::PREVIOUS_STEP) {
            return Err(ParamsError::Direction {
                feature: feature.name,
            });
        }
    }
    Ok(())
}

/// Parameters whose every field is in range.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidParams {
    params: Params,
    layout: Layout,
    digest: Digest,
}

impl ValidParams {
    /// The parameters as written.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Shapes and sign pattern of the network.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Digest of the parameters' TOML; a checkpoint resumes only under the same.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// Why parameters were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// The text is not TOML, or a field is missing, unknown or of the wrong type.
    #[error("{file}:{line}: {message}")]
    Syntax {
        /// The file as named by the caller.
        file: String,
        /// Line, from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A whole number is out of range.
    #[error("{field} is {got}, expected {low} to {high}")]
    Count {
        /// The field, dotted.
        field: &'static str,
        /// Smallest value.
        low: u64,
        /// Largest value.
        high: u64,
        /// The value there is.
        got: u64,
    },
    /// A real number is out of range.
    #[error("{field} is {got}, expected {low} to {high}")]
    Real {
        /// The field, dotted.
        field: &'static str,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// The value there is.
        got: f64,
    },
    /// Several fields together ask for too much memory.
    #[error("{fields} is {got}, expected at most {high}")]
    Product {
        /// The fields, dotted, and how they combine.
        fields: &'static str,
        /// Largest value.
        high: u64,
        /// The value there is.
        got: u64,
    },
    /// A head's name is unknown.
    #[error("network.heads names {got:?}, expected rate, pacing, buffer or retry")]
    UnknownHead {
        /// The name.
        got: String,
    },
    /// A feature that the closed loop's model leaves open has an effect.
    #[error(
        "closed_loop.hinge_weight is above 0, but {feature} is neither masked nor of one direction; \
         name it in network.masked, or last_step in network.rising"
    )]
    Direction {
        /// The feature.
        feature: &'static str,
    },
    /// A list of features does not fit the table or the law.
    #[error("{field} {reason}")]
    Pattern {
        /// The list.
        field: &'static str,
        /// What is wrong.
        reason: PatternError,
    },
    /// The shapes do not fit the deployed format.
    #[error("network: {0}")]
    Layout(#[from] LayoutError),
    /// TOML cannot hold a value.
    #[error("parameters cannot be written: {message}")]
    Unwritable {
        /// What is wrong.
        message: String,
    },
}

const FORMAT_VERSION: u32 = 1;
/// Antithetic pairs of episodes in one generation.
const MAX_EPISODES: u64 = 1 << 20;
/// Reals that one step holds at once: 256 MiB.
const MAX_REALS: u64 = 1 << 25;
/// Feature vectors that recordings may hold: about 600 MB with their copy as reals.
const MAX_RECORDED: u64 = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_survives_its_own_text() {
        let presets = [
            Params::quick(),
            Params::demo(),
            Params::full(),
            Params::steady(),
        ];
        for params in presets {
            let text = params.to_toml().unwrap();
            let read = Params::from_toml(&text, "preset.toml").unwrap();
            assert_eq!(read, params);
            assert_eq!(
                read.check().unwrap().digest(),
                params.check().unwrap().digest()
            );
        }
    }

    #[test]
    fn errors_name_the_field_and_the_line() {
        let mut params = Params::quick();
        params.evolve.sigma = f64::NAN;
        let error = params.check().unwrap_err().to_string();
        assert_eq!(error, "evolve.sigma is NaN, expected 0.0001 to 1");
        let text = Params::quick().to_toml().unwrap();
        let bad = text.replace("pairs", "pears");
        let line = bad.lines().position(|l| l.contains("pears")).unwrap() + 1;
        let error = Params::from_toml(&bad, "run.toml").unwrap_err().to_string();
        assert!(error.starts_with(&format!("run.toml:{line}: ")), "{error}");
        assert!(error.contains("pears"), "{error}");
    }

    #[test]
    fn parameters_from_before_the_law_was_one_keep_their_text() {
        let text = Params::demo().to_toml().unwrap();
        for newer in ["law", "masked", "rising", "step_gain", "settled"] {
            assert!(!text.contains(newer), "{newer} in {text}");
        }
        let text = Params::steady().to_toml().unwrap();
        assert!(text.contains("[law]") && text.contains("step_gain = 0.140625"));
    }

    #[test]
    fn features_that_cannot_be_masked_or_rising_are_refused_by_name() {
        let refused = |masked: &[&str], rising: &[&str]| {
            let mut params = Params::quick();
            params.network.masked = masked.iter().map(|&name| name.to_owned()).collect();
            params.network.rising = rising.iter().map(|&name| name.to_owned()).collect();
            params.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(&["speed"], &[]),
            "network.masked names \"speed\", which feature table 1 does not have"
        );
        assert_eq!(
            refused(&["loss"], &["loss"]),
            "network.rising names \"loss\", which is already masked or rising"
        );
        assert_eq!(
            refused(&[], &["loss"]),
            "network.rising names \"loss\", which never raises the rate"
        );
        assert!(refused(&["log_window"], &[]).contains("do not share a path"));
    }

    #[test]
    fn fields_that_together_ask_for_too_much_memory_are_refused() {
        let refused = |change: fn(&mut Params)| {
            let mut params = Params::full();
            change(&mut params);
            params.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|p| (p.evolve.pairs, p.evolve.scenarios) = (4096, 65_536)),
            "evolve.pairs × evolve.scenarios is 268435456, expected at most 1048576"
        );
        let noise = refused(|p| {
            p.network.hidden = vec![128; 4];
            p.evolve.pairs = 4096;
        });
        assert!(
            noise.starts_with("evolve.pairs × weights of the network is "),
            "{noise}"
        );
        let gradients = refused(|p| {
            p.network.hidden = vec![128; 4];
            p.repair.batch = 65_536;
        });
        assert!(gradients.contains("repair.batch × weights"), "{gradients}");
        let recorded = refused(|p| p.clone.recordings = 100_000);
        assert_eq!(
            recorded,
            "clone.recordings × environment.max_flows × max_seconds / min_rtt_ms is 480000000, \
             expected at most 4194304"
        );
        // One recording can be too long, and the repair makes one even where cloning makes none.
        let long = refused(|p| {
            p.clone.recordings = 0;
            p.environment.max_flows = 16;
            p.environment.max_seconds = 600.0;
            p.environment.min_rtt_ms = 1.0;
        });
        assert!(long.contains("is 9600000,"), "{long}");
    }

    #[test]
    fn the_rate_head_comes_first_and_no_head_twice() {
        let mut params = Params::quick();
        params.network.heads = vec!["pacing".to_owned()];
        assert!(matches!(
            params.clone().check(),
            Err(ParamsError::Layout(LayoutError::Heads { .. }))
        ));
        params.network.heads = vec!["speed".to_owned()];
        assert_eq!(
            params.check(),
            Err(ParamsError::UnknownHead {
                got: "speed".to_owned()
            })
        );
    }
}
