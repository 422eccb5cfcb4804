//! What the checker says to a model that somebody changed.

use std::cmp::Reverse;

use tautline_abstract_interp::{Limits, Verdict, Watch, prove_claim};
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::{CheckedCertificate, Rejection, Rule, Step, check};
use tautline_core::policy::{Digest, LayerShape};

use super::record::{TamperRecord, WeightChange};
use crate::cmd::check::RejectionReport;
use crate::model::Model;
use crate::{interrupt, words};

/// Changes single weights of copies of `model`, repairs every digest on the way to `certificate`,
/// and asks the checker: first for a change that does no harm, then for one that a proof rule
/// rejects, if possible because the claim became false.
///
/// # Errors
/// Only an interrupt; that no change was rejected is in the record.
pub(crate) fn run(
    model: &Model,
    certificate: &[u8],
    claims: &ClaimSet,
) -> anyhow::Result<TamperRecord> {
    let mut record = TamperRecord {
        rejected: false,
        reason: "no change that was tried breaks a proof".to_owned(),
        claim: None,
        step: None,
        rule: None,
        change: None,
        consequence: None,
        harmless: None,
    };
    let forgeries = |changes: Vec<(usize, i16)>| {
        let changes = changes.into_iter().take(MOST_ATTEMPTS);
        changes.filter_map(|(index, after)| Forgery::new(model, certificate, index, after))
    };
    for forgery in forgeries(slight_changes(model)) {
        interrupt::check()?;
        if forgery.check(claims).is_ok() {
            record.harmless = Some(forgery.change);
            break;
        }
    }
    for forgery in forgeries(grave_changes(model)) {
        interrupt::check()?;
        let Some(rejection) = forgery.check(claims).err().filter(is_proof_rule) else {
            continue;
        };
        let consequence = consequence(&forgery.model, claims, &rejection)?;
        if record.rejected && consequence.is_none() {
            continue;
        }
        let report = RejectionReport::new(&rejection, &forgery.certificate);
        let decided = consequence.is_some();
        record = TamperRecord {
            rejected: true,
            reason: report.to_string(),
            claim: report.claim,
            step: Some(report.step),
            rule: Some(report.rule),
            change: Some(forgery.change),
            consequence,
            harmless: record.harmless,
        };
        if decided {
            break;
        }
    }
    Ok(record)
}

/// A model with one changed weight and a certificate that names it.
struct Forgery {
    change: WeightChange,
    model: Model,
    certificate: Vec<u8>,
}

impl Forgery {
    /// None for a change that lets a neuron overflow: it makes no model at all.
    fn new(model: &Model, certificate: &[u8], index: usize, after: i16) -> Option<Self> {
        let mut parameters = model.policy.parameters().to_vec();
        let before = std::mem::replace(parameters.get_mut(index)?, after);
        let changed = Model::of_parts(model.policy.header(), &parameters).ok()?;
        Some(Self {
            change: WeightChange {
                index,
                place: place(model, index),
                before,
                after,
                model_digest: changed.policy.digest().to_string(),
            },
            certificate: with_repaired_digests(certificate, changed.policy.digest()),
            model: changed,
        })
    }

    fn check(&self, claims: &ClaimSet) -> Result<CheckedCertificate, Rejection> {
        check(&self.model.bytes, &self.certificate, Some(claims))
    }
}

/// What the rejection is worth: whether the claim whose proof broke is false of the changed model,
/// by the prover's counterexample.
fn consequence(
    changed: &Model,
    claims: &ClaimSet,
    rejection: &Rejection,
) -> anyhow::Result<Option<String>> {
    let (Step::Constraint { claim, .. } | Step::Node { claim, .. }) = rejection.step else {
        return Ok(None);
    };
    let Some(claim) = claims.claims.get(claim) else {
        return Ok(None);
    };
    let watch = Watch {
        progress: &|_| {},
        stop: &interrupt::requested,
    };
    let limits = Limits {
        max_boxes: MOST_BOXES,
        ..Limits::default()
    };
    let result = prove_claim(&changed.policy, claim, &limits, watch)?;
    interrupt::check()?;
    let Verdict::Violated(found) = result.verdict else {
        return Ok(None);
    };
    let table = changed.policy.table();
    let demand = claim.constraints.get(found.constraint);
    let demand = demand.map(|one| words::constraint(one, &claim.kind, table));
    let answers = found.inputs.iter().map(|input| {
        let values = words::evaluation(input, changed.policy.header());
        let heads = values.into_iter().skip(table.features.len());
        let heads = heads.map(|(name, value, _)| format!("{name} = {}", words::decimal(value)));
        heads.collect::<Vec<_>>().join(", ")
    });
    Ok(Some(format!(
        "{} is indeed false of the changed model: it demands {}, and inside its region the model \
         answers {}",
        claim.name,
        demand.unwrap_or_default(),
        answers.collect::<Vec<_>>().join(", then ")
    )))
}

