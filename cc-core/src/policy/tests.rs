use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fixed::Q16;

fn header(hidden: &[(u16, u8)], heads: u8, skip: Skip) -> ModelHeader {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &(width, shift)) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift };
    }
    ModelHeader {
        feature_table: 0,
        inputs: 16,
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

fn file(header: &ModelHeader, parameters: &[i16]) -> Vec<u8> {
    let mut bytes = vec![];
    encode(header, parameters, |piece| bytes.extend_from_slice(piece));
    bytes
}

fn random_parameters(count: usize, seed: u64) -> Vec<i16> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            i16::try_from((state >> 48) as i64 % 4096).unwrap() - 2048
        })
        .collect()
}

#[test]
fn a_network_by_hand_gives_the_values_by_hand() {
    // One hidden unit: max(0, ⌊(3·x0 − 2·x1 + 1.0·2¹⁶/2²)⌋), output −h/2 + x2 (skip) clamped.
    let header = header(&[(1, 2)], 1, Skip::Linear);
    let mut parameters = vec![0i16; header.parameter_count()];
    (parameters[0], parameters[1], parameters[16]) = (3, -2, 1);
    (parameters[17], parameters[17 + 1 + 2]) = (-2048, 4096);
    let policy = Policy::new(header, parameters).unwrap();
    let mut features = [0i32; 16];
    (features[0], features[1], features[2]) = (10, 3, 20);
    let hidden = (3 * 10 - 2 * 3 + 65_536) >> 2;
    let expected = (-2048i64 * hidden + 4096 * 20) >> 12;
    let heads = policy.forward(&features, &mut Scratch::new());
    assert_eq!(i64::from(heads[0]), expected);
    features[0] = -65_536;
    let heads = policy.forward(&features, &mut Scratch::new());
    assert_eq!(heads[0], 20, "ReLU cuts the hidden unit off");
}

#[test]
fn a_file_comes_back_as_it_was_written() {
    let header = header(&[(32, 12), (32, 11)], 4, Skip::Linear);
    let parameters = random_parameters(header.parameter_count(), 7);
    let bytes = file(&header, &parameters);
    assert_eq!(bytes.len(), encoded_len(&header));
    let (decoded, values) = decode(&bytes).unwrap();
    assert_eq!(decoded, header);
    assert_eq!(values.iter().collect::<Vec<_>>(), parameters);
    let policy = Policy::new(decoded, parameters).unwrap();
    assert_eq!(policy.digest().as_bytes(), &bytes[bytes.len() - 32..]);
}

#[test]
fn every_flipped_byte_of_a_file_is_refused() {
    let header = header(&[(4, 12)], 1, Skip::None);
    let bytes = file(&header, &random_parameters(header.parameter_count(), 3));
    for place in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[place] ^= 0x41;
        assert!(decode(&bad).is_err(), "byte {place}");
    }
}

#[test]
fn each_way_a_file_can_be_wrong_has_its_own_error() {
    let header = header(&[(4, 12)], 1, Skip::None);
    let bytes = file(&header, &random_parameters(header.parameter_count(), 3));
    assert!(matches!(
        decode(b"hello, world"),
        Err(ModelError::Magic { .. })
    ));
    assert!(matches!(decode(&[]), Err(ModelError::Magic { .. })));
    assert!(matches!(
        decode(&bytes[..40]),
        Err(ModelError::Length { .. })
    ));
    assert!(matches!(
        decode(&bytes[..bytes.len() - 1]),
        Err(ModelError::Length { .. })
    ));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(decode(&longer), Err(ModelError::Length { .. })));
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(
        decode(&newer).unwrap_err(),
        ModelError::Version {
            expected: 1,
            got: 2
        }
    );
    let mut weight = bytes.clone();
    let place = bytes.len() - 40;
    weight[place] ^= 1;
    assert!(matches!(decode(&weight), Err(ModelError::Corrupt { .. })));
    let mut table = bytes;
    table[6] = 9;
    assert_eq!(
        decode(&table).unwrap_err(),
        ModelError::UnknownFeatureTable { got: 9 }
    );
}

#[test]
fn a_model_that_could_overflow_is_refused() {
    let header = header(&[(8, 0)], 1, Skip::None);
    let parameters = vec![i16::MAX; header.parameter_count()];
    let error = Policy::new(header, parameters).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Overflow {
                layer: 0,
                neuron: 0,
                ..
            }
        ),
        "{error}"
    );
}

proptest! {
    #[test]
    fn the_forward_pass_equals_a_plain_128_bit_evaluation(
        seed in any::<u64>(),
        features in prop::array::uniform16(-65_536i32..=65_536),
    ) {
        let header = header(&[(32, 12), (32, 12)], 4, Skip::Linear);
        let parameters = random_parameters(header.parameter_count(), seed);
        let policy = Policy::new(header, parameters.clone()).unwrap();
        let mut values: Vec<i128> = features.iter().map(|&x| i128::from(x)).collect();
        let layers: Vec<_> = header.layers().collect();
        for (number, layer) in layers.iter().enumerate() {
            let output = number + 1 == layers.len();
            if output {
                values.extend(features.iter().map(|&x| i128::from(x)));
            }
            values = layer
                .rows(&parameters)
                .map(|row| {
                    let (bias, weights) = row.split_last().unwrap();
                    let products = weights.iter().zip(&values).map(|(&w, &x)| i128::from(w) * x);
                    let sum = products.sum::<i128>() + i128::from(*bias) * 65_536;
                    let z = sum.div_euclid(1 << layer.shift);
                    if output { z.clamp(-65_536, 65_536) } else { z.max(0) }
                })
                .collect();
        }
        let heads = policy.forward(&features, &mut Scratch::new());
        prop_assert_eq!(heads.map(i128::from).to_vec(), values);
    }
}
