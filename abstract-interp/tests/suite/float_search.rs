//! Verdicts on `f32` networks, against sampled evaluations and cases known by hand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use num_bigint::BigInt;
use num_rational::BigRational;
use tautline_abstract_interp::float::bound::Region;
use tautline_abstract_interp::float::network::{Activation, FloatNetwork, Layer};
use tautline_abstract_interp::float::property::{Case, Halfspace, Property};
use tautline_abstract_interp::float::replay::{contains, replay};
use tautline_abstract_interp::float::rounding::Rounding;
use tautline_abstract_interp::float::verdict::{Answer, Counterexample, Reason, Verdict};
use tautline_abstract_interp::float::verify::{Branching, Options, VerifyError, Watch, verify};
use tautline_abstract_interp::float::{onnx, vnnlib};

use crate::float_nets::{Draws, Kind, ORDERS, evaluate, network, point, region};

fn ratio(numerator: i64, denominator: i64) -> BigRational {
    BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
}

fn exact(value: f64) -> BigRational {
    BigRational::from_float(value).unwrap()
}

/// Σ c·y ≤ bound.
fn below(outputs: &[(usize, BigRational)], bound: BigRational) -> Halfspace {
    Halfspace {
        outputs: outputs.to_vec(),
        inputs: vec![],
        bound,
    }
}

fn property(inputs: usize, outputs: usize, cases: Vec<Case>) -> Property {
    Property {
        inputs,
        outputs,
        cases,
    }
}

fn case(input: &[(BigRational, BigRational)], unsafe_any: Vec<Vec<Halfspace>>) -> Case {
    Case {
        input: input.to_vec(),
        unsafe_any,
    }
}

/// y = x.
fn identity(rounding: Rounding) -> FloatNetwork {
    let layer = Layer {
        inputs: 1,
        outputs: 1,
        weights: vec![1.0],
        bias: vec![0.0],
        rounding,
        activations: vec![Activation::Identity],
    };
    FloatNetwork::new(1, vec![layer]).unwrap()
}

fn decide(network: &FloatNetwork, property: &Property) -> Answer {
    let options = Options {
        max_boxes: 20_000,
        ..Options::default()
    };
    verify(network, property, &options, Watch::none()).unwrap()
}

/// y = x over one box of x, against one list of conjunctions.
fn on_identity(
    rounding: Rounding,
    ends: (BigRational, BigRational),
    unsafe_any: Vec<Vec<Halfspace>>,
) -> Verdict {
    let property = property(1, 1, vec![case(&[ends], unsafe_any)]);
    decide(&identity(rounding), &property).verdict
}

fn y_below(bound: BigRational) -> Vec<Halfspace> {
    vec![below(&[(0, ratio(1, 1))], bound)]
}

/// A random question: conjunctions of one or two halfspaces whose bounds lie near sampled values.
fn question(seed: u64, kind: Kind) -> (FloatNetwork, Property, Region) {
    let mut draws = Draws(seed);
    let network = network(&[2, 8, 8, 3], kind, Rounding::AnyOrder, &mut draws);
    let region = region(2, 0.6, &mut draws);
    let samples: Vec<Vec<f32>> = (0..300)
        .map(|_| network.forward(&point(&region, &mut draws)))
        .collect();
    let mut conjunctions = vec![];
    for _ in 0..=draws.below(2) {
        let mut conjunction = vec![];
        for _ in 0..=draws.below(2) {
            let coefficients: Vec<(usize, f64)> = (0..3)
                .map(|place| (place, [1.0, -1.0, 0.5, 0.1][draws.below(4)]))
                .collect();
            let values = samples.iter().map(|sample| {
                let terms = coefficients.iter();
                terms.map(|&(place, c)| c * f64::from(sample[place])).sum()
            });
            let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value: f64| {
                (least.min(value), most.max(value))
            });
            let away = [-0.05, -0.01, 0.005, 0.1][draws.below(4)];
            let terms: Vec<(usize, BigRational)> = coefficients
                .iter()
                .map(|&(place, c)| (place, ratio((c * 10.0).round() as i64, 10)))
                .collect();
            conjunction.push(below(&terms, exact(least + away * (most - least))));
        }
        conjunctions.push(conjunction);
    }
    let ends: Vec<(BigRational, BigRational)> = region
        .input
        .iter()
        .map(|range| (exact(range.low), exact(range.high)))
        .collect();
    let property = property(2, 3, vec![case(&ends, conjunctions)]);
    (network, property, region)
}