/// The certificate as if it had been written for the model of digest `model`.
fn with_repaired_digests(certificate: &[u8], model: Digest) -> Vec<u8> {
    let mut forged = certificate.to_vec();
    if let Some(field) = forged.get_mut(MODEL_DIGEST_AT..MODEL_DIGEST_AT + Digest::LEN) {
        field.copy_from_slice(model.as_bytes());
    }
    let end = forged.len().saturating_sub(Digest::LEN);
    let digest = Digest::of(forged.get(..end).unwrap_or_default());
    if let Some(field) = forged.get_mut(end..) {
        field.copy_from_slice(digest.as_bytes());
    }
    forged
}

fn is_proof_rule(rejection: &Rejection) -> bool {
    !matches!(rejection.rule, Rule::Format | Rule::Model | Rule::Claims)
}

/// One unit away from zero, the weights that matter least first.
fn slight_changes(model: &Model) -> Vec<(usize, i16)> {
    let weights = model.policy.parameters().iter().enumerate();
    let mut changes: Vec<_> = weights
        .filter(|(_, weight)| **weight != 0)
        .map(|(index, weight)| (weight.unsigned_abs(), index, weight + weight.signum()))
        .collect();
    changes.sort_unstable();
    changes
        .into_iter()
        .map(|(_, index, after)| (index, after))
        .collect()
}

/// The other sign for weights of the output layer, those that matter most first.
fn grave_changes(model: &Model) -> Vec<(usize, i16)> {
    let parameters = model.policy.parameters();
    let first = output_layer(model).map_or(0, |layer| layer.offset);
    let mut changes: Vec<_> = (first..parameters.len())
        .filter_map(|index| {
            let weight = *parameters.get(index)?;
            let after = weight.saturating_neg();
            (after != weight).then_some((Reverse(weight.unsigned_abs()), index, after))
        })
        .collect();
    changes.sort_unstable();
    changes
        .into_iter()
        .map(|(_, index, after)| (index, after))
        .collect()
}

fn output_layer(model: &Model) -> Option<LayerShape> {
    model.policy.header().layers().last()
}

/// Where a weight is: `output layer, head rate, weight of queueing`.
fn place(model: &Model, index: usize) -> String {
    let header = model.policy.header();
    let table = model.policy.table();
    let hidden = header.hidden_layers().len();
    for (number, layer) in header.layers().enumerate() {
        let Some(offset) = index.checked_sub(layer.offset) else {
            continue;
        };
        if offset >= layer.parameter_count() {
            continue;
        }
        let (neuron, input) = (offset / layer.row_len(), offset % layer.row_len());
        let units = layer.inputs.saturating_sub(table.features.len());
        let feature = match number {
            0 => Some(input),
            _ if number == hidden => input.checked_sub(units),
            _ => None,
        };
        let feature = feature.and_then(|at| table.features.get(at));
        let source = match feature {
            _ if input == layer.inputs => "bias".to_owned(),
            Some(feature) => format!("weight of {}", feature.name),
            None => format!("weight of unit {input}"),
        };
        return if number == hidden {
            let head = header.head_list().get(neuron);
            let name = head.map_or("?", |head| head.kind.name());
            format!("output layer, head {name}, {source}")
        } else {
            format!("hidden layer {}, unit {neuron}, {source}", number + 1)
        };
    }
    format!("parameter {index}")
}

/// After magic (4), version (2) and flags (2).
const MODEL_DIGEST_AT: usize = 8;
/// Boxes that the search for a counterexample may take.
const MOST_BOXES: u64 = 5_000;
/// Checks per search.
const MOST_ATTEMPTS: usize = 50;
