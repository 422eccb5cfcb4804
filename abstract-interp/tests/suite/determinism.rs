//! The same model, claim and limits give the same result on any number of threads.

use tautline_abstract_interp::{ClaimResult, Limits, Watch, prove_claim};
use tautline_core::policy::Skip;

use crate::models::{Dice, header, random_box, random_policy, rate_claim, sampled_maximum};

#[test]
fn trees_do_not_depend_on_the_number_of_threads() {
    for (seed, margin) in [(1, 2000), (2, 4000), (3, -500)] {
        let on = |threads: usize| -> ClaimResult {
            let mut dice = Dice(seed);
            let policy = random_policy(header(0, &[12, 12], 1, Skip::Linear), &mut dice);
            let sides = random_box(0, 0.1, &mut dice);
            let mut claim = rate_claim(&sides, 1, 0);
            let largest = sampled_maximum(&policy, &claim, &mut dice, 500).unwrap();
            claim.constraints[0].bound = largest + margin;
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let limits = Limits {
                max_boxes: 3000,
                after_violation: 300,
            };
            pool.install(|| prove_claim(&policy, &claim, &limits, Watch::none()).unwrap())
        };
        assert_eq!(on(1), on(2));
        assert_eq!(on(1), on(7));
    }
}
