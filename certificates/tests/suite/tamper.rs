//! An accepted certificate, changed in every way, is no longer accepted.

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, FormatError, MAX_FILE, Node, Section};
use tautline_certificates::{CheckedCertificate, Reason, Rejection, Rule, check};
use tautline_core::fixed::Q16;
use tautline_core::guard::Envelope;
use tautline_core::policy::{ModelHeader, Policy, Skip};

use crate::raw::{Raw, seal, write};
use crate::support::{claims, file, header, prove, random_parameters};

struct Accepted {
    header: ModelHeader,
    parameters: Vec<i16>,
    model: Vec<u8>,
    claims: ClaimSet,
    certificate: Certificate,
    bytes: Vec<u8>,
}

/// A small model and a proof with splits and explicit slopes.
fn accepted() -> Accepted {
    let header = header(0, &[(3, 12), (3, 12)], 2, Skip::Linear);
    let parameters = random_parameters(header.parameter_count(), 1800, 11);
    let leaf = Node::Relaxation {
        alpha: vec![64, 128, 0, 1, 127, 64],
        multipliers: vec![],
        beta: vec![],
    };
    let small: Vec<String> = (1..16)
        .map(|i| format!("x{i} = [\"0\", \"0.125\"]"))
        .collect();
    let given = small.join(", ");
    let with_bound = |thousandths: i32| {
        let bound = f64::from(thousandths) / 1000.0;
        let claims = claims(&format!(
            "kind = \"point\"\ngiven = {{ {given} }}\n\
             then = [\"rate <= {bound:.3}\", \"rate - 0.5*x0 <= 1.5\"]\n"
        ));
        prove(&header, &parameters, &claims, &leaf, 12).ok()
    };
    // About the smallest bound that a dozen splits prove.
    let coarse = (-1000..=1000)
        .step_by(50)
        .find(|&bound| with_bound(bound).is_some());
    let coarse = coarse.unwrap();
    let certificate = (coarse - 50..=coarse).find_map(with_bound).unwrap();
    let Section::RegionTree { trees, .. } = &certificate.sections[0] else {
        panic!("a point claim has trees");
    };
    assert!(trees[0].nodes.len() > 2, "the proof splits");
    Accepted {
        header,
        model: file(&header, &parameters),
        parameters,
        claims: certificate.claims.clone(),
        bytes: certificate.encode().unwrap(),
        certificate,
    }
}

impl Accepted {
    fn check(&self, bytes: &[u8]) -> Result<CheckedCertificate, Rejection> {
        check(&self.model, bytes, Some(&self.claims))
    }

    /// The file without its digest, changed, with the right digest.
    fn resealed(&self, change: impl Fn(&mut Vec<u8>)) -> Rejection {
        let mut content = self.bytes[..self.bytes.len() - 32].to_vec();
        change(&mut content);
        self.check(&seal(content)).unwrap_err()
    }

    fn payload(&self) -> Vec<u8> {
        let Section::RegionTree { trees, .. } = &self.certificate.sections[0] else {
            panic!("a point claim has trees");
        };
        let mut payload = vec![];
        for tree in trees {
            tree.encode_into(&mut payload).unwrap();
        }
        payload
    }
}

#[test]
fn an_accepted_file_is_canonical_and_accepted_in_every_way_of_asking() {
    let good = accepted();
    assert_eq!(Certificate::decode(&good.bytes).unwrap(), good.certificate);
    let raw = Raw::tree(0, &good.payload());
    assert_eq!(
        write(good.certificate.model, &good.claims, &[raw]),
        good.bytes
    );
    let policy = Policy::new(good.header, good.parameters.as_slice()).unwrap();
    let checked = good.check(&good.bytes).unwrap();
    assert_eq!(checked.model(), policy.digest());
    assert_eq!(Envelope::model_digest(&checked), policy.digest());
    assert_eq!(checked.claim_set(), &good.claims);
    assert!(checked.claims()[0].leaves() > 2);
    assert!(checked.contains(&[0; 16]) && !checked.contains(&[65_537; 16]));
    assert!(check(&good.model, &good.bytes, None).is_ok());
    assert!(tautline_certificates::check_policy(&policy, &good.bytes, None).is_ok());
}

