//! The fuzz targets of `fuzz/`, fed by a seeded mutation loop over the corpus: everywhere for a short
//! time, and with `SLOW_TESTS=1` for longer.

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

use crate::corpus::recipes;
use targets::Random;

/// Inputs that reach deep, to start from: for the decoder, and for the checker.
fn seeds() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut decoded, mut checked) = (vec![], vec![]);
    for entry in recipes::all() {
        let model = &entry.model[..entry.model.len() - 32];
        let certificate = &entry.certificate[..entry.certificate.len() - 32];
        let length = u16::try_from(model.len()).unwrap().to_le_bytes();
        checked.push([length.as_slice(), model, certificate].concat());
        let claims = entry.decoded().claims.encode().unwrap();
        decoded.extend([model.to_vec(), certificate.to_vec(), claims]);
    }
    decoded.push(include_bytes!("../../../claims/standard.toml").to_vec());
    (decoded, checked)
}

/// A seed with a few bytes changed, lost, doubled, or taken from another seed.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = random.choose(seeds).clone();
    for _ in 0..=random.below(4) {
        let place = random.below(data.len().max(1));
        let end = place + random.below(data.len() - place + 1).min(16);
        match random.below(6) {
            0 if place < data.len() => data[place] ^= 1 << random.below(8),
            1 if place < data.len() => data[place] = u8::try_from(random.below(256)).unwrap(),
            2 => drop(data.drain(place..end)),
            3 => drop(data.splice(place..place, data[place..end].to_vec())),
            4 => data.truncate(end),
            _ => {
                let other = random.choose(seeds);
                let from = random.below(other.len());
                let to = (from + random.below(32)).min(other.len());
                let place = place.min(data.len());
                drop(data.splice(place..place, other[from..to].iter().copied()));
            }
        }
        if data.is_empty() {
            break;
        }
    }
    data
}

fn rounds() -> u32 {
    if std::env::var_os("SLOW_TESTS").is_some() {
        500_000
    } else {
        10_000
    }
}

#[test]
fn the_decoder_answers_mutated_files_without_a_panic_and_has_one_encoding() {
    let (seeds, _) = seeds();
    let mut random = Random(1);
    for seed in &seeds {
        targets::decode(seed);
    }
    for _ in 0..rounds() {
        targets::decode(&mutated(&seeds, &mut random));
    }
}

#[test]
fn whatever_the_checker_accepts_of_mutated_files_holds_at_random_points() {
    let (_, seeds) = seeds();
    assert!(seeds.iter().all(|seed| targets::check(seed)));
    let mut random = Random(2);
    let accepted = (0..rounds()).filter(|_| targets::check(&mutated(&seeds, &mut random)));
    // Mutations reach behind the decoder: some are still proofs.
    let accepted = accepted.count();
    assert!(accepted > 100, "{accepted}");
    println!("{accepted} of {} accepted", rounds());
}
