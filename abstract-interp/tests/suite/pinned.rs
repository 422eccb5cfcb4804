//! What training reads from the prover stays the same to the last bit: models that were trained
//! with it must come out of the trainer again.

use tautline_abstract_interp::claim::{Claim, ClaimSet, LinearConstraint};
use tautline_abstract_interp::{CornerRegion, corner_region, quick_qc};
use tautline_core::policy::{Policy, Skip, decode};

use crate::models::{
    Dice, header, random_box, random_policy, rate_claim, sampled_maximum, signed_policy,
};

/// FNV-1a over 64-bit words.
fn digest(words: impl IntoIterator<Item = u64>) -> u64 {
    let step = |hash: u64, word: u64| {
        let bytes = word.to_le_bytes().into_iter();
        bytes.fold(hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn words(corner: &CornerRegion) -> Vec<u64> {
    let ends = corner.bounds.iter().flat_map(|&(low, high)| [low, high]);
    let mut words: Vec<_> = ends.map(|end| u64::from(end as u32)).collect();
    words.extend(corner.free.iter().map(|&feature| feature as u64));
    words
}

/// Random models of many shapes, some with known signs, each with a claim about its rate.
fn cases() -> Vec<(Policy<Vec<i16>>, Claim)> {
    let shapes: [&[u16]; 6] = [&[], &[6], &[8, 8], &[10, 6, 5], &[5, 5, 5, 5], &[32, 32]];
    let case = |seed: u64| {
        let mut dice = Dice(seed);
        let (table, shape) = ((seed % 2) as u16, shapes[seed as usize % shapes.len()]);
        let skip = if seed.is_multiple_of(3) {
            Skip::None
        } else {
            Skip::Linear
        };
        let heads = 1 + (seed / 2 % 2) as u8;
        let header = header(table, shape, heads, skip);
        let policy = if seed.is_multiple_of(4) {
            signed_policy(header, &[1, 6], &mut dice)
        } else {
            random_policy(header, &mut dice)
        };
        let scale = [0.02, 0.1, 0.3][seed as usize / 6 % 3];
        let sides = random_box(table, scale, &mut dice);
        let coefficient = if seed.is_multiple_of(5) { -2 } else { 1 };
        let mut claim = rate_claim(&sides, coefficient, 0);
        if seed % 7 < 3 {
            let terms = vec![(3, 1), (4, -1)];
            claim.region.linear.push(LinearConstraint {
                terms,
                bound: 9_000,
            });
            claim.constraints[0].features.push((9, -1));
        }
        let largest = sampled_maximum(&policy, &claim, &mut dice, 300).unwrap_or(0);
        claim.constraints[0].bound = largest + dice.between(-8_000, 9_000);
        (policy, claim)
    };
    (0..90).map(case).collect()
}

#[test]
fn proven_fractions_of_random_models_are_pinned() {
    let mut results = vec![];
    for (policy, claim) in cases() {
        for boxes in [1, 40, 400] {
            results.extend(quick_qc(&policy, &claim, boxes).ok().map(f64::to_bits));
        }
    }
    let partial = results
        .iter()
        .filter(|&&bits| (0.001..0.999).contains(&f64::from_bits(bits)));
    assert_eq!(
        (partial.count(), digest(results.clone())),
        (21, 300_353_990_584_537_013)
    );
}

#[test]
fn corners_of_random_models_are_pinned() {
    let corners: Vec<_> = cases()
        .iter()
        .filter_map(|(policy, claim)| corner_region(policy, claim).ok())
        .flatten()
        .collect();
    let digest = digest(corners.iter().flat_map(words));
    assert_eq!(digest, 18_057_982_856_474_713_591);
}

/// The shipped model under the standard claims, and under bounds moved by steps of 0.02.
#[test]
fn proven_fractions_and_corners_of_the_shipped_model_are_pinned() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let bytes = std::fs::read(format!("{root}/models/demo/model.tlm")).unwrap();
    let (header, parameters) = decode(&bytes).unwrap();
    let policy = Policy::new(header, parameters.iter().collect::<Vec<_>>()).unwrap();
    let text = std::fs::read_to_string(format!("{root}/claims/standard.toml")).unwrap();
    let claims = ClaimSet::from_toml(&text, "claims/standard.toml").unwrap();
    let (mut fractions, mut corners) = (vec![], vec![]);
    for claim in &claims.claims {
        corners.extend(
            corner_region(&policy, claim)
                .unwrap()
                .iter()
                .flat_map(words),
        );
        for step in 0..8 {
            let mut tighter = claim.clone();
            tighter.constraints[0].bound -= step * 1311;
            for boxes in [1, 16, 256] {
                fractions.push(quick_qc(&policy, &tighter, boxes).unwrap());
            }
        }
    }
    let partial = fractions
        .iter()
        .filter(|&&share| (0.001..0.999).contains(&share));
    let count = partial.count();
    let fractions = digest(fractions.into_iter().map(f64::to_bits));
    assert_eq!(
        (count, fractions, digest(corners)),
        (23, 17_849_671_312_316_256_055, 6_945_691_695_829_270_961)
    );
}
