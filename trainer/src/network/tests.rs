use proptest::prelude::*;
use tautline_core::features::{FEATURE_COUNT, FeatureTable, index};
use tautline_core::policy::{HeadKind, Scratch};

use super::*;
use crate::quantize;
use crate::rng::{Purpose, Stream};

fn layout() -> Layout {
    Layout::new(&[32, 32], &[HeadKind::Rate], 12).unwrap()
}

fn random_features(seed: u64, count: usize) -> Vec<[i32; FEATURE_COUNT]> {
    let table = FeatureTable::by_version(1).unwrap();
    let mut stream = Stream::new(seed, Purpose::DataSet, 0);
    (0..count)
        .map(|_| {
            core::array::from_fn(|i| {
                let feature = table.features[i];
                let (low, high) = (feature.low.units(), feature.high.units());
                low + stream.below((high - low + 1) as usize) as i32
            })
        })
        .collect()
}

fn as_matrix(samples: &[[i32; FEATURE_COUNT]]) -> Matrix {
    let reals = samples
        .iter()
        .map(|s| s.map(|v| f64::from(v) / 65_536.0))
        .collect::<Vec<_>>();
    Matrix::from_samples(&reals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_training_pass_is_bit_for_bit_the_deployed_program(seed in any::<u64>()) {
        let layout = layout();
        let weights = layout.initial(seed);
        let policy = quantize::policy(&layout, &weights).unwrap();
        let samples = random_features(seed, 50);
        let trace = forward(&layout, &weights, &as_matrix(&samples), Arithmetic::Deployed);
        let mut scratch = Scratch::new();
        for (column, sample) in samples.iter().enumerate() {
            let deployed = policy.forward(sample, &mut scratch)[0];
            let trained = trace.heads.at(0, column).clamp(-1.0, 1.0) * 65_536.0;
            prop_assert_eq!(f64::from(deployed), trained);
        }
    }
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    let layout = Layout::new(&[8, 6], &[HeadKind::Rate, HeadKind::Buffer], 12).unwrap();
    let weights = layout.initial(3);
    let features = as_matrix(&random_features(3, 20));
    // loss = Σ (head · (1 + place))² / 2
    let loss = |weights: &[f64]| {
        let trace = forward(&layout, weights, &features, Arithmetic::Real);
        let mut sum = 0.0;
        for head in 0..2 {
            for y in trace.heads.row(head) {
                sum += 0.5 * y * y * (1.0 + head as f64);
            }
        }
        (sum, trace)
    };
    let (_, trace) = loss(&weights);
    let mut upstream = trace.heads.clone();
    for y in upstream.row_mut(1) {
        *y *= 2.0;
    }
    let mut gradient = vec![0.0; layout.len()];
    backward(&layout, &trace, &upstream, &mut gradient);
    let mut moved = weights.clone();
    for place in 0..layout.len() {
        moved[place] = weights[place] + 1e-6;
        let above = loss(&moved).0;
        moved[place] = weights[place] - 1e-6;
        let below = loss(&moved).0;
        moved[place] = weights[place];
        let slope = (above - below) / 2e-6;
        let tolerance = 1e-4 * (1.0 + slope.abs());
        assert!(
            (slope - gradient[place]).abs() < tolerance,
            "weight {place}: finite difference {slope}, backward pass {}",
            gradient[place]
        );
    }
}

#[test]
fn rounding_keeps_the_sign_pattern_and_the_fairness_slope() {
    let layout = layout();
    let mut weights = layout.initial(5);
    let mut stream = Stream::new(5, Purpose::Perturbation, 0);
    for weight in &mut weights {
        *weight += stream.normal();
    }
    layout.project(&mut weights);
    let rounded = rounded(&layout, &weights);
    for (place, (&weight, &(low, high))) in rounded.iter().zip(layout.bounds()).enumerate() {
        let allowed = if high < 0.0 { -0.096 } else { high };
        assert!(
            (low..=allowed).contains(&weight),
            "weight {place} is {weight}"
        );
    }
}

#[test]
fn masked_features_have_no_effect_and_rising_ones_never_lower_the_rate() {
    let pattern = Pattern::default().masked("slow_loss").unwrap();
    let pattern = pattern.masked("acked_ratio").unwrap();
    let pattern = pattern.rising("last_step").unwrap();
    let layout = Layout::with_pattern(&[16, 16], &[HeadKind::Rate], 12, pattern).unwrap();
    let weights = layout.initial(5);
    let policy = quantize::policy(&layout, &weights).unwrap();
    let mut scratch = Scratch::new();
    let mut rate = |sample: &[i32; FEATURE_COUNT]| policy.forward(sample, &mut scratch)[0];
    let samples = random_features(5, 400);
    let mut moves = 0;
    for pair in samples.chunks_exact(2) {
        let here = rate(&pair[0]);
        for masked in [index::SLOW_LOSS, index::ACKED_RATIO] {
            let mut moved = pair[0];
            moved[masked] = pair[1][masked];
            assert_eq!(rate(&moved), here);
        }
        let mut raised = pair[0];
        raised[index::LAST_STEP] = pair[0][index::LAST_STEP].max(pair[1][index::LAST_STEP]);
        assert!(rate(&raised) >= here);
        moves += usize::from(rate(&raised) > here);
    }
    assert!(moves > 0, "the rising feature moved nothing");
    let signs = layout.header().heads[0].signs;
    assert_eq!(
        [
            signs[index::SLOW_LOSS],
            signs[index::LAST_STEP],
            signs[index::QUEUEING]
        ],
        [0, 1, -1]
    );
}
