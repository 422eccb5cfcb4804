//! Phase splits and relaxations under phases, used well and badly.

use tautline_certificates::claim::ClaimSet;
use tautline_certificates::format::FormatError;
use tautline_certificates::{CheckedCertificate, Reason, Rejection, Rule, Step, check};
use tautline_core::policy::{Policy, Skip};

use crate::raw::{CORNER, INTERVAL, Raw, write};
use crate::support::{claims, file, header};

/// Two neurons, each `Σ weight·x` over x0 and x1, and the rate as a sum of their activations;
/// weights count 1/4096.
#[derive(Clone, Copy)]
struct Model {
    neurons: [[i16; 2]; 2],
    rate: [i16; 2],
}

/// The rate is `relu(x0) − relu(x0)`: zero, which lines alone do not see.
const ZERO: Model = Model {
    neurons: [[4096, 0], [4096, 0]],
    rate: [4096, -4096],
};

/// The rate is `relu((x1 − x0)/2)`, and both neurons are that before the ReLU.
const HALF: Model = Model {
    neurons: [[-2048, 2048], [-2048, 2048]],
    rate: [0, 4096],
};

fn check_tree(
    model: Model,
    claims: &ClaimSet,
    nodes: &[&[u8]],
) -> Result<CheckedCertificate, Rejection> {
    let header = header(0, &[(2, 12)], 1, Skip::None);
    let mut parameters = vec![0i16; header.parameter_count()];
    for (neuron, weights) in model.neurons.iter().enumerate() {
        parameters[17 * neuron..][..2].copy_from_slice(weights);
    }
    parameters[34..36].copy_from_slice(&model.rate);
    let policy = Policy::new(header, parameters.as_slice()).unwrap();
    let bytes = write(policy.digest(), claims, &[Raw::tree(0, &nodes.concat())]);
    check(&file(&header, &parameters), &bytes, Some(claims))
}

#[track_caller]
fn rejected(
    model: Model,
    claims: &ClaimSet,
    nodes: &[&[u8]],
    node: u64,
    rule: Rule,
    reason: &Reason,
) {
    let rejection = check_tree(model, claims, nodes).unwrap_err();
    let (claim, constraint) = (0, 0);
    let step = Step::Node {
        claim,
        constraint,
        node,
    };
    assert_eq!(
        (rejection.step, rejection.rule, &*rejection.reason),
        (step, rule, reason),
        "{rejection}"
    );
}

fn phase(neuron: u16) -> Vec<u8> {
    [&[5], neuron.to_le_bytes().as_slice()].concat()
}

/// A relaxation with the codes of two slopes, 0 for zero and 1 for one.
fn leaf(codes: [u8; 2], beta: &[u32]) -> Vec<u8> {
    let tag = if beta.is_empty() { 0 } else { 6 };
    let mut node = vec![tag, 2, 0, codes[0] | codes[1] << 2, 0];
    if !beta.is_empty() {
        node.extend(u16::try_from(beta.len()).unwrap().to_le_bytes());
    }
    node.extend(beta.iter().flat_map(|beta| beta.to_le_bytes()));
    node
}

fn zero_claim(given: &str) -> ClaimSet {
    claims(&format!(
        "kind = \"point\"\ngiven = {{ {given} }}\nthen = [\"rate <= 0\"]\n"
    ))
}

#[test]
fn a_phase_split_proves_what_lines_alone_do_not() {
    let claims = zero_claim("");
    let alone = check_tree(ZERO, &claims, &[&leaf([0, 0], &[])]).unwrap_err();
    assert!(matches!(*alone.reason, Reason::NotProven { reached, .. } if reached > 30_000));
    let tree = [phase(0), leaf([0, 0], &[0]), leaf([0, 1], &[0])].concat();
    let checked = check_tree(ZERO, &claims, &[&tree]).unwrap();
    assert_eq!(checked.claims()[0].leaves(), 2);
    // With the other slope, the right side is not proven.
    let tree = [phase(0), leaf([0, 0], &[0]), leaf([0, 0], &[0])].concat();
    let reason = Reason::NotProven {
        reached: 65_536,
        bound: 0,
    };
    rejected(ZERO, &claims, &[&tree], 2, Rule::Relaxation, &reason);
    // Both phases on one path, and back: the left side has one of them.
    let right = [phase(1), leaf([0, 0], &[0, 0]), leaf([0, 0], &[0, 0])].concat();
    let tree = [phase(0), leaf([0, 0], &[0]), right].concat();
    let reason = Reason::NotProven {
        reached: 65_536,
        bound: 0,
    };
    rejected(ZERO, &claims, &[&tree], 3, Rule::Relaxation, &reason);
}