#[test]
fn every_flipped_byte_is_rejected() {
    let good = accepted();
    for place in 0..good.bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bad = good.bytes.clone();
            bad[place] ^= mask;
            assert!(good.check(&bad).is_err(), "byte {place} ^ {mask:#x}");
        }
    }
}

#[test]
fn a_changed_byte_of_the_header_or_claims_is_rejected_with_the_digest_made_right() {
    let good = accepted();
    let payload = good.payload().len();
    let header = good.bytes.len() - 32 - payload;
    for place in 0..header {
        let rejection = good.resealed(|content| content[place] ^= 0x15);
        assert!(
            matches!(rejection.rule, Rule::Format | Rule::Model | Rule::Claims),
            "byte {place}: {rejection}"
        );
    }
}

#[test]
fn each_way_of_being_the_wrong_file_has_its_own_reason() {
    let good = accepted();
    let format = |bytes: &[u8]| match *good.check(bytes).unwrap_err().reason {
        Reason::Format(error) => error,
        other => panic!("{other}"),
    };
    for end in 8..good.bytes.len() {
        assert!(
            matches!(format(&good.bytes[..end]), FormatError::Truncated { got, .. } if got == end)
        );
    }
    assert!(matches!(format(b"hello"), FormatError::Magic { .. }));
    let huge = vec![0; MAX_FILE + 1];
    assert!(matches!(format(&huge), FormatError::TooLarge { .. }));
    let longer = [good.bytes.as_slice(), &[0]].concat();
    assert_eq!(format(&longer), FormatError::Trailing { got: 1 });
    let mut corrupt = good.bytes.clone();
    *corrupt.last_mut().unwrap() ^= 1;
    assert!(matches!(format(&corrupt), FormatError::Corrupt { .. }));
    let version = good.resealed(|content| content[4] = 2);
    let expected = FormatError::Version {
        expected: 1,
        got: 2,
    };
    assert_eq!(*version.reason, expected.into());
    let flags = good.resealed(|content| content[7] = 1);
    assert_eq!(*flags.reason, FormatError::Flags { got: 256 }.into());
    let claims = good.resealed(|content| content[80] ^= 1);
    let reason = *claims.reason;
    assert!(matches!(
        reason,
        Reason::Format(FormatError::ClaimsDigest { .. })
    ));
    let model = good.resealed(|content| content[9] ^= 1);
    assert!(matches!(*model.reason, Reason::WrongModel { .. }));
}

#[test]
fn another_model_and_other_claims_are_named() {
    let good = accepted();
    let mut parameters = good.parameters.clone();
    parameters[0] += 1;
    let other = file(&good.header, &parameters);
    let rejection = check(&other, &good.bytes, Some(&good.claims)).unwrap_err();
    assert!(matches!(*rejection.reason, Reason::WrongModel { .. }));
    // A certificate that names the other model is no proof about it either, or it is a true one.
    let mut claims = good.claims.clone();
    claims.claims[0].constraints[0].bound -= 1;
    let rejection = check(&good.model, &good.bytes, Some(&claims)).unwrap_err();
    assert!(matches!(*rejection.reason, Reason::WrongClaims { .. }));
    let rejection = check(b"model", &good.bytes, None).unwrap_err();
    assert_eq!(rejection.rule, Rule::Model);
}

