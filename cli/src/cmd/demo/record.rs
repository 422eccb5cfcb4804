//! What the demo found, as `demo.json` holds it.

use serde::Serialize;
use tautline_certificates::{CheckedCertificate, CheckedClaim};
use tautline_core::policy::Digest;
use tautline_trainer::Report;

use crate::model::Model;
use crate::output::Table;

/// Everything that the demo found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DemoRecord {
    pub(crate) claims: Vec<ClaimRecord>,
    pub(crate) tamper: TamperRecord,
    pub(crate) runs: Vec<RunRecord>,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    /// Length of every transfer.
    pub(crate) transfer_seconds: f64,
    /// How long the demo took up to here.
    pub(crate) elapsed_seconds: f64,
    pub(crate) provenance: Provenance,
    pub(crate) timelines: Vec<Timeline>,
}

/// One claim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimRecord {
    pub(crate) name: String,
    /// Proven fraction of its region, exact.
    pub(crate) qc: String,
    /// By the checker.
    pub(crate) accepted: bool,
    pub(crate) says: String,
    pub(crate) given: String,
    pub(crate) then: String,
    /// Boxes that the prover bounded.
    pub(crate) boxes: u64,
    /// Leaves of the proof.
    pub(crate) leaves: u64,
}

/// What the checker said about changed models.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TamperRecord {
    /// True if a proof rule rejected a changed model.
    pub(crate) rejected: bool,
    /// Why, in the checker's words.
    pub(crate) reason: String,
    /// The claim whose proof broke.
    pub(crate) claim: Option<String>,
    /// The step at which it broke.
    pub(crate) step: Option<String>,
    /// The rule that refused it.
    pub(crate) rule: Option<String>,
    /// What was changed.
    pub(crate) change: Option<WeightChange>,
    /// Whether the claim is false of the changed model, by the prover's counterexample.
    pub(crate) consequence: Option<String>,
    /// A change under which every proof still holds.
    pub(crate) harmless: Option<WeightChange>,
}

/// One weight of a model, changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WeightChange {
    /// Its position among all parameters.
    pub(crate) index: usize,
    /// Where it is, in words.
    pub(crate) place: String,
    /// In units of the layer.
    pub(crate) before: i16,
    /// In units of the layer.
    pub(crate) after: i16,
    /// Of the changed model.
    pub(crate) model_digest: String,
}

/// One transfer. Figures are those of the data phase; none if the run is invalid.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunRecord {
    pub(crate) link: &'static str,
    pub(crate) controller: &'static str,
    pub(crate) goodput_mbps: Option<f64>,
    pub(crate) utilisation: Option<f64>,
    pub(crate) queue_delay_mean_ms: Option<f64>,
    pub(crate) queue_delay_p95_ms: Option<f64>,
    /// Dropped share of the packets that reached the bottleneck.
    pub(crate) loss: Option<f64>,
    /// None for controllers without a guard.
    pub(crate) guard_interventions: Option<u64>,
    /// Decisions after startup that the policy made and the guard applied, of all.
    pub(crate) certified_share: Option<f64>,
    /// 99th percentile of how late the emulator sent packets.
    pub(crate) lateness_p99_us: f64,
    /// False if the emulator was too late in every attempt.
    pub(crate) valid: bool,
    pub(crate) attempts: u32,
    pub(crate) decisions: Option<u64>,
    pub(crate) fallbacks: Option<u64>,
    pub(crate) startup_s: Option<f64>,
}

/// One transfer over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timeline {
    pub(crate) link: &'static str,
    pub(crate) controller: &'static str,
    /// Length of a bin.
    pub(crate) bin_s: f64,
    /// What the link could carry.
    pub(crate) capacity_mbps: Vec<f64>,
    /// What left the bottleneck, headers included.
    pub(crate) throughput_mbps: Vec<f64>,
    /// Mean wait of the packets that arrived in the bin; none without any.
    pub(crate) queue_delay_ms: Vec<Option<f64>>,
}

/// Where the model and its certificate come from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Provenance {
    pub(crate) version: &'static str,
    pub(crate) model_digest: String,
    pub(crate) model_shape: String,
    pub(crate) model_parameters: usize,
    pub(crate) certificate_digest: String,
    pub(crate) certificate_bytes: usize,
    pub(crate) claims_digest: String,
    pub(crate) training_parameters_digest: String,
    pub(crate) leaves: u64,
    pub(crate) final_reward: f64,
}

impl Provenance {
    /// Of a model, its training, and the digest and size of its certificate.
    pub(crate) fn new(
        model: &Model,
        training: &Report,
        (certificate, certificate_bytes): (Digest, usize),
        checked: &CheckedCertificate,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            model_digest: model.policy.digest().to_string(),
            model_shape: model.shape(),
            model_parameters: model.policy.parameters().len(),
            certificate_digest: certificate.to_string(),
            certificate_bytes,
            claims_digest: training.claims.to_string(),
            training_parameters_digest: training.params.to_string(),
            leaves: checked.claims().iter().map(CheckedClaim::leaves).sum(),
            final_reward: training.final_reward,
        }
    }
}

impl DemoRecord {
    /// True if every claim was accepted and the changed model was not.
    pub(crate) fn accepted(&self) -> bool {
        self.claims.iter().all(|claim| claim.accepted) && self.tamper.rejected
    }
}

impl std::fmt::Display for TamperRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(WeightChange {
            place,
            before,
            after,
            ..
        }) = &self.harmless
        {
            write!(f, "{place} {before} → {after}: harmless, accepted; ")?;
        }
        match &self.change {
            Some(WeightChange {
                place,
                before,
                after,
                ..
            }) => {
                write!(f, "{place} {before} → {after}: rejected: {}", self.reason)?;
                let mut consequence = self.consequence.iter();
                consequence.try_for_each(|it| write!(f, "; {it}"))
            }
            None => write!(f, "{}", self.reason),
        }
    }
}

/// The transfers as a table.
pub(crate) fn table(runs: &[RunRecord]) -> Table {
    let header = [
        "link",
        "controller",
        "goodput Mbit/s",
        "utilisation",
        "queue mean ms",
        "queue p95 ms",
        "loss",
        "guard",
        "certified",
        "lateness p99 µs",
    ];
    let mut table = Table::new(2, header);
    for run in runs {
        table.row([
            run.link.to_owned(),
            run.controller.to_owned(),
            cell(run.goodput_mbps, |it| format!("{it:.2}")),
            cell(run.utilisation, |it| format!("{:.1} %", 100.0 * it)),
            cell(run.queue_delay_mean_ms, |it| format!("{it:.1}")),
            cell(run.queue_delay_p95_ms, |it| format!("{it:.1}")),
            cell(run.loss, |it| format!("{:.2} %", 100.0 * it)),
            cell(run.guard_interventions, |it| it.to_string()),
            cell(run.certified_share, |it| format!("{:.1} %", 100.0 * it)),
            format!(
                "{:.0}{}",
                run.lateness_p99_us,
                if run.valid { "" } else { " invalid" }
            ),
        ]);
    }
    table
}

/// A figure, or a dash.
pub(crate) fn cell<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), format)
}
