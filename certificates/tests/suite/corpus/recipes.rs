//! How each accepted file is made.

use tautline_certificates::check;
use tautline_certificates::claim::{
    Claim, ClaimKind, ClaimSet, Constraint, Difference, LinearConstraint, Region,
};
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_core::policy::{Digest, HeadKind, Skip};

use super::{Entry, is_true};
use crate::support::{file, header};

/// Every entry.
pub(crate) fn all() -> Vec<Entry> {
    vec![
        splits(),
        intervals(),
        corner(),
        facts(),
        sign(),
        difference(),
        several(),
        phases(),
    ]
}

/// A neuron: weights by input, and the bias in units of 2⁻¹⁶.
type Neuron = (&'static [(usize, i16)], i16);

/// A model over the generic table: layers of (inputs, neurons), every shift 12.
fn network(skip: Skip, layers: &[(usize, &[Neuron])]) -> Vec<u8> {
    let (_, hidden) = layers.split_last().unwrap();
    let widths: Vec<(u16, u8)> = hidden
        .iter()
        .map(|(_, neurons)| (u16::try_from(neurons.len()).unwrap(), 12))
        .collect();
    let header = header(0, &widths, 1, skip);
    let mut parameters = vec![];
    for (inputs, neurons) in layers {
        for (weights, bias) in *neurons {
            let mut row = vec![0i16; *inputs];
            for &(at, weight) in *weights {
                row[at] = weight;
            }
            parameters.extend(row);
            parameters.push(*bias);
        }
    }
    assert_eq!(parameters.len(), header.parameter_count());
    file(&header, &parameters)
}

/// Three neurons that change phase in the region, two behind them, and a skip.
fn deep() -> Vec<u8> {
    let first: &[Neuron] = &[
        (&[(0, 8192), (1, -8192)], 0),
        (&[(0, -4096), (2, 12_288)], 1),
        (&[(0, -2000), (1, 6000)], -1),
    ];
    let second: &[Neuron] = &[(&[(0, 3000), (1, -5000)], 1), (&[(1, 4096), (2, -4096)], 0)];
    let output: &[Neuron] = &[(&[(0, 4096), (1, -2048), (2, -1024)], 0)];
    network(Skip::Linear, &[(16, first), (3, second), (18, output)])
}

/// Rises in x0, falls in x1, and does either in x2.
fn monotone() -> Vec<u8> {
    let first: &[Neuron] = &[
        (&[(0, 6000), (1, -4096), (2, 4096)], 0),
        (&[(0, 4096), (2, -8192)], 1),
    ];
    let output: &[Neuron] = &[(&[(0, 4096), (1, 2048)], 0)];
    network(Skip::None, &[(16, first), (2, output)])
}

/// max(x0 − x1, 0) − max(x0 − x1 − 16, 0), and half of max(x0 + x1 − 32, 0).
fn step() -> Vec<u8> {
    let first: &[Neuron] = &[
        (&[(0, 4096), (1, -4096)], 0),
        (&[(0, 4096), (1, -4096)], -1),
        (&[(0, 4096), (1, 4096)], -2),
    ];
    let output: &[Neuron] = &[(&[(0, 4096), (1, -4096), (2, 2048)], 0)];
    network(Skip::None, &[(16, first), (3, output)])
}

/// x0 + x1.
fn sum() -> Vec<u8> {
    let first: &[Neuron] = &[(&[(0, 4096), (1, 4096)], 0)];
    network(Skip::None, &[(16, first), (1, &[(&[(0, 4096)], 0)])])
}

/// x0, x1 and x2 in a few units, all others zero.
fn region(ends: [(i32, i32); 3]) -> Region {
    let mut bounds = vec![(0, 0); 16];
    bounds[..3].copy_from_slice(&ends);
    Region {
        bounds,
        linear: vec![],
    }
}

const SMALL: [(i32, i32); 3] = [(0, 31), (0, 31), (0, 7)];
const TINY: [(i32, i32); 3] = [(0, 7), (0, 7), (0, 3)];
/// Above every left-hand side here.
const LOOSE: i64 = 4096;

fn rate() -> Constraint {
    Constraint {
        heads: vec![(HeadKind::Rate, 1)],
        features: vec![],
        bound: LOOSE,
    }
}

fn claim(name: &str, kind: ClaimKind, region: Region, constraints: Vec<Constraint>) -> Claim {
    Claim {
        name: name.into(),
        says: "For tests.".into(),
        kind,
        region,
        constraints,
    }
}

/// The least bound of a claim's first constraint that is true.
pub(crate) fn least_true_bound(model: &[u8], claims: &ClaimSet, claim: usize) -> i64 {
    let mut one = claims.claims[claim].clone();
    one.constraints.truncate(1);
    let mut set = ClaimSet {
        feature_table: claims.feature_table,
        claims: vec![one],
        loops: vec![],
        ratios: vec![],
    };
    least(|bound| {
        set.claims[0].constraints[0].bound = bound;
        is_true(model, &set)
    })
}

fn least(mut holds: impl FnMut(i64) -> bool) -> i64 {
    let (mut low, mut high) = (-LOOSE, LOOSE);
    while low < high {
        let middle = low + (high - low).div_euclid(2);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

enum Proof {
    Point(Vec<Vec<Node>>),
    Pair(Vec<Vec<Node>>),
}

/// A certificate with the least bounds that its trees prove.
fn tightened(name: &'static str, model: Vec<u8>, claims: Vec<Claim>, proofs: Vec<Proof>) -> Entry {
    let digest = Digest::from_bytes(model[model.len() - 32..].try_into().unwrap());
    let trees = |trees: Vec<Vec<Node>>| trees.into_iter().map(|nodes| Tree { nodes }).collect();
    let sections = proofs.into_iter().enumerate().map(|(number, proof)| {
        let claim = u16::try_from(number).unwrap();
        match proof {
            Proof::Point(nodes) => Section::RegionTree {
                claim,
                trees: trees(nodes),
            },
            Proof::Pair(nodes) => Section::PairTree {
                claim,
                trees: trees(nodes),
            },
        }
    });
    let mut certificate = Certificate {
        model: digest,
        sections: sections.collect(),
        claims: ClaimSet {
            feature_table: 0,
            claims,
            loops: vec![],
            ratios: vec![],
        },
    };
    for claim in 0..certificate.claims.claims.len() {
        for constraint in 0..certificate.claims.claims[claim].constraints.len() {
            let mut with = |bound| {
                certificate.claims.claims[claim].constraints[constraint].bound = bound;
                check(&model, &certificate.encode().unwrap(), None)
            };
            let bound = least(|bound| with(bound).is_ok());
            with(bound).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        }
    }
    Entry {
        name,
        certificate: certificate.encode().unwrap(),
        model,
    }
}

fn relaxation(alpha: &[u8]) -> Node {
    Node::Relaxation {
        alpha: alpha.to_vec(),
        multipliers: vec![],
        beta: vec![],
    }
}

/// x0 and x1 halved so many times, with a leaf everywhere.
fn grid(levels: u32, leaf: &Node) -> Vec<Node> {
    fn below(x: [(i32, i32); 2], levels: u32, leaf: &Node, nodes: &mut Vec<Node>) {
        if levels == 0 {
            nodes.push(leaf.clone());
            return;
        }
        let at = usize::from(x[1].1 - x[1].0 > x[0].1 - x[0].0);
        let (low, high) = x[at];
        let cut = low + (high - low) / 2;
        let feature = u8::try_from(at).unwrap();
        nodes.push(Node::Split { feature, cut });
        for part in [(low, cut), (cut + 1, high)] {
            let mut x = x;
            x[at] = part;
            below(x, levels - 1, leaf, nodes);
        }
    }
    let mut nodes = vec![];
    below([SMALL[0], SMALL[1]], levels, leaf, &mut nodes);
    nodes
}

fn splits() -> Entry {
    let with_feature = Constraint {
        features: vec![(0, -1)],
        ..rate()
    };
    let constraints = vec![rate(), with_feature];
    let claim = claim("splits", ClaimKind::Point, region(SMALL), constraints);
    let leaf = relaxation(&[64, 128, 0, 1, 127]);
    let trees = vec![grid(3, &leaf), grid(1, &leaf)];
    tightened("splits", deep(), vec![claim], vec![Proof::Point(trees)])
}

fn intervals() -> Entry {
    let claim = claim("intervals", ClaimKind::Point, region(SMALL), vec![rate()]);
    let trees = vec![grid(3, &Node::Interval)];
    tightened("intervals", deep(), vec![claim], vec![Proof::Point(trees)])
}

fn corner() -> Entry {
    let claim = claim("corner", ClaimKind::Point, region(SMALL), vec![rate()]);
    let nodes = vec![
        Node::Split { feature: 2, cut: 3 },
        Node::Corner,
        Node::Interval,
        Node::Corner,
        relaxation(&[0, 128]),
    ];
    tightened(
        "corner",
        monotone(),
        vec![claim],
        vec![Proof::Point(vec![nodes])],
    )
}

/// x0 + x1 ≤ 20 in the region: two leaves are empty and one needs the fact.
fn facts() -> Entry {
    let mut region = region([(0, 31), (0, 31), (0, 0)]);
    region.linear.push(LinearConstraint {
        terms: vec![(0, 1), (1, 1)],
        bound: 20,
    });
    let claim = claim("facts", ClaimKind::Point, region, vec![rate()]);
    let nodes = vec![
        Node::Split {
            feature: 0,
            cut: 20,
        },
        Node::Split {
            feature: 1,
            cut: 20,
        },
        Node::Relaxation {
            alpha: vec![0],
            multipliers: vec![(0, 1 << 16)],
            beta: vec![],
        },
        Node::Empty { index: 0 },
        Node::Empty { index: 0 },
    ];
    tightened("facts", sum(), vec![claim], vec![Proof::Point(vec![nodes])])
}

fn sign() -> Entry {
    let kind = ClaimKind::Pair { raise: vec![1] };
    let claim = claim("sign", kind, region(TINY), vec![rate()]);
    tightened("sign", monotone(), vec![claim], vec![Proof::Pair(vec![])])
}

fn difference() -> Entry {
    let kind = ClaimKind::Difference {
        differ: vec![Difference {
            feature: 0,
            low: -2,
            high: 3,
        }],
        between: vec![],
    };
    let claim = claim("difference", kind, region(SMALL), vec![rate()]);
    // The difference of x0 first, then x0 and x1 of the first input.
    let leaf = relaxation(&[]);
    let halves = |feature, cut| [Node::Split { feature, cut }, leaf.clone(), leaf.clone()];
    let mut nodes = vec![Node::Split { feature: 0, cut: 0 }, leaf.clone()];
    nodes.push(Node::Split {
        feature: 16,
        cut: 15,
    });
    nodes.extend(halves(17, 15));
    nodes.extend(halves(17, 15));
    tightened(
        "difference",
        step(),
        vec![claim],
        vec![Proof::Pair(vec![nodes])],
    )
}

/// A step: one neuron rises, the next takes that back.
fn phases() -> Entry {
    let claim = claim("phases", ClaimKind::Point, region(SMALL), vec![rate()]);
    let leaf = |betas: &[u32]| Node::Relaxation {
        alpha: vec![0, 128, 128],
        multipliers: vec![],
        beta: betas.to_vec(),
    };
    let nodes = vec![
        Node::PhaseSplit { neuron: 0 },
        leaf(&[0]),
        Node::PhaseSplit { neuron: 1 },
        leaf(&[0, 1 << 16]),
        leaf(&[0, 0]),
    ];
    tightened(
        "phases",
        step(),
        vec![claim],
        vec![Proof::Point(vec![nodes])],
    )
}

fn several() -> Entry {
    let pair = ClaimKind::Pair { raise: vec![1] };
    let claims = vec![
        claim("first", ClaimKind::Point, region(TINY), vec![rate()]),
        claim("pair", pair, region(TINY), vec![rate()]),
        claim("last", ClaimKind::Point, region(SMALL), vec![rate()]),
    ];
    let proofs = vec![
        Proof::Point(vec![vec![Node::Interval]]),
        Proof::Pair(vec![]),
        Proof::Point(vec![vec![relaxation(&[64, 64])]]),
    ];
    tightened("several", monotone(), claims, proofs)
}