fn is_unsafe(case: &Case, input: &[f32], output: &[f32]) -> bool {
    let mut any = case.unsafe_any.iter();
    any.any(|all| {
        all.iter()
            .all(|halfspace| contains(halfspace, input, output))
    })
}

#[test]
fn verdicts_never_contradict_what_is_sampled() {
    let (mut held, mut violated) = (0, 0);
    for seed in 0..120 {
        let kind = [Kind::Relu, Kind::Leaky, Kind::Mixed][seed as usize % 3];
        let (network, property, region) = question(seed, kind);
        let case = &property.cases[0];
        let answer = decide(&network, &property);
        let mut draws = Draws(seed + 1000);
        match &answer.verdict {
            Verdict::Holds => {
                held += 1;
                assert_eq!(answer.cases[0].proven, ratio(1, 1));
                assert_eq!(answer.cases[0].remaining, 0);
                for number in 0..1500 {
                    let input = point(&region, &mut draws);
                    let order = ORDERS[number % ORDERS.len()];
                    let layers = evaluate(&network, &input, order, &mut draws);
                    let output = &layers.last().unwrap().1;
                    assert!(!is_unsafe(case, &input, output), "{seed}: {input:?}");
                }
            }
            Verdict::Violated(found) => {
                violated += 1;
                assert_eq!(network.forward(&found.input), found.output);
                assert!(is_unsafe(case, &found.input, &found.output));
                assert_eq!(
                    replay(&network, case, &found.input),
                    Some(found.output.clone())
                );
                assert!(answer.best.unwrap().margin <= 1e-6);
            }
            Verdict::Unknown(reason) => panic!("{seed}: {reason:?} after {}", answer.boxes),
        }
    }
    assert!(held > 20 && violated > 20, "{held} {violated}");
}

#[test]
fn splits_of_phases_and_of_inputs_agree() {
    for seed in 200..240 {
        let (network, property, _) = question(seed, Kind::Relu);
        let by = |branching| {
            let options = Options {
                branching,
                max_boxes: 20_000,
                ..Options::default()
            };
            let answer = verify(&network, &property, &options, Watch::none()).unwrap();
            if answer.verdict == Verdict::Holds {
                assert_eq!(answer.cases[0].proven, ratio(1, 1));
            }
            std::mem::discriminant(&answer.verdict)
        };
        assert_eq!(by(Branching::Inputs), by(Branching::Phases), "{seed}");
    }
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    for seed in 300..306 {
        let (network, property, _) = question(seed, Kind::Mixed);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build()
                .unwrap()
                .install(|| decide(&network, &property))
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(7));
    }
}

#[test]
fn a_wish_to_stop_is_heard_before_the_search_starts() {
    let side = || (exact(0.0), exact(1.0));
    let unsafe_any = vec![y_below(exact(-1.0)); 50];
    let cases = vec![case(&[side()], unsafe_any); 50];
    let property = property(1, 1, cases);
    for allowed in [0, 7, 51, 500, 2000] {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= allowed;
        let watch = Watch {
            stop: &stop,
            ..Watch::none()
        };
        let network = identity(Rounding::AnyOrder);
        let answer = verify(&network, &property, &Options::default(), watch).unwrap();
        assert_eq!(answer.verdict, Verdict::Unknown(Reason::Stopped));
        // Nothing goes on after the first answer, and nothing was bounded: this was before.
        assert_eq!((asked.into_inner(), answer.boxes), (allowed + 1, 0));
        assert_eq!(answer.cases.len(), 50);
        assert!(answer.cases.iter().all(|status| status.remaining == 1));
    }
}

