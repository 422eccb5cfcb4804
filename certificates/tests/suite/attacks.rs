//! False claims that were once accepted, or could have been: each must be rejected for good.

use std::cell::Cell;

use tautline_certificates::claim::{
    Claim, ClaimKind, ClaimSet, Constraint, LinearConstraint, Region,
};
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::semantics::Program;
use tautline_certificates::{Reason, check, check_policy};
use tautline_core::features::FeatureTable;
use tautline_core::guard::{DEFAULT_HEAVY_LOSS, Envelope as _};
use tautline_core::policy::{Digest, HeadKind, ModelHeader, Policy, Skip};

use crate::support::{file, header};

fn certificate(model: Digest, claims: &ClaimSet, node: Node) -> Vec<u8> {
    let trees = vec![Tree { nodes: vec![node] }];
    let sections = vec![Section::RegionTree { claim: 0, trees }];
    Certificate {
        model,
        claims: claims.clone(),
        sections,
    }
    .encode()
    .unwrap()
}

fn one_claim(feature_table: u16, given: &str, then: &str) -> ClaimSet {
    let text = format!(
        "version = 1\nfeature_table = {feature_table}\n[[claim]]\nname = \"attack\"\n\
         kind = \"point\"\nsays = \"attack\"\n{given}\nthen = [{then:?}]\n"
    );
    ClaimSet::from_toml(&text, "attack.toml").unwrap()
}

fn with_output_shift(header: ModelHeader, output_shift: u8) -> ModelHeader {
    ModelHeader {
        output_shift,
        ..header
    }
}

#[test]
fn a_coefficient_of_minus_two_to_the_127_does_not_wrap_around() {
    // −2³¹ · (2¹⁴)⁴ · (2¹⁰)⁴ = −2¹²⁷, and the first layer multiplies it by −1.
    let header = header(0, &[(1, 0), (1, 1), (1, 14), (1, 14)], 1, Skip::None);
    let header = with_output_shift(header, 14);
    let mut parameters = vec![0i16; 17];
    (parameters[0], parameters[1]) = (-1, 1);
    for _ in 0..4 {
        parameters.extend([1 << 14, 0]);
    }
    let model = file(&header, &parameters);
    let claims = one_claim(
        0,
        "given = { x0 = [\"0\", \"0.000015259\"], x1 = [\"0.000015259\", \"0.000015259\"] }",
        "2147.483648*rate >= 134.217728",
    );
    let program = Program::decode(&model).unwrap();
    let mut features = vec![0i32; 16];
    (features[0], features[1]) = (1, 1);
    assert_eq!(program.evaluate(&features), [0], "the claim is false here");
    let node = Node::Relaxation {
        alpha: vec![128; 4],
        multipliers: vec![],
        beta: vec![],
    };
    let file = certificate(program.digest(), &claims, node);
    let rejection = check(&model, &file, Some(&claims)).unwrap_err();
    assert!(
        matches!(*rejection.reason, Reason::NotProven { .. }),
        "{rejection}"
    );
}

#[test]
fn a_facts_weight_of_minus_two_to_the_127_is_not_negated_into_another_number() {
    let header = with_output_shift(header(1, &[(1, 17); 3], 1, Skip::Linear), 0);
    let mut parameters = vec![0i16; 13 + 2 + 2];
    let mut output = vec![0i16; 14];
    (output[1 + 11], output[1 + 3]) = (i16::MIN, 1 << 14);
    parameters.extend(output);
    let model = file(&header, &parameters);
    let table = FeatureTable::by_version(1).unwrap();
    let mut region = Region::whole(table);
    for feature in [3, 4, 5] {
        region.bounds[feature] = (1, 1);
    }
    region.bounds[11].0 = 1;
    let terms = vec![(4, 1 << 30), (5, 1 << 30), (11, -(1i64 << 31))];
    region.linear = vec![LinearConstraint { terms, bound: 0 }];
    let bound = -(1i64 << 45) - 1;
    let heads = vec![(HeadKind::Rate, 1 << 31)];
    let claim = Claim {
        name: "attack".into(),
        says: "attack".into(),
        kind: ClaimKind::Point,
        region,
        constraints: vec![Constraint {
            heads,
            features: vec![],
            bound,
        }],
    };
    let claims = ClaimSet {
        feature_table: 1,
        claims: vec![claim],
        loops: vec![],
        ratios: vec![],
    };
    let program = Program::decode(&model).unwrap();
    let mut point: Vec<i32> = table.features.iter().map(|f| f.low.units()).collect();
    (point[3], point[4], point[5], point[11]) = (1, 1, 1, 1);
    (point[7], point[8]) = (20_000, 10_000);
    assert!(table.contains(&point) && claims.claims[0].region.contains(&point));
    assert!(
        program.evaluate(&point)[0] << 31 > bound,
        "the claim is false here"
    );
    let node = Node::Relaxation {
        alpha: vec![0; 3],
        multipliers: vec![(3, 1 << 31)],
        beta: vec![],
    };
    let file = certificate(program.digest(), &claims, node);
    let rejection = check(&model, &file, Some(&claims)).unwrap_err();
    assert!(
        matches!(
            *rejection.reason,
            Reason::NotProven { .. } | Reason::Overflow
        ),
        "{rejection}"
    );
}

