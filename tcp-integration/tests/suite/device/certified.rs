//! Where controllers come from: only from a model and facts about exactly that model.

use tautline_certificates::{CheckedCertificate, check};
use tautline_core::controller::{Controller as _, initial_window};
use tautline_core::features::TABLE_1;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{Policy, decode, encode};
use tautline_core::units::Bytes;
use tautline_tcp_integration::{BuildError, CertifiedSource, ControllerSource as _, GuardedSource};

const MODEL: &[u8] = include_bytes!("../../../../models/demo/model.tlm");
const CERTIFICATE: &[u8] = include_bytes!("../../../../models/demo/certificate.tlc");

fn checked() -> CheckedCertificate {
    check(MODEL, CERTIFICATE, None).unwrap()
}

/// The demo model with its first weight changed by one unit.
fn neighbour() -> (Vec<u8>, Policy<Vec<i16>>) {
    let (header, parameters) = decode(MODEL).unwrap();
    let mut parameters: Vec<i16> = parameters.iter().collect();
    parameters[0] ^= 1;
    let mut file = Vec::new();
    encode(&header, &parameters, |piece| file.extend_from_slice(piece));
    (file, Policy::new(header, parameters).unwrap())
}

#[test]
fn a_certified_source_starts_every_connection_with_its_own_segment_size() {
    let source = CertifiedSource::from_model(MODEL, checked()).unwrap();
    for bytes in [536, 1220, 1460] {
        let segment = Bytes::new(bytes);
        let decision = source.controller(segment).decision();
        assert_eq!(decision.congestion_window, initial_window(segment));
    }
}

#[test]
fn a_certificate_about_another_model_is_refused() {
    let (file, policy) = neighbour();
    let certificate = checked();
    let refused = CertifiedSource::from_model(&file, certificate).err();
    let certified = CertifiedSource::from_model(MODEL, checked()).unwrap();
    assert_eq!(
        refused,
        Some(BuildError::ForeignCertificate {
            certified: certified.model_digest(),
            model: policy.digest(),
        })
    );
}

#[test]
fn a_damaged_model_is_refused() {
    let mut model = MODEL.to_vec();
    let middle = model.len() / 2;
    model[middle] ^= 0x10;
    let refused = CertifiedSource::from_model(&model, checked())
        .err()
        .unwrap();
    assert!(matches!(refused, BuildError::Model { .. }), "{refused}");
}

#[test]
fn weights_in_static_memory_need_no_heap_and_no_other_envelope() {
    let (_, other) = neighbour();
    let (header, parameters) = decode(MODEL).unwrap();
    let weights: Vec<i16> = parameters.iter().collect();
    let weights: &'static [i16] = weights.leak();
    let policy = Policy::new(header, weights).unwrap();
    let envelope = |digest| UncheckedEnvelope::dangerously_unchecked(digest, &TABLE_1);
    let foreign = GuardedSource::new(policy.clone(), envelope(other.digest())).unwrap_err();
    assert_eq!(
        (foreign.vouched_for, foreign.model),
        (other.digest(), policy.digest())
    );
    let source = GuardedSource::new(policy.clone(), envelope(policy.digest())).unwrap();
    assert_eq!(source.model_digest(), policy.digest());
    let controller = source.controller(Bytes::new(1460));
    let parameters = controller.proposer().parameters();
    assert!(
        std::ptr::eq(parameters, weights),
        "connections share the weights"
    );
}
