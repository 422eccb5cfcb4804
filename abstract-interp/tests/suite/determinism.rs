//! The same model, claim and limits give the same result on any number of threads.

use tautline_abstract_interp::{ClaimResult, Limits, Proof, Verdict, Watch, prove_claim};
use tautline_certificates::format::Node;
use tautline_core::policy::Skip;

use crate::models::{Dice, attacked_maximum, header, random_box, random_policy, rate_claim};

#[test]
fn trees_do_not_depend_on_the_number_of_threads() {
    let mut phases = 0;
    for (seed, margin) in [(1, 2000), (2, 4000), (3, -500), (4, 1000), (5, 700)] {
        let on = |threads: usize| -> ClaimResult {
            let mut dice = Dice(seed);
            let policy = random_policy(header(0, &[16, 16], 1, Skip::Linear), &mut dice);
            let sides = random_box(0, 0.2, &mut dice);
            let mut claim = rate_claim(&sides, 1, 0);
            let largest = attacked_maximum(&policy, &claim);
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
        let alone = on(1);
        assert_eq!(alone, on(2));
        assert_eq!(alone, on(7));
        if let Verdict::Holds(Proof::Trees(trees)) = &alone.verdict {
            let nodes = trees.iter().flat_map(|tree| &tree.nodes);
            phases += nodes
                .filter(|node| matches!(node, Node::PhaseSplit { .. }))
                .count();
        }
    }
    assert!(phases > 0, "no tree splits a phase");
}