#[test]
fn coefficients_with_long_denominators_are_rounded_to_the_safe_side() {
    // Over [0, 1] the sum of y/d for odd d is at most 1 only if y is; the number is beyond f64.
    let third =
        |power: u32| BigRational::new(BigInt::from(2).pow(power), BigInt::from(3).pow(power));
    let halfspace = |bound: BigRational| Halfspace {
        outputs: vec![(0, third(700))],
        inputs: vec![(0, third(650))],
        bound,
    };
    let network = identity(Rounding::Exact);
    let side = [(exact(1.0), exact(1.0))];
    let least = third(700) + third(650);
    let decide = |bound: BigRational| {
        let property = property(1, 1, vec![case(&side, vec![vec![halfspace(bound)]])]);
        verify(&network, &property, &Options::default(), Watch::none())
            .unwrap()
            .verdict
    };
    assert!(matches!(decide(least.clone()), Verdict::Violated(_)));
    let below = &least * ratio(999_999, 1_000_000);
    assert_eq!(decide(below), Verdict::Holds);
    // Nearer than f64 can tell, it must not be proven by rounding.
    let nearest = &least + third(2000);
    assert!(matches!(decide(nearest), Verdict::Violated(_)));
}

#[test]
fn a_search_that_is_stopped_reports_what_it_has() {
    let mut draws = Draws(5);
    let network = network(&[3, 24, 24, 1], Kind::Relu, Rounding::AnyOrder, &mut draws);
    let region = region(3, 1.5, &mut draws);
    let sampled = (0..4000).map(|_| network.forward(&point(&region, &mut draws))[0]);
    let least = f64::from(sampled.fold(f32::MAX, f32::min));
    let ends: Vec<(BigRational, BigRational)> = region
        .input
        .iter()
        .map(|range| (exact(range.low), exact(range.high)))
        .collect();
    let property = property(3, 1, vec![case(&ends, vec![y_below(exact(least - 0.02))])]);
    let ask = |allowed: u32| {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= allowed;
        let watch = Watch {
            stop: &stop,
            ..Watch::none()
        };
        let answer = verify(&network, &property, &Options::default(), watch).unwrap();
        (answer, asked.load(Ordering::Relaxed))
    };
    let (answer, asked) = ask(u32::MAX);
    assert_eq!(answer.verdict, Verdict::Holds);
    // The first two questions come before the search: one for the case, one for the conjunction.
    for allowed in [2, 3, asked / 4, asked / 2, asked * 3 / 4, asked - 1] {
        let (answer, _) = ask(allowed);
        assert_eq!(answer.verdict, Verdict::Unknown(Reason::Stopped));
        let status = &answer.cases[0];
        assert!(status.remaining > 0 && status.proven < ratio(1, 1));
        let listed = status.largest.iter();
        let shares = listed.fold(status.proven.clone(), |sum, open| sum + &open.fraction);
        assert!(shares <= ratio(1, 1));
        if status.remaining == status.largest.len() {
            assert_eq!(shares, ratio(1, 1));
            // Where no region is open, inputs are proven; that is at least the fraction reported.
            let outside = (0..2000).filter(|_| {
                let input: Vec<f32> = region
                    .input
                    .iter()
                    .map(|range| (range.low + range.width() * draws.unit()) as f32)
                    .collect();
                !status.largest.iter().any(|open| {
                    let sides = open.input.iter().zip(&input);
                    sides
                        .clone()
                        .all(|((low, high), value)| low <= value && value <= high)
                })
            });
            let outside = BigRational::new(BigInt::from(outside.count()), BigInt::from(2000));
            assert!(outside + ratio(1, 20) >= status.proven);
        }
    }
}

#[test]
fn as_many_boxes_as_allowed_are_bounded() {
    let (network, property, _) = question(3, Kind::Relu);
    let options = Options {
        max_boxes: 0,
        ..Options::default()
    };
    let answer = verify(&network, &property, &options, Watch::none()).unwrap();
    assert_eq!(answer.boxes, 0);
    assert_eq!(answer.cases[0].proven, ratio(0, 1));
    assert_ne!(answer.verdict, Verdict::Holds);
}

