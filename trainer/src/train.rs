//! Training from start, or from a checkpoint, to a deployed program.

use rayon::prelude::*;
use tautline_abstract_interp::quick_qc;
use tautline_core::policy::{Digest, ModelHeader};

use crate::checkpoint::{Checkpoint, Phase};
use crate::claims::{self, ClaimSet};
use crate::error::TrainError;
use crate::obligation::Obligation;
use crate::optimiser::Adam;
use crate::params::ValidParams;
use crate::quantize;
use crate::resume;
use crate::rollout;

/// How far training is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The phase at work.
    pub phase: Phase,
    /// Steps done in it: optimiser steps, generations, or repair rounds.
    pub step: u64,
    /// Steps that it has, at most.
    pub total: u64,
    /// Its loss: imitation error while cloning, claims' hinge afterwards.
    pub loss: f64,
    /// Mean reward of the last generation or validation, where there was one.
    pub reward: Option<f64>,
    /// Proven fraction per claim by name, where it was just measured: every thousand steps and at the
    /// end of cloning, at every validation, and in every repair round. Before the repair it is
    /// measured with few boxes, so it is a lower bound of what the prover would find.
    pub certified: &'a [(String, f64)],
    /// State to save now and then; training resumes from it byte for byte.
    pub checkpoint: &'a Checkpoint,
}

/// Who is told how far training is.
pub trait Observer {
    /// Called after every generation and repair round, and every hundred steps of cloning.
    fn on_progress(&mut self, progress: &Progress<'_>);
}

/// Nobody.
impl Observer for () {
    fn on_progress(&mut self, _: &Progress<'_>) {}
}

/// How training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All phases are done.
    Trained(Box<Trained>),
    /// The stop callback asked for an end; resume from here.
    Interrupted(Box<Checkpoint>),
}

/// A trained program; not yet proven.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Shapes, gains and heads.
    pub header: ModelHeader,
    /// Parameters in the order of the deployed format.
    pub parameters: Vec<i16>,
    /// What training measured.
    pub report: Report,
}

/// What training measured, for provenance.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Digest of the parameters of the run.
    pub params: Digest,
    /// Digest of the claims trained for.
    pub claims: Digest,
    /// Imitation error after cloning: mean squared error on fresh samples.
    pub clone_error: f64,
    /// Validation reward of the clone and of every validated generation: (generation, reward).
    pub rewards: Vec<(u64, f64)>,
    /// Validation reward of the final program.
    pub final_reward: f64,
    /// Repair rounds that were needed.
    pub repair_rounds: u64,
    /// Proven fraction per claim of the final program, by name.
    pub certified: Vec<(String, f64)>,
    /// Where closed loops are trained for: cells whose image leaves its successors, of how many.
    pub leaving: Option<(usize, usize)>,
}

/// Trains a policy.
///
/// Equal parameters and claims give equal bytes on any number of threads, interrupted or not.
///
/// # Errors
/// [`TrainError`] where claims or checkpoint do not fit the parameters, or a program overflows.
pub fn train(
    params: &ValidParams,
    claims: &ClaimSet,
    resume: Option<Checkpoint>,
    observer: &mut dyn Observer,
    stop: &dyn Fn() -> bool,
) -> Result<Outcome, TrainError> {
    let mut session = Session::new(params, claims, resume)?;
    loop {
        let finished = match session.state.phase {
            Phase::Clone => session.clone_law(observer, stop)?,
            Phase::Evolve => session.evolve(observer, stop)?,
            Phase::Repair => session.repair(observer, stop)?,
        };
        match finished {
            PhaseEnd::Stopped => return Ok(Outcome::Interrupted(Box::new(session.state))),
            PhaseEnd::Done if session.state.phase == Phase::Repair => break,
            PhaseEnd::Done => session.next_phase(),
        }
    }
    session.finish().map(|t| Outcome::Trained(Box::new(t)))
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PhaseEnd {
    Done,
    Stopped,
}

/// A run in progress.
pub(crate) struct Session<'a> {
    pub(crate) params: &'a ValidParams,
    pub(crate) claims: &'a ClaimSet,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) state: Checkpoint,
}

