//! Named training runs.

use tautline_core::policy::HeadKind;

use super::{
    CloneParams, ClosedLoopParams, EnvironmentParams, EvolveParams, FORMAT_VERSION, NetworkParams,
    Params, RepairParams, default_jitter, default_settled_queue, default_step_gain,
};
use crate::law::Law;

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
                jitter: default_jitter(),
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
                settled_queue: default_settled_queue(),
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

    /// The same for jitter up to 20 % of the base round-trip time and buffers of two
    /// bandwidth-delay products or more.
    ///
    /// It does not see the average of the queue, so a cell of its loop is three windows.
    pub fn steady_20() -> Self {
        let mut params = Self::steady();
        params.network.jitter = 0.2;
        params.network.masked.push("queueing_ewma".to_owned());
        params.clone.settled_queue = 1.6;
        params.law = Law::steady_20();
        params.closed_loop.jitter = 0.2;
        params.closed_loop.least_buffer = 2.0;
        params.closed_loop.start = (-0.75, 1.5);
        params.closed_loop.width = 4;
        params
    }
}
