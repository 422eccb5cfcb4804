//! The factory that only a checked certificate builds, inside quinn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::Controller as QuinnController;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::{CheckedCertificate, check};
use tautline_core::controller::{Controller as _, Counters};
use tautline_core::policy::{Policy, encode};
use tautline_core::units::Bytes;
use tautline_quic_integration::{
    Adapter, AdapterFactory, BuildError, CertifiedFactory, EventLog, GuardedController, Progress,
    Recorder,
};

use crate::learned::{header, parameters};
use crate::pair::{Departures, Link, MTU, Outcome, Pair};

/// The law of [`header`] and [`parameters`] as a model file.
fn law() -> Vec<u8> {
    let mut file = Vec::new();
    encode(&header(), &parameters(), |piece| {
        file.extend_from_slice(piece);
    });
    file
}

/// Interval leaves prove both claims about the law: rate = 1/2 − 2·standing queue − 4·loss.
fn law_certificate() -> CheckedCertificate {
    let claims = r#"
        version = 1
        feature_table = 1
        [[claim]]
        name = "never-bursts"
        kind = "point"
        says = "The window never grows by more than half of the step gain."
        then = ["rate <= 0.51"]
        [[claim]]
        name = "drains-standing-queue"
        kind = "point"
        says = "Half a round-trip time of standing queue shrinks the window."
        given = { standing_queue = ["0.5", "2"] }
        then = ["rate <= -0.25"]
    "#;
    let claims = ClaimSet::from_toml(claims, "law.toml").unwrap();
    let policy = Policy::new(header(), parameters()).unwrap();
    let leaf = Tree {
        nodes: vec![Node::Interval],
    };
    let sections = (0..2).map(|claim| Section::RegionTree {
        claim,
        trees: vec![leaf.clone()],
    });
    let certificate = Certificate {
        model: policy.digest(),
        sections: sections.collect(),
        claims: claims.clone(),
    };
    check(&law(), &certificate.encode().unwrap(), Some(&claims)).unwrap()
}

fn shipped(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/demo");
    std::fs::read(folder.join(name)).unwrap()
}

fn shipped_certificate() -> CheckedCertificate {
    check(&shipped("model.tlm"), &shipped("certificate.tlc"), None).unwrap()
}

fn upload(factory: CertifiedFactory) -> (Outcome, Progress) {
    let factory = Arc::new(factory);
    let mut pair = Pair::new(Link::ten_megabits(), factory, Departures::Together);
    let outcome = pair.upload(10_000_000, Duration::from_mins(1));
    let state = pair.sender().congestion_state().clone_box();
    (outcome, CertifiedFactory::progress(state).unwrap())
}

#[test]
fn a_certified_law_carries_a_transfer_inside_its_region() {
    let factory = CertifiedFactory::from_model(&law(), law_certificate()).unwrap();
    let (outcome, progress) = upload(factory);
    assert!(outcome.finished, "{outcome:?}");
    assert_eq!(outcome.received, 10_000_000);
    // 8.2 s at line rate.
    assert!(outcome.elapsed < Duration::from_secs(12), "{outcome:?}");
    assert!(progress.counters.certified_decisions > 25, "{progress:?}");
}

#[test]
fn the_shipped_model_carries_a_transfer_under_its_certificate() {
    let factory = CertifiedFactory::from_model(&shipped("model.tlm"), shipped_certificate());
    let (outcome, progress) = upload(factory.unwrap());
    assert!(outcome.finished, "{outcome:?}");
    assert!(outcome.elapsed < Duration::from_secs(12), "{outcome:?}");
    assert!(progress.counters.certified_decisions > 25, "{progress:?}");
}

#[test]
fn a_certificate_does_not_vouch_for_another_model() {
    let certificate = shipped_certificate();
    let certified = certificate.model();
    let model = law_certificate().model();
    let error = CertifiedFactory::from_model(&law(), certificate).unwrap_err();
    assert_eq!(error, BuildError::ForeignCertificate { certified, model });
}

#[test]
fn a_log_from_inside_quinn_leads_to_the_same_decisions_and_counters_outside() {
    let models = [
        (law(), law_certificate()),
        (shipped("model.tlm"), shipped_certificate()),
    ];
    for (model, certificate) in models {
        let factory = Arc::new(CertifiedFactory::from_model(&model, certificate).unwrap());
        let log = EventLog::default();
        let (shared, builder) = (log.clone(), Arc::clone(&factory));
        let recorded = AdapterFactory::new(move |mtu| {
            Recorder::new(builder.controller(mtu).unwrap(), shared.clone())
        });
        let mut pair = Pair::new(
            Link::ten_megabits(),
            Arc::new(recorded),
            Departures::Together,
        );
        assert!(pair.upload(6_000_000, Duration::from_mins(1)).finished);

        let mut outside = factory.controller(Bytes::new(MTU.into())).unwrap();
        let records = log.records();
        for (index, record) in records.iter().enumerate() {
            record.event.replay(record.at, &mut outside);
            assert_eq!(outside.decision(), record.decision, "event {index}");
        }
        let state = pair.sender().congestion_state().clone_box();
        let inside = recorded_counters(state);
        assert!(inside.decisions > 25, "{inside:?}");
        assert_eq!(outside.counters(), inside);
    }
}

/// What a controller inside quinn, recorded there, says about itself.
fn recorded_counters(state: Box<dyn QuinnController>) -> Counters {
    type Recorded = Recorder<GuardedController<CheckedCertificate>>;
    let adapter = state.into_any().downcast::<Adapter<Recorded>>();
    adapter.unwrap().counters()
}