#[test]
fn a_multiplier_carries_what_a_phase_says_to_another_neuron() {
    let claims = claims("kind = \"point\"\nthen = [\"rate <= 0.6\"]\n");
    // Where (x1 − x0)/2 is at most 0, so is the rate; one half of that is worth one half here.
    let tree = |beta| [phase(0), leaf([0, 0], &[beta]), INTERVAL.to_vec()].concat();
    let reason = |reached| Reason::NotProven {
        reached,
        bound: 39_321,
    };
    rejected(
        HALF,
        &claims,
        &[&tree(0)],
        1,
        Rule::Relaxation,
        &reason(65_536),
    );
    rejected(
        HALF,
        &claims,
        &[&tree(4096)],
        1,
        Rule::Relaxation,
        &reason(61_440),
    );
    // Proven on the left; on the right the claim is false.
    rejected(
        HALF,
        &claims,
        &[&tree(1 << 15)],
        2,
        Rule::Interval,
        &reason(65_536),
    );
    // Too much of it is no proof either.
    rejected(
        HALF,
        &claims,
        &[&tree(1 << 16)],
        1,
        Rule::Relaxation,
        &reason(65_536),
    );
}

#[test]
fn a_phase_that_no_point_is_in_leaves_nothing_to_prove() {
    let claims = zero_claim("x0 = [\"-1\", \"-0.5\"]");
    let tree = [phase(0), leaf([0, 0], &[0]), leaf([0, 0], &[7])].concat();
    assert_eq!(
        check_tree(ZERO, &claims, &[&tree]).unwrap().claims()[0].leaves(),
        2
    );
    let vacuous = claims_about_nothing();
    let tree = [phase(0), leaf([0, 0], &[0]), leaf([0, 0], &[0])].concat();
    let rejection = check_tree(ZERO, &vacuous, &[&tree]).unwrap_err();
    assert!(
        matches!(*rejection.reason, Reason::NotProven { .. }),
        "{rejection}"
    );
    let empty = [phase(0).as_slice(), &[3, 0], &[3, 0]].concat();
    rejected(ZERO, &vacuous, &[&empty], 2, Rule::Empty, &Reason::Vacuous);
}

/// A false claim about a region without a point.
fn claims_about_nothing() -> ClaimSet {
    claims("kind = \"point\"\nwhere = [\"x0 <= -2\"]\nthen = [\"rate <= -0.5\"]\n")
}

#[test]
fn a_witness_weighs_exactly_the_phases_on_its_path() {
    let claims = zero_claim("");
    let count = |expected, got| Reason::WitnessCount {
        what: "phases",
        expected,
        got,
    };
    let none = [phase(0), leaf([0, 0], &[])].concat();
    rejected(ZERO, &claims, &[&none], 1, Rule::Relaxation, &count(1, 0));
    let one = leaf([0, 0], &[0]);
    rejected(ZERO, &claims, &[&one], 0, Rule::Relaxation, &count(0, 1));
    // The right child has one phase on its path, not the left one's as well.
    let two = [phase(0), leaf([0, 0], &[0]), leaf([0, 1], &[0, 0])].concat();
    rejected(ZERO, &claims, &[&two], 2, Rule::Relaxation, &count(1, 2));
    let tagged = [phase(0), vec![6, 2, 0, 0, 0, 0, 0]].concat();
    let reason = FormatError::NoBeta.into();
    rejected(ZERO, &claims, &[&tagged], 1, Rule::Format, &reason);
}

#[test]
fn a_phase_split_names_a_neuron_of_the_model_once_per_path() {
    let claims = zero_claim("");
    let (neuron, neurons) = (2, 2);
    let reason = Reason::PhaseNeuron { neuron, neurons };
    rejected(ZERO, &claims, &[&phase(2)], 0, Rule::PhaseSplit, &reason);
    let reason = Reason::PhaseFixed { neuron: 1 };
    let tree = [phase(1), phase(0), phase(1)].concat();
    rejected(ZERO, &claims, &[&tree], 2, Rule::PhaseSplit, &reason);
    // Beside it, the neuron is free again.
    let side = |codes| [phase(1), leaf(codes, &[0, 0]), leaf(codes, &[0, 0])].concat();
    let tree = [phase(0), side([0, 0]), side([0, 0])].concat();
    let rejection = check_tree(ZERO, &claims, &[&tree]).unwrap_err();
    // Right, then left: the neurons are equal, so no point is there, but only the bounds of x tell.
    let node = 5;
    let (claim, constraint) = (0, 0);
    assert_eq!(
        rejection.step,
        Step::Node {
            claim,
            constraint,
            node
        },
        "{rejection}"
    );
}

#[test]
fn phases_may_be_split_below_a_corner_but_not_above_one() {
    let claims = zero_claim("");
    let proof = [phase(0), leaf([0, 0], &[0]), leaf([0, 1], &[0])].concat();
    assert!(check_tree(ZERO, &claims, &[CORNER, &proof]).is_ok());
    let under = Rule::PhaseSplit;
    let reason = Reason::Misplaced { under };
    let tree = [phase(0).as_slice(), CORNER].concat();
    rejected(ZERO, &claims, &[&tree], 1, Rule::Corner, &reason);
}
