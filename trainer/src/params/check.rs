//! Parameters whose every field is in range.

use tautline_core::features::{FeatureTable, index};
use tautline_core::fixed::Q16;
use tautline_core::policy::{Digest, HeadKind};

use super::{Params, ParamsError};
use crate::network::{FEATURE_TABLE, Layout, Pattern};
use crate::obligation::ONE;

impl Params {
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
            .with_step_gain(Q16::from_units((network.step_gain * ONE) as i32))
            .with_jitter(Q16::from_units(libm::round(network.jitter * ONE) as i32));
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
        reals.push(("network.jitter", self.network.jitter, 0.0, 1.0));
        reals.push(("clone.settled", self.clone.settled, 0.0, 1.0));
        let settled_queue = self.clone.settled_queue;
        reals.push(("clone.settled_queue", settled_queue, 0.0, 2.0));
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

/// Antithetic pairs of episodes in one generation.
const MAX_EPISODES: u64 = 1 << 20;
/// Reals that one step holds at once: 256 MiB.
const MAX_REALS: u64 = 1 << 25;
/// Feature vectors that recordings may hold: about 600 MB with their copy as reals.
const MAX_RECORDED: u64 = 1 << 22;
