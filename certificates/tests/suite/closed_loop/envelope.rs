//! What a guard reads from a certificate with closed-loop claims.

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, Section};
use tautline_certificates::semantics::Program;
use tautline_certificates::{CheckedCertificate, check};
use tautline_core::fixed::Q16;
use tautline_core::guard::{Envelope as _, LoopAssumptions};

use super::prover::{claim, model, parameters};
use super::rejections;

/// A certificate about decisions of `model`, whose rate falls as the standing queue grows.
fn decisions(model: &[u8]) -> CheckedCertificate {
    let text = "version = 1\nfeature_table = 1\n[[claim]]\nname = \"falls\"\nsays = \"s\"\n\
                kind = \"pair\"\nraise = [\"standing_queue\"]\nthen = [\"rate <= 0\"]\n";
    let claims = ClaimSet::from_toml(text, "test.toml").unwrap();
    let certificate = Certificate {
        model: Program::decode(model).unwrap().digest(),
        sections: vec![Section::PairTree {
            claim: 0,
            trees: vec![],
        }],
        claims,
    };
    check(model, &certificate.encode().unwrap(), None).unwrap()
}

#[test]
fn a_certificate_with_closed_loop_claims_tells_the_guard_what_they_assume() {
    let model = model(&parameters());
    let closed_loop = rejections::check(&model, &claim(), rejections::slices()).unwrap();
    let reached = closed_loop.claims()[0].shown().reached;
    let alone = decisions(&model);
    assert_eq!(alone.loop_assumptions(), None);
    let both = alone.with_loop(closed_loop).unwrap();
    assert!(both.closed_loop().is_some());
    let octaves = |units: i32| Q16::from_units(units << 8);
    let expected = LoopAssumptions {
        jitter: Q16::from_units(655),
        log_bdp: (octaves(12 << 8), octaves(13 << 8)),
        buffer: (Q16::from_units(2 << 16), None),
        start: (Q16::from_units(-(1 << 14)), Q16::from_units(3 << 14)),
        log_window: (
            octaves((12 << 8) + reached.0),
            octaves((13 << 8) + reached.1),
        ),
    };
    assert_eq!(both.loop_assumptions(), Some(expected));
}

#[test]
fn closed_loop_claims_about_another_model_are_refused() {
    let closed_loop =
        rejections::check(&model(&parameters()), &claim(), rejections::slices()).unwrap();
    let mut other = parameters();
    *other.last_mut().unwrap() -= 1;
    let other = model(&other);
    let named = closed_loop.model();
    let foreign = decisions(&other).with_loop(closed_loop).unwrap_err();
    assert_eq!(foreign.closed_loop_of, named);
    assert_ne!(foreign.model, named);
}