#[test]
fn ends_are_rounded_and_boundaries_compared_exactly() {
    // The f32 next to 1/10 is above it, that next to 1/3 too.
    let tenth = f64::from(0.1f32);
    let sides = || (ratio(1, 10), ratio(1, 2));
    let violated = |value: f32, verdict: Verdict| match verdict {
        Verdict::Violated(found) => {
            assert_eq!((found.input, found.output), (vec![value], vec![value]));
        }
        other => panic!("{other:?}"),
    };
    let exactly = Rounding::Exact;
    let verdict = on_identity(exactly, sides(), vec![y_below(ratio(1, 10))]);
    assert_eq!(verdict, Verdict::Holds);
    let verdict = on_identity(exactly, sides(), vec![y_below(exact(tenth))]);
    violated(0.1, verdict);
    let just_below = exact(tenth) - ratio(1, 1 << 60);
    let any_order = on_identity(Rounding::AnyOrder, sides(), vec![y_below(just_below)]);
    assert_eq!(any_order, Verdict::Unknown(Reason::Rounding));

    let third = || (ratio(1, 3), ratio(1, 3));
    let verdict = on_identity(exactly, third(), vec![y_below(ratio(1, 3))]);
    assert_eq!(verdict, Verdict::Holds);
    let above = vec![below(&[(0, ratio(-1, 1))], ratio(-1, 3))];
    violated(1.0 / 3.0, on_identity(exactly, third(), vec![above]));
}

#[test]
fn coefficients_that_are_no_binary_fractions_are_decided() {
    let three = || (ratio(3, 1), ratio(3, 1));
    let third_of_y = |bound| vec![vec![below(&[(0, ratio(1, 3))], bound)]];
    let verdict = on_identity(Rounding::Exact, three(), third_of_y(ratio(1, 1)));
    assert!(matches!(verdict, Verdict::Violated(_)));
    let less = ratio(999_999_999, 1_000_000_000);
    let verdict = on_identity(Rounding::Exact, three(), third_of_y(less));
    assert_eq!(verdict, Verdict::Holds);
    // A coefficient whose denominator is too long for whole numbers is rounded, and that is paid for.
    let long = BigRational::new(BigInt::from(1), BigInt::from(3).pow(90));
    let times = |factor: i64| BigRational::from_integer(BigInt::from(factor)) * &long;
    let unsafe_below = |bound| vec![vec![below(&[(0, long.clone())], bound)]];
    let verdict = on_identity(Rounding::Exact, three(), unsafe_below(times(3)));
    assert!(matches!(verdict, Verdict::Violated(_)));
    let verdict = on_identity(Rounding::Exact, three(), unsafe_below(times(2)));
    assert_eq!(verdict, Verdict::Holds);
}

#[test]
fn disjunctions_and_cases_are_all_looked_at() {
    let unit = || (ratio(0, 1), ratio(1, 1));
    let above = |bound: i64| vec![below(&[(0, ratio(-1, 1))], ratio(-bound, 1))];
    let both = vec![y_below(ratio(-1, 1)), above(2)];
    assert_eq!(
        on_identity(Rounding::AnyOrder, unit(), both.clone()),
        Verdict::Holds
    );
    let mut one_more = both.clone();
    one_more.push(above(1));
    let verdict = on_identity(Rounding::AnyOrder, unit(), one_more);
    assert!(matches!(verdict, Verdict::Violated(_)));

    // Both halves of a conjunction are needed: y ≤ 1/4 and y ≥ 1/2 never hold together.
    let apart = vec![below(&[(0, ratio(1, 1))], ratio(1, 4)), above(1)[0].clone()];
    assert_eq!(
        on_identity(Rounding::AnyOrder, unit(), vec![apart]),
        Verdict::Holds
    );

    let far = (ratio(5, 1), ratio(6, 1));
    let cases = vec![case(&[unit()], both.clone()), case(&[far], both)];
    let answer = decide(&identity(Rounding::AnyOrder), &property(1, 1, cases));
    let Verdict::Violated(Counterexample { case, input, .. }) = answer.verdict else {
        panic!("{:?}", answer.verdict);
    };
    assert!(case == 1 && (5.0..=6.0).contains(&input[0]));
}

#[test]
fn nothing_unsafe_holds_and_the_empty_conjunction_is_always_unsafe() {
    let unit = || (ratio(0, 1), ratio(1, 1));
    assert_eq!(
        on_identity(Rounding::AnyOrder, unit(), vec![]),
        Verdict::Holds
    );
    let verdict = on_identity(Rounding::AnyOrder, unit(), vec![vec![]]);
    assert!(matches!(verdict, Verdict::Violated(_)));
}

