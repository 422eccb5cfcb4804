//! The checker's semantics against the deployed program, with zero slack.

use proptest::prelude::*;
use tautline_certificates::semantics::Program;
use tautline_core::policy::{Policy, Scratch};

use crate::support::{file, models};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_checker_and_the_deployed_program_agree_bit_for_bit(
        (header, parameters) in models(),
        features in prop::collection::vec(-65_536i32..=65_536, 16),
        corner in prop::collection::vec(prop_oneof![Just(-65_536i32), Just(65_536)], 16),
    ) {
        let program = Program::decode(&file(&header, &parameters)).unwrap();
        let policy = Policy::new(header, parameters).unwrap();
        prop_assert_eq!(program.digest(), policy.digest());
        for input in [features, corner] {
            let deployed = policy.forward(&input, &mut Scratch::new());
            let own = program.evaluate(&input);
            prop_assert_eq!(own.len(), usize::from(header.head_count));
            for (own, deployed) in own.into_iter().zip(deployed) {
                prop_assert_eq!(own, i64::from(deployed));
            }
        }
    }
}
