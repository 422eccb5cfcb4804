//! What closed-loop training is asked to do.

use serde::{Deserialize, Serialize};

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

impl ClosedLoopParams {
    /// Every real with its name and the range that it may be in.
    pub(super) fn ranges(&self) -> Vec<(&'static str, f64, f64, f64)> {
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