#[test]
fn sections_must_be_the_claims_own_in_order() {
    let good = accepted();
    let (model, payload) = (good.certificate.model, good.payload());
    let tree = Raw::tree(0, &payload);
    let reason = |sections: &[Raw]| {
        let bytes = write(model, &good.claims, sections);
        match *good.check(&bytes).unwrap_err().reason {
            Reason::Format(error) => error,
            other => panic!("{other}"),
        }
    };
    let (expected, section) = (1, 0);
    assert_eq!(reason(&[]), FormatError::SectionCount { expected, got: 0 });
    let twice = [tree.clone(), tree.clone()];
    assert_eq!(
        reason(&twice),
        FormatError::SectionCount { expected, got: 2 }
    );
    let order = FormatError::SectionOrder {
        section,
        expected: 0,
        got: 1,
    };
    assert_eq!(
        reason(&[Raw {
            claim: 1,
            ..tree.clone()
        }]),
        order
    );
    let kind = FormatError::SectionKind {
        section,
        expected: 1,
        got: 2,
    };
    assert_eq!(
        reason(&[Raw {
            kind: 2,
            ..tree.clone()
        }]),
        kind
    );
    for (kind, name) in [(4, "table proof"), (0, "unknown"), (9, "unknown")] {
        let unsupported = FormatError::UnsupportedSection {
            section,
            kind,
            name,
        };
        assert_eq!(
            reason(&[Raw {
                kind,
                ..tree.clone()
            }]),
            unsupported
        );
    }
}

#[test]
fn slopes_are_counted_and_bounded_and_written_in_one_way() {
    let good = accepted();
    let model = good.certificate.model;
    let reason = |codes: &[u8], count: u16, bytes: &[u8]| {
        let payload = [&[0], count.to_le_bytes().as_slice(), codes, bytes, &[0]].concat();
        let bytes = write(model, &good.claims, &[Raw::tree(0, &payload)]);
        *good.check(&bytes).unwrap_err().reason
    };
    for got in [129, 200, 255, 128, 0] {
        let alpha = FormatError::Alpha { neuron: 1, got };
        assert_eq!(reason(&[0b1000, 0], 6, &[got]), alpha.into());
    }
    let code = FormatError::Alpha { neuron: 0, got: 3 };
    assert_eq!(reason(&[0b11, 0], 6, &[]), code.into());
    assert_eq!(reason(&[0, 0b1_0000], 6, &[]), FormatError::Padding.into());
    let count = Reason::WitnessCount {
        what: "slopes",
        expected: 6,
        got: 5,
    };
    assert_eq!(reason(&[0, 0], 5, &[]), count);
}

#[test]
fn the_guards_heavy_loss_comes_from_the_claim_of_that_name_and_is_never_laxer() {
    let header = header(1, &[], 1, Skip::None);
    let mut parameters = vec![0i16; header.parameter_count()];
    (parameters[4], parameters[12]) = (-4096, -2048);
    let heavy_loss = |name: &str, low: &str| {
        let text = format!(
            "version = 1\nfeature_table = 1\n[[claim]]\nname = \"{name}\"\nsays = \"s\"\n\
             kind = \"point\"\ngiven = {{ slow_loss = [\"{low}\", \"1\"] }}\n\
             then = [\"rate <= -0.1\"]\n"
        );
        let claims = ClaimSet::from_toml(&text, "test.toml").unwrap();
        let certificate = prove(&header, &parameters, &claims, &Node::Interval, 0).unwrap();
        let checked = check(
            &file(&header, &parameters),
            &certificate.encode().unwrap(),
            None,
        );
        checked.unwrap().heavy_loss()
    };
    assert_eq!(
        heavy_loss("backs-off-on-heavy-loss", "0.1"),
        Q16::from_units(6553)
    );
    assert_eq!(
        heavy_loss("backs-off-on-heavy-loss", "0.05"),
        Q16::from_units(3276)
    );
    assert_eq!(
        heavy_loss("backs-off-on-heavy-loss", "0.9"),
        Q16::from_units(6553)
    );
    assert_eq!(heavy_loss("another", "0.05"), Q16::from_units(6553));
}

#[test]
fn a_checked_certificate_is_shared_between_threads() {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<CheckedCertificate>();
    let good = accepted();
    let checked = good.check(&good.bytes).unwrap();
    let twin = checked.clone();
    let digest = std::thread::spawn(move || twin.model()).join().unwrap();
    assert_eq!(digest, checked.model());
}
