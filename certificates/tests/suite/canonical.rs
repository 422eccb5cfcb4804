//! One certificate has one file: whatever decodes is what encoding writes.

use proptest::prelude::*;
use tautline_certificates::check;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::{Certificate, FormatError, Node, Section, Tree};
use tautline_core::policy::{Policy, Skip};

use crate::raw::{Raw, write};
use crate::support::{claims, file, header, random_parameters};

fn leaf() -> impl Strategy<Value = Node> {
    let multipliers = prop::collection::btree_map(any::<u8>(), 1u32.., 0..4);
    let alpha = prop::collection::vec(0u8..=128, 0..9);
    prop_oneof![
        (alpha, multipliers).prop_map(|(alpha, multipliers)| Node::Relaxation {
            alpha,
            multipliers: multipliers.into_iter().collect(),
            beta: vec![],
        }),
        any::<u8>().prop_map(|index| Node::Empty { index }),
        Just(Node::Interval),
    ]
}

/// Pre-order nodes of complete trees.
fn nodes() -> impl Strategy<Value = Vec<Node>> {
    leaf()
        .prop_map(|leaf| vec![leaf])
        .prop_recursive(6, 60, 2, |inner| {
            prop_oneof![
                (any::<u8>(), any::<i32>(), inner.clone(), inner.clone()).prop_map(
                    |(feature, cut, left, right)| {
                        [vec![Node::Split { feature, cut }], left, right].concat()
                    }
                ),
                inner.prop_map(|below| [vec![Node::Corner], below].concat()),
            ]
        })
}

fn one_claim() -> ClaimSet {
    claims("kind = \"point\"\nthen = [\"rate <= 1\"]\n")
}

fn certificate(nodes: Vec<Node>) -> Certificate {
    let header = header(0, &[(3, 12)], 1, Skip::Linear);
    let parameters = random_parameters(header.parameter_count(), 1800, 3);
    Certificate {
        model: Policy::new(header, parameters).unwrap().digest(),
        claims: one_claim(),
        sections: vec![Section::RegionTree {
            claim: 0,
            trees: vec![Tree { nodes }],
        }],
    }
}

proptest! {
    #[test]
    fn every_tree_comes_back_from_its_bytes(nodes in nodes()) {
        let certificate = certificate(nodes);
        let bytes = certificate.encode().unwrap();
        prop_assert_eq!(Certificate::decode(&bytes).unwrap(), certificate);
    }

    #[test]
    fn what_decodes_is_what_encoding_writes(
        nodes in nodes(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
        insert in any::<bool>(),
    ) {
        let certificate = certificate(nodes);
        let Section::RegionTree { trees, .. } = &certificate.sections[0] else {
            panic!("a point claim has trees");
        };
        let mut payload = vec![];
        trees[0].encode_into(&mut payload).unwrap();
        let place = place.index(payload.len());
        if insert {
            payload.insert(place, byte);
        } else {
            payload[place] = byte;
        }
        let bytes = write(certificate.model, &certificate.claims, &[Raw::tree(0, &payload)]);
        if let Ok(decoded) = Certificate::decode(&bytes) {
            prop_assert_eq!(decoded.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn arbitrary_payloads_are_answered_without_a_panic(
        payload in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..200),
    ) {
        let header = header(0, &[(3, 12)], 1, Skip::Linear);
        let parameters = random_parameters(header.parameter_count(), 1800, 3);
        let digest = Policy::new(header, parameters.as_slice()).unwrap().digest();
        let bytes = write(digest, &one_claim(), &[Raw::tree(0, &payload)]);
        // The claim is true, so an acceptance is right too; it must then be the one encoding.
        if check(&file(&header, &parameters), &bytes, None).is_ok() {
            let decoded = Certificate::decode(&bytes).unwrap();
            prop_assert_eq!(decoded.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn trees_that_are_not_trees_are_not_written() {
    let shape = |nodes: Vec<Node>| certificate(nodes).encode().unwrap_err();
    let (expected, got) = (1, 0);
    assert_eq!(shape(vec![]), FormatError::Shape { expected, got });
    let split = Node::Split { feature: 0, cut: 0 };
    let (expected, got) = (3, 2);
    let missing = vec![split, Node::Interval];
    assert_eq!(shape(missing), FormatError::Shape { expected, got });
    let (expected, got) = (1, 2);
    let extra = vec![Node::Interval, Node::Interval];
    assert_eq!(shape(extra), FormatError::Shape { expected, got });
    let alpha = Node::Relaxation {
        alpha: vec![0, 129],
        multipliers: vec![],
        beta: vec![],
    };
    let (neuron, got) = (1, 129);
    assert_eq!(shape(vec![alpha]), FormatError::Alpha { neuron, got });
}