/// Parameters that change after they were looked at once.
struct Shifty {
    first: Vec<i16>,
    later: Vec<i16>,
    asked: Cell<u32>,
}

impl AsRef<[i16]> for Shifty {
    fn as_ref(&self) -> &[i16] {
        let asked = self.asked.replace(self.asked.get() + 1);
        if asked == 0 { &self.first } else { &self.later }
    }
}

#[test]
fn parameters_that_change_do_not_lend_their_certificate_to_others() {
    let header = with_output_shift(header(0, &[], 1, Skip::None), 14);
    let mut good = vec![0i16; 17];
    good[0] = 1 << 13;
    let mut bad = good.clone();
    bad[0] = 1 << 14;
    let bad_policy = Policy::new(header, bad.clone()).unwrap();
    let asked = Cell::new(0);
    let shifty = Policy::new(
        header,
        Shifty {
            first: bad,
            later: good,
            asked,
        },
    )
    .unwrap();
    assert_eq!(shifty.digest(), bad_policy.digest());
    let claims = one_claim(0, "", "rate <= 0.5");
    let node = Node::Relaxation {
        alpha: vec![],
        multipliers: vec![],
        beta: vec![],
    };
    let file = certificate(bad_policy.digest(), &claims, node);
    assert!(check_policy(&shifty, &file, Some(&claims)).is_err());
}

#[test]
fn a_claim_about_no_input_proves_nothing() {
    let header = with_output_shift(header(1, &[], 1, Skip::Linear), 14);
    let mut parameters = vec![0i16; 25];
    parameters[0] = 1 << 14;
    let model = file(&header, &parameters);
    // The links of the table have x_s ≤ x.
    let given = "given = { queueing = [\"0\", \"0.1\"], standing_queue = [\"1\", \"2\"] }";
    let claims = one_claim(1, given, "rate <= -0.9");
    let program = Program::decode(&model).unwrap();
    let file = certificate(program.digest(), &claims, Node::Empty { index: 0 });
    let rejection = check(&model, &file, Some(&claims)).unwrap_err();
    assert_eq!(*rejection.reason, Reason::Vacuous);
}

#[test]
fn a_claim_of_the_right_name_moves_the_heavy_loss_bound_only_if_it_proves_that_much() {
    let header = with_output_shift(header(1, &[], 1, Skip::Linear), 14);
    let mut parameters = vec![0i16; 25];
    parameters[24] = -(1 << 14);
    let model = file(&header, &parameters);
    let program = Program::decode(&model).unwrap();
    let loss_from = |given: &str| {
        let mut claims = one_claim(1, given, "rate <= -0.1");
        claims.claims[0].name = "backs-off-on-heavy-loss".into();
        let file = certificate(program.digest(), &claims, Node::Interval);
        check(&model, &file, Some(&claims))
            .map(|checked| checked.heavy_loss())
            .unwrap_err()
    };
    // A constant head earns no claim at all.
    assert!(!loss_from("").to_string().is_empty());
    let mut moving = parameters.clone();
    moving[9] = -1;
    let model = file(&header, &moving);
    let program = Program::decode(&model).unwrap();
    for (given, expected) in [
        ("given = { slow_loss = [\"0.05\", \"1\"] }", 3276),
        (
            "given = { slow_loss = [\"0.2\", \"1\"] }",
            DEFAULT_HEAVY_LOSS.units(),
        ),
        (
            "given = { slow_loss = [\"0.05\", \"1\"], queueing = [\"0.5\", \"2\"] }",
            DEFAULT_HEAVY_LOSS.units(),
        ),
    ] {
        let mut claims = one_claim(1, given, "rate <= -0.1");
        claims.claims[0].name = "backs-off-on-heavy-loss".into();
        let file = certificate(program.digest(), &claims, Node::Interval);
        let checked = check(&model, &file, Some(&claims)).unwrap();
        assert_eq!(checked.heavy_loss().units(), expected, "{given}");
    }
}