impl<'a> Session<'a> {
    fn new(
        params: &'a ValidParams,
        claims: &'a ClaimSet,
        resume: Option<Checkpoint>,
    ) -> Result<Self, TrainError> {
        let layout = params.layout();
        let obligations = claims::obligations(claims, layout)?;
        let claims_digest = claims::digest(claims)?;
        let state = match resume {
            Some(state) => {
                resume::check(&state, params, claims_digest)?;
                state
            }
            None => Checkpoint {
                params: params.digest(),
                claims: claims_digest,
                phase: Phase::Clone,
                step: 0,
                weights: layout.initial(params.params().seed),
                adam: Adam::new(layout.len()),
                teacher: Vec::new(),
                best: None,
                history: Vec::new(),
            },
        };
        Ok(Self {
            params,
            claims,
            obligations,
            state,
        })
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.params.params().seed
    }

    fn next_phase(&mut self) {
        let state = &mut self.state;
        state.phase = match state.phase {
            Phase::Clone => Phase::Evolve,
            Phase::Evolve | Phase::Repair => Phase::Repair,
        };
        if state.phase == Phase::Repair {
            if let Some((_, weights)) = state.best.take() {
                state.weights = weights;
            }
            state.teacher.clone_from(&state.weights);
        }
        state.step = 0;
        state.adam = Adam::new(state.weights.len());
    }

    pub(crate) fn report_progress(
        &self,
        observer: &mut dyn Observer,
        (total, loss): (u64, f64),
        reward: Option<f64>,
        certified: &[(String, f64)],
    ) {
        observer.on_progress(&Progress {
            phase: self.state.phase,
            step: self.state.step,
            total,
            loss,
            reward,
            certified,
            checkpoint: &self.state,
        });
    }

    /// Proven fraction of every claim for the deployed program of the current weights, after at most
    /// `boxes` boxes per constraint.
    pub(crate) fn certified(&self, boxes: u64) -> Result<Vec<(String, f64)>, TrainError> {
        let policy = rollout::shared_policy(self.params.layout(), &self.state.weights)?;
        self.claims
            .claims
            .par_iter()
            .map(|claim| {
                let proven =
                    quick_qc(&policy, claim, boxes).map_err(|reason| TrainError::Prove {
                        claim: claim.name.clone(),
                        reason,
                    })?;
                Ok((claim.name.clone(), proven))
            })
            .collect()
    }

    /// The same with few boxes, for displays; none where the weights on the way are no program.
    pub(crate) fn certified_so_far(&self) -> Vec<(String, f64)> {
        self.certified(DISPLAY_BOXES).unwrap_or_default()
    }

    fn finish(self) -> Result<Trained, TrainError> {
        let layout = self.params.layout();
        let certified = self.certified(self.params.params().repair.boxes as u64)?;
        let final_reward = self.validate(&self.state.weights)?;
        let (clone_error, pairs) = match self.state.history.split_first() {
            Some((error, pairs)) => (*error, pairs),
            None => (0.0, &[][..]),
        };
        let policy = quantize::policy(layout, &self.state.weights)?;
        let leaving = match self.closed_loop_target()? {
            Some(target) => Some(self.leaving(&target)?),
            None => None,
        };
        Ok(Trained {
            header: *layout.header(),
            parameters: policy.parameters().to_vec(),
            report: Report {
                params: self.state.params,
                claims: self.state.claims,
                clone_error,
                rewards: pairs
                    .chunks_exact(2)
                    .map(|pair| (pair[0] as u64, pair[1]))
                    .collect(),
                final_reward,
                repair_rounds: self.state.step,
                certified,
                leaving: leaving.map(|found| (found.cells, found.ranked)),
            },
        })
    }
}

/// Boxes per constraint that a display is worth; milliseconds.
const DISPLAY_BOXES: u64 = 64;
