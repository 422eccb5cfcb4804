//! Models, claims and a small prover for the tests.

use proptest::prelude::*;
use tautline_certificates::claim::{Claim, ClaimKind, ClaimSet};
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::{Reason, Rejection, Step, check};
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip, encode,
};

/// A header over a feature table with hidden layers of (width, shift).
pub(crate) fn header(table: u16, hidden: &[(u16, u8)], heads: u8, skip: Skip) -> ModelHeader {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &(width, shift)) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift };
    }
    let features = FeatureTable::by_version(table).unwrap().features.len();
    ModelHeader {
        feature_table: table,
        inputs: u16::try_from(features).unwrap(),
        hidden_count: u8::try_from(hidden.len()).unwrap(),
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: heads,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    }
}

/// The bytes of a model file.
pub(crate) fn file(header: &ModelHeader, parameters: &[i16]) -> Vec<u8> {
    let mut bytes = vec![];
    encode(header, parameters, |piece| bytes.extend_from_slice(piece));
    bytes
}

/// Pseudo-random parameters below `size` in magnitude.
pub(crate) fn random_parameters(count: usize, size: i16, seed: u64) -> Vec<i16> {
    let mut state = seed | 1;
    let size = i64::from(size);
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let draw = i64::try_from(state >> 40).unwrap();
            i16::try_from(draw % (2 * size) - size).unwrap()
        })
        .collect()
}

/// Loadable models over table 0.
pub(crate) fn models() -> impl Strategy<Value = (ModelHeader, Vec<i16>)> {
    let layers = prop::collection::vec((1u16..9, 10u8..14), 0..4);
    let skip = prop_oneof![Just(Skip::None), Just(Skip::Linear)];
    (layers, 1u8..=4, skip, any::<u64>(), 1000i16..12_000)
        .prop_map(|(layers, heads, skip, seed, size)| {
            let header = header(0, &layers, heads, skip);
            let parameters = random_parameters(header.parameter_count(), size, seed);
            (header, parameters)
        })
        .prop_filter("loadable", |(header, parameters)| {
            Policy::new(*header, parameters.as_slice()).is_ok()
        })
}

/// A claim set over table 0 from the body of one claim.
pub(crate) fn claims(body: &str) -> ClaimSet {
    let text = format!(
        "version = 1\nfeature_table = 0\n[[claim]]\nname = \"claim\"\nsays = \"s\"\n{body}"
    );
    ClaimSet::from_toml(&text, "test.toml").unwrap()
}

/// Proves a claim set by splitting whatever leaf the checker rejects, at most `splits` times.
pub(crate) fn prove(
    header: &ModelHeader,
    parameters: &[i16],
    claims: &ClaimSet,
    leaf: &Node,
    splits: usize,
) -> Result<Certificate, Rejection> {
    let policy = Policy::new(*header, parameters).unwrap();
    let model = file(header, parameters);
    let section = |(number, claim): (usize, &Claim)| {
        let number = u16::try_from(number).unwrap();
        match claim.kind {
            ClaimKind::Point => Section::RegionTree {
                claim: number,
                trees: vec![
                    Tree {
                        nodes: vec![leaf.clone()]
                    };
                    claim.constraints.len()
                ],
            },
            ClaimKind::Pair { .. } | ClaimKind::Difference { .. } => Section::PairTree {
                claim: number,
                trees: vec![],
            },
        }
    };
    let mut certificate = Certificate {
        model: policy.digest(),
        claims: claims.clone(),
        sections: claims.claims.iter().enumerate().map(section).collect(),
    };
    for _ in 0..splits {
        let Err(rejection) = check(&model, &certificate.encode().unwrap(), Some(claims)) else {
            return Ok(certificate);
        };
        let (
            Step::Node {
                claim,
                constraint,
                node,
            },
            Reason::NotProven { .. },
        ) = (rejection.step, *rejection.reason.clone())
        else {
            return Err(rejection);
        };
        let Section::RegionTree { trees, .. } = &mut certificate.sections[claim] else {
            return Err(rejection);
        };
        let bounds = &claims.claims[claim].region.bounds;
        split(
            &mut trees[constraint],
            bounds,
            usize::try_from(node).unwrap(),
            leaf,
        );
    }
    check(&model, &certificate.encode().unwrap(), Some(claims)).map(|_| certificate)
}

/// Replaces a leaf by a split of its widest feature.
fn split(tree: &mut Tree, root: &[(i32, i32)], node: usize, leaf: &Node) {
    let mut open = vec![root.to_vec()];
    for before in &tree.nodes[..node] {
        let mut bounds = open.pop().unwrap();
        if let Node::Split { feature, cut } = before {
            let place = usize::from(*feature);
            let mut right = bounds.clone();
            right[place].0 = cut + 1;
            bounds[place].1 = *cut;
            open.extend([right, bounds]);
        }
    }
    let bounds = open.pop().unwrap();
    let (feature, (low, high)) = bounds
        .into_iter()
        .enumerate()
        .max_by_key(|(_, (low, high))| high - low)
        .unwrap();
    let cut = low + (high - low) / 2;
    let feature = u8::try_from(feature).unwrap();
    let replacement = [Node::Split { feature, cut }, leaf.clone(), leaf.clone()];
    tree.nodes.splice(node..=node, replacement);
}
