//! Models, networks and claims that nobody should hand in: each is refused, and none is a panic.

use proptest::prelude::*;
use tautline_certificates::claim::{Claim, Region};
use tautline_certificates::format::{Certificate, Node, Section, Tree};
use tautline_certificates::semantics::Program;
use tautline_certificates::{Reason, Rule, Step, check, check_claim};
use tautline_core::features::{Feature, FeatureTable};
use tautline_core::fixed::Q16;
use tautline_core::policy::{Digest, ModelError, ModelHeader, Policy, Skip};

use crate::raw::INTERVAL;
use crate::support::{claims, file, header, random_parameters};

/// The weights that reach furthest, by themselves, in turn, here and there, and any.
fn parameters(count: usize, pattern: u8, seed: u64) -> Vec<i16> {
    let random = random_parameters(count, i16::MAX, seed);
    let of = |(at, draw): (usize, i16)| match pattern {
        0 => i16::MAX,
        1 => i16::MIN,
        2 => [i16::MAX, i16::MIN][at % 2],
        3 if at % 97 != 0 => 0,
        _ => draw,
    };
    random.into_iter().enumerate().map(of).collect()
}

/// Every shape and shift that a header allows, the extreme ones more often than others.
fn models() -> impl Strategy<Value = (ModelHeader, Vec<i16>)> {
    let width = prop_oneof![Just(1u16), Just(128), 1u16..=128];
    let shift = || prop_oneof![Just(0u8), Just(24), 0u8..=24];
    let layers = prop_oneof![
        prop::collection::vec((width.clone(), shift()), 0..=4),
        prop::collection::vec((width, shift()), 4),
    ];
    let skip = prop_oneof![Just(Skip::None), Just(Skip::Linear)];
    (
        (0u16..=1, layers, 1u8..=4, skip, shift()),
        (0u8..5, any::<u64>()),
    )
        .prop_map(
            |((table, layers, heads, skip, output_shift), (pattern, seed))| {
                let header = ModelHeader {
                    output_shift,
                    ..header(table, &layers, heads, skip)
                };
                let parameters = parameters(header.parameter_count(), pattern, seed);
                (header, parameters)
            },
        )
}

/// A proof of what holds of every head, with leaves of both kinds.
fn certificate(program: &Program) -> Vec<u8> {
    let mut claims = claims("kind = \"point\"\nthen = [\"rate <= 1\"]\n");
    claims.feature_table = program.table().version;
    claims.claims[0].region = Region::whole(program.table());
    let leaf = Node::Relaxation {
        alpha: vec![64; program.hidden_neurons()],
        multipliers: vec![],
        beta: vec![],
    };
    let trees = vec![Tree {
        nodes: vec![
            Node::Split {
                feature: 7,
                cut: 9000,
            },
            leaf,
            Node::Interval,
        ],
    }];
    let certificate = Certificate {
        model: program.digest(),
        claims,
        sections: vec![Section::RegionTree { claim: 0, trees }],
    };
    certificate.encode().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_model_of_any_shape_and_size_of_weights_is_judged_without_a_panic(
        (header, parameters) in models(),
    ) {
        let model = file(&header, &parameters);
        let loaded = Policy::new(header, parameters).map(|policy| policy.digest());
        match Program::decode(&model) {
            Ok(program) => {
                prop_assert_eq!(loaded, Ok(program.digest()));
                // The claim is true of every head; only one that is constant earns none.
                match check(&model, &certificate(&program), None) {
                    Ok(_) => {}
                    Err(rejection) => prop_assert!(
                        matches!(*rejection.reason, Reason::ConstantHead { .. }),
                        "{rejection}"
                    ),
                }
            }
            Err(error) => {
                let overflow = matches!(error, ModelError::Overflow { .. });
                prop_assert!(overflow && loaded == Err(error), "{error} {loaded:?}");
                let rejection = check(&model, &[], None).unwrap_err();
                prop_assert_eq!(*rejection.reason, Reason::Model(error));
            }
        }
    }
}

