//! The guarded learned controller inside quinn.

use std::sync::Arc;
use std::time::Duration;

use tautline_core::controller::{Controller as _, Event};
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{
    Cadence, Digest, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelError, ModelHeader,
    Policy, Skip, encode,
};
use tautline_core::units::Bytes;
use tautline_quic_integration::{
    AdapterFactory, BuildError, EventLog, GuardedFactory, Recorder, SharedPolicy,
};

use crate::pair::{Departures, Link, MTU, Pair};

/// rate = 1/2 − 2·standing queue − 4·loss, clamped: a law with its target at 25 % of queue.
pub(crate) fn header() -> ModelHeader {
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    hidden[0] = Hidden {
        width: 1,
        shift: 12,
    };
    ModelHeader {
        feature_table: TABLE_1.version,
        inputs: FEATURE_COUNT as u16,
        hidden_count: 1,
        hidden,
        output_shift: 12,
        skip: Skip::Linear,
        head_count: 1,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    }
}

pub(crate) fn parameters() -> Vec<i16> {
    let mut parameters = vec![0; header().parameter_count()];
    // A dead hidden unit, then the output row: hidden unit, features, bias.
    let features = FEATURE_COUNT + 1 + 1;
    parameters[features + index::STANDING_QUEUE] = -8192;
    parameters[features + index::LOSS] = -16_384;
    parameters[features + FEATURE_COUNT] = 2048;
    parameters
}

pub(crate) fn policy() -> SharedPolicy {
    Policy::new(header(), Arc::from(parameters())).unwrap()
}

pub(crate) fn envelope(model: Digest) -> UncheckedEnvelope {
    UncheckedEnvelope::dangerously_unchecked(model, &TABLE_1)
}

#[test]
fn a_learned_controller_fills_a_link_and_reports_what_it_did() {
    let policy = policy();
    let envelope = envelope(policy.digest());
    let factory = Arc::new(GuardedFactory::new(policy, envelope).unwrap());
    let mut pair = Pair::new(Link::ten_megabits(), factory, Departures::Together);
    let outcome = pair.upload(10_000_000, Duration::from_mins(1));
    assert!(outcome.finished, "{outcome:?}");
    assert!(outcome.elapsed < Duration::from_secs(12), "{outcome:?}");
    let state = pair.sender().congestion_state().clone_box();
    let progress = GuardedFactory::<UncheckedEnvelope>::progress(state).unwrap();
    assert!(progress.counters.decisions > 50, "{progress:?}");
    assert!(progress.counters.certified_decisions > 25, "{progress:?}");
    assert!(progress.tally.packets_acked > 6_800, "{progress:?}");
}

#[test]
fn a_learned_controller_decides_the_same_from_its_event_log() {
    let outage = Some((Duration::from_secs(4), Duration::from_millis(5_500)));
    for outage in [None, outage] {
        let policy = policy();
        let envelope = envelope(policy.digest());
        let factory = Arc::new(GuardedFactory::new(policy, envelope).unwrap());
        let log = EventLog::default();
        let (shared, builder) = (log.clone(), Arc::clone(&factory));
        let recorded = AdapterFactory::new(move |mtu| {
            Recorder::new(builder.controller(mtu).unwrap(), shared.clone())
        });
        let link = Link {
            outage,
            ..Link::ten_megabits()
        };
        let mut pair = Pair::new(link, Arc::new(recorded), Departures::Together);
        let outcome = pair.upload(8_000_000, Duration::from_mins(2));
        assert!(outcome.finished, "{outcome:?}");

        let records = log.records();
        let mut fresh = factory.controller(Bytes::new(MTU.into())).unwrap();
        for (index, record) in records.iter().enumerate() {
            record.event.replay(record.at, &mut fresh);
            assert_eq!(
                fresh.decision(),
                record.decision,
                "event {index}: {record:?}"
            );
        }
        assert!(fresh.counters().decisions > 50, "{:?}", fresh.counters());
        let timeouts = records
            .iter()
            .filter(|record| matches!(record.event, Event::Timeout(_)))
            .count();
        assert_eq!(timeouts > 0, outage.is_some());
    }
}

#[test]
fn a_certificate_for_another_model_is_refused() {
    let policy = policy();
    let model = policy.digest();
    let certified = Digest::of(b"another model");
    let error = GuardedFactory::new(policy, envelope(certified)).unwrap_err();
    assert_eq!(error, BuildError::ForeignCertificate { certified, model });
    let message = error.to_string();
    assert!(message.contains(&model.to_string()), "{message}");
    assert!(message.contains(&certified.to_string()), "{message}");
}

#[test]
fn a_model_file_is_decoded_or_refused_with_the_reason() {
    let mut file = Vec::new();
    encode(&header(), &parameters(), |piece| {
        file.extend_from_slice(piece);
    });
    let digest = policy().digest();
    let factory = GuardedFactory::from_model(&file, envelope(digest)).unwrap();
    assert_eq!(factory.model_digest(), digest);
    file[40] ^= 1;
    let error = GuardedFactory::from_model(&file, envelope(digest)).unwrap_err();
    assert!(
        matches!(
            error,
            BuildError::Model {
                source: ModelError::Corrupt { .. }
            }
        ),
        "{error}"
    );
}
