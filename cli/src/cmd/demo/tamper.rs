//! What the checker says to a model that somebody changed.

use std::cmp::Reverse;

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::{CheckedCertificate, Rejection, Rule, check};
use tautline_core::policy::{Digest, LayerShape};

use super::record::{TamperRecord, WeightChange};
use crate::cmd::check::RejectionReport;
use crate::interrupt;
use crate::model::Model;

/// Changes single weights of copies of `model`, repairs every digest on the way to `certificate`,
/// and asks the checker: first for a change that does no harm, then for one that a proof rule
/// rejects.
///
/// # Errors
/// Only an interrupt; that no change was rejected is in the record.
pub(crate) fn run(
    model: &Model,
    certificate: &[u8],
    claims: &ClaimSet,
) -> anyhow::Result<TamperRecord> {
    let harmless = first(
        model,
        certificate,
        claims,
        &slight_changes(model),
        |outcome| outcome.is_ok().then_some(()),
    )?;
    let rejected = first(
        model,
        certificate,
        claims,
        &grave_changes(model),
        |outcome| outcome.err().filter(is_proof_rule),
    )?;
    let harmless = harmless.map(|(change, ..)| change);
    Ok(match rejected {
        Some((change, forged, rejection)) => {
            let report = RejectionReport::new(&rejection, &forged);
            TamperRecord {
                rejected: true,
                reason: report.to_string(),
                claim: report.claim,
                step: Some(report.step),
                rule: Some(report.rule),
                change: Some(change),
                harmless,
            }
        }
        None => TamperRecord {
            rejected: false,
            reason: "no change that was tried breaks a proof".to_owned(),
            claim: None,
            step: None,
            rule: None,
            change: None,
            harmless,
        },
    })
}

type Outcome = Result<CheckedCertificate, Rejection>;

/// The first of `changes` whose outcome is `wanted`, with the forged certificate.
fn first<T>(
    model: &Model,
    certificate: &[u8],
    claims: &ClaimSet,
    changes: &[(usize, i16)],
    wanted: impl Fn(Outcome) -> Option<T>,
) -> anyhow::Result<Option<(WeightChange, Vec<u8>, T)>> {
    for &(index, after) in changes.iter().take(MOST_ATTEMPTS) {
        interrupt::check()?;
        let mut parameters = model.policy.parameters().to_vec();
        let Some(weight) = parameters.get_mut(index) else {
            continue;
        };
        let before = std::mem::replace(weight, after);
        // A change that lets a neuron overflow makes no model at all.
        let Ok(changed) = Model::of_parts(model.policy.header(), &parameters) else {
            continue;
        };
        let forged = with_repaired_digests(certificate, changed.policy.digest());
        if let Some(found) = wanted(check(&changed.bytes, &forged, Some(claims))) {
            let change = WeightChange {
                index,
                place: place(model, index),
                before,
                after,
                model_digest: changed.policy.digest().to_string(),
            };
            return Ok(Some((change, forged, found)));
        }
    }
    Ok(None)
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
/// Checks per search.
const MOST_ATTEMPTS: usize = 200;