#[test]
fn the_widest_layers_without_a_rescale_are_refused_at_the_first_neuron_beyond_32_bits() {
    let header = header(0, &[(128, 0); 3], 1, Skip::None);
    let model = file(&header, &parameters(header.parameter_count(), 0, 0));
    let rejection = check(&model, &[], None).unwrap_err();
    let overflow = ModelError::Overflow {
        layer: 0,
        neuron: 0,
        bound: -15 * 32_767 * 65_536,
    };
    assert_eq!(*rejection.reason, Reason::Model(overflow));
}

#[test]
fn a_network_has_a_header_that_fits_its_table_and_its_parameters() {
    const ONE: Feature = Feature {
        name: "x",
        low: Q16::from_units(-65_536),
        high: Q16::ONE,
        meaning: "generic",
    };
    static THREE: FeatureTable = FeatureTable {
        version: u16::MAX,
        features: &[ONE; 3],
        links: &[],
    };
    static TOO_MANY: FeatureTable = FeatureTable {
        features: &[ONE; 33],
        ..THREE
    };
    let program = |header: &ModelHeader, table| {
        let parameters = vec![1; header.parameter_count()];
        Program::new(header, table, &parameters, Digest::of(&[]))
    };
    let good = ModelHeader {
        inputs: 3,
        ..header(0, &[(2, 12)], 1, Skip::Linear)
    };
    assert_eq!(program(&good, &THREE).unwrap().evaluate(&[0; 3]), [16]);
    let inputs = |expected, got| Some(ModelError::Inputs { expected, got });
    let generic = FeatureTable::by_version(0).unwrap();
    assert_eq!(program(&good, generic).err(), inputs(16, 3));
    let wide = ModelHeader { inputs: 16, ..good };
    assert_eq!(program(&wide, &THREE).err(), inputs(3, 16));
    let wider = ModelHeader { inputs: 33, ..good };
    assert_eq!(program(&wider, &TOO_MANY).err(), inputs(32, 33));
    let bad = |change: &dyn Fn(&mut ModelHeader), field: &str| {
        let mut header = good;
        change(&mut header);
        let error = program(&header, &THREE).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    bad(&|header| header.output_shift = 64, "output shift");
    bad(&|header| header.hidden[0].shift = 25, "hidden shift");
    bad(&|header| header.hidden[0].width = 129, "hidden width");
    bad(&|header| header.hidden_count = 5, "hidden layer count");
    bad(&|header| header.head_count = 5, "head count");
    bad(&|header| header.head_count = 0, "head count");
    bad(
        &|header| (header.head_count, header.heads[1]) = (2, header.heads[0]),
        "two Rate heads",
    );
    for parameters in [vec![1; 13], vec![1; 15]] {
        let error = Program::new(&good, &THREE, &parameters, Digest::of(&[])).err();
        let (expected, got) = (14, parameters.len());
        assert_eq!(error, Some(ModelError::ParameterCount { expected, got }));
    }
}

#[test]
fn a_claim_that_no_set_can_hold_is_not_judged() {
    // rate = x0, so that the claim is false; without bounds there is no feature to refute it.
    let header = header(0, &[], 1, Skip::None);
    let mut parameters = vec![0i16; header.parameter_count()];
    parameters[0] = 4096;
    let program = Program::decode(&file(&header, &parameters)).unwrap();
    let mut claim = claims("kind = \"point\"\nthen = [\"rate <= 1\"]\n")
        .claims
        .remove(0);
    assert_eq!(check_claim(&program, 0, &claim, INTERVAL), Ok(1));
    claim.constraints[0].bound = 0;
    let proven = |claim: &Claim| check_claim(&program, 0, claim, INTERVAL);
    assert_eq!(proven(&claim).unwrap_err().rule, Rule::Interval);
    let whole = claim.region.bounds.clone();
    for bounds in [
        vec![],
        whole[..15].to_vec(),
        [whole.clone(), whole].concat(),
    ] {
        claim.region.bounds = bounds;
        let rejection = proven(&claim).unwrap_err();
        assert_eq!(
            (rejection.step, rejection.rule),
            (Step::Claims, Rule::Claims)
        );
        assert!(rejection.to_string().contains("bounds"), "{rejection}");
    }
}