#[test]
fn halfspaces_over_inputs_are_tied_to_the_outputs() {
    // y − x ≤ −1/100 never holds for y = x.
    let tied = |bound| Halfspace {
        outputs: vec![(0, ratio(1, 1))],
        inputs: vec![(0, ratio(-1, 1))],
        bound,
    };
    let unit = || (ratio(0, 1), ratio(1, 1));
    let verdict = on_identity(Rounding::AnyOrder, unit(), vec![vec![tied(ratio(-1, 100))]]);
    assert_eq!(verdict, Verdict::Holds);
    let verdict = on_identity(Rounding::AnyOrder, unit(), vec![vec![tied(ratio(0, 1))]]);
    assert!(matches!(verdict, Verdict::Violated(_)));
}

#[test]
fn questions_that_do_not_fit_are_errors() {
    let network = identity(Rounding::AnyOrder);
    let ask = |property: &Property| {
        verify(&network, property, &Options::default(), Watch::none()).unwrap_err()
    };
    let unit = || (ratio(0, 1), ratio(1, 1));
    let good = case(&[unit()], vec![y_below(ratio(0, 1))]);
    assert_eq!(
        ask(&property(2, 1, vec![good.clone()])),
        VerifyError::Shape {
            field: "inputs",
            expected: 2,
            got: 1
        }
    );
    let beyond = case(
        &[unit()],
        vec![vec![below(&[(1, ratio(1, 1))], ratio(0, 1))]],
    );
    assert_eq!(
        ask(&property(1, 1, vec![beyond])),
        VerifyError::Case {
            case: 0,
            field: "outputs",
            expected: 1,
            got: 1
        }
    );
    let empty = case(&[(ratio(1, 1), ratio(0, 1))], vec![]);
    assert_eq!(
        ask(&property(1, 1, vec![good.clone(), empty])),
        VerifyError::Empty { case: 1, input: 0 }
    );
    let far = case(&[(ratio(0, 1), exact(1e39))], vec![]);
    assert_eq!(
        ask(&property(1, 1, vec![far])),
        VerifyError::Range { case: 0, input: 0 }
    );
    let huge = case(&[(ratio(0, 1), exact(3.0e38))], vec![]);
    assert_eq!(
        ask(&property(1, 1, vec![huge])),
        VerifyError::Overflow { case: 0, layer: 0 }
    );
}

/// `$TAUTLINE_SHARED_DATA/vnn`, or `../shared/data/vnn` beside the repository.
fn benchmark(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("TAUTLINE_SHARED_DATA")
        .map_or_else(|| root.join("shared/data"), PathBuf::from);
    let folder = data.join("vnn").join(name);
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: no benchmark in {}", folder.display());
    None
}

fn decide_file(folder: &Path, network: &str, property: &str) -> Answer {
    let read = |name: String| std::fs::read(folder.join(name)).unwrap();
    let network = onnx::read(&read(format!("onnx/{network}.onnx"))).unwrap();
    let property = vnnlib::read(&read(format!("vnnlib/{property}.vnnlib"))).unwrap();
    decide(&network, &property)
}

#[test]
fn known_instances_of_acas_xu_are_decided() {
    let Some(folder) = benchmark("acasxu") else {
        return;
    };
    for (network, property, holds) in [
        ("1_1", "prop_3", true),
        ("1_1", "prop_5", true),
        ("3_3", "prop_9", true),
        ("4_5", "prop_10", true),
        ("1_9", "prop_7", false),
        ("2_9", "prop_8", false),
        ("5_3", "prop_2", false),
    ] {
        let file = format!("ACASXU_run2a_{network}_batch_2000");
        let answer = decide_file(&folder, &file, property);
        let as_expected = match answer.verdict {
            Verdict::Holds => holds,
            Verdict::Violated(_) => !holds,
            Verdict::Unknown(_) => false,
        };
        assert!(as_expected, "{network} {property}: {:?}", answer.verdict);
    }
}

#[test]
fn instances_that_a_tool_had_wrong_are_violated() {
    let Some(folder) = benchmark("rl_benchmarks_2022") else {
        return;
    };
    for number in [68, 71, 73] {
        let property = format!("dubinsrejoin_case_unsafe_{number}");
        let answer = decide_file(&folder, "dubinsrejoin", &property);
        assert!(matches!(answer.verdict, Verdict::Violated(_)), "{number}");
    }
}
