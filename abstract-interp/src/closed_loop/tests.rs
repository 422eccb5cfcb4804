//! The prover's images against the controller itself, and its ranks against their definition.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use proptest::prelude::*;
use tautline_certificate_format::claim::ClaimSet;
use tautline_certificate_format::closed_loop::{
    Buffer, Cell, Grid, LoopBounds, LoopClaim, MEMORY_MAX, PathFamily, Slice,
};
use tautline_certificate_format::format::{Certificate, Section};
use tautline_certificates::closed_loop::{CheckedLoop, LoopChecker};
use tautline_certificates::{Rejection, Rule};
use tautline_core::features::{FEATURE_COUNT, LOG_WINDOW_MAX, LOG_WINDOW_MIN, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::guard::{UncheckedEnvelope, Usage, rule};
use tautline_core::observe::{Memory, Observation, View};
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Scratch,
    Skip, decode, encode,
};
use tautline_core::units::Bytes;

use super::image::{Image, RowAt, Step};
use super::path::Paths;
use super::ranks::{Ranked, SliceWatch, rank};
use super::*;

const ONE: i32 = 1 << 16;
const GAIN: i32 = 9216;
const JITTER: u32 = 3277;

fn header(hidden: &[u16], skip: Skip) -> ModelHeader {
    let mut layers = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in layers.iter_mut().zip(hidden) {
        *layer = Hidden { width, shift: 12 };
    }
    ModelHeader {
        feature_table: 1,
        inputs: FEATURE_COUNT as u16,
        hidden_count: hidden.len() as u8,
        hidden: layers,
        output_shift: 12,
        skip,
        head_count: 1,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: Q16::from_units(GAIN),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(JITTER as i32),
        cadence: Cadence::EveryRound,
    }
}

/// How the rate moves with each feature in these tests; zero for those that it does not read.
const SIGNS: [i32; FEATURE_COUNT] = [-1, -1, -1, -1, 0, -1, 0, -1, -1, 1, 0, 0];

/// min(1.25·(T − x̂), …) as one affine map: it settles.
fn linear_law() -> Policy<Vec<i16>> {
    let mut row = [0i16; FEATURE_COUNT + 1];
    row[index::STANDING_QUEUE] = -4096;
    row[index::QUEUEING_EWMA] = -1024;
    row[index::LOSS] = -12_000;
    row[index::LOG_WINDOW] = -819;
    row[index::OWN_QUEUE] = -205;
    row[index::LAST_STEP] = 410;
    row[FEATURE_COUNT] = 3_500;
    Policy::new(header(&[], Skip::None), row.to_vec()).unwrap()
}

/// A network of two hidden layers whose paths all have the signs above.
fn monotone_net(weights: &[u16], bias: &[i8]) -> Policy<Vec<i16>> {
    const WIDTH: usize = 6;
    let mut weights = weights
        .iter()
        .cycle()
        .map(|&weight| i32::from(weight % 4096));
    let mut bias = bias.iter().cycle().map(|&bias| i32::from(bias) * 24);
    let kind = |unit: usize| if unit.is_multiple_of(2) { 1 } else { -1 };
    let mut parameters = vec![];
    let mut push = |value: i32| parameters.push(value as i16);
    for unit in 0..WIDTH {
        for sign in SIGNS {
            push(sign * kind(unit) * weights.next().unwrap());
        }
        push(bias.next().unwrap());
    }
    for unit in 0..WIDTH {
        for below in 0..WIDTH {
            push(kind(unit) * kind(below) * weights.next().unwrap() / 2);
        }
        push(bias.next().unwrap());
    }
    for below in 0..WIDTH {
        push(kind(below) * weights.next().unwrap() / 4);
    }
    for sign in SIGNS {
        push(sign * weights.next().unwrap() / 8);
    }
    push(bias.next().unwrap());
    let header = header(&[WIDTH as u16, WIDTH as u16], Skip::Linear);
    Policy::new(header, parameters).unwrap()
}

fn grid(width: u16, low: i32, high: i32, averages: i32) -> Grid {
    Grid {
        low,
        width,
        windows: ((high - low) / i32::from(width)) as u16,
        reach: (GAIN as u16).div_ceil(width << 8),
        falls: 2,
        memory: (0..=averages)
            .map(|edge| edge * (MEMORY_MAX / averages))
            .collect(),
    }
}

fn claim(utilisation: f64, queue: f64) -> LoopClaim {
    let share = |value: f64| (value * f64::from(ONE)) as u32;
    LoopClaim {
        name: "settles".into(),
        says: String::new(),
        family: PathFamily {
            jitter: JITTER,
            log_bdp: (10 << 8, 11 << 8),
            buffer: Buffer {
                least: share(4.0),
                most: None,
            },
        },
        start: (-128, 256),
        then: LoopBounds {
            utilisation: share(utilisation),
            queue: share(queue),
            rounds: 120,
        },
    }
}

const QUIET: LoopWatch<'_> = LoopWatch {
    progress: &|_| {},
    stop: &|| false,
};

fn coarse() -> Tuning {
    Tuning {
        width: 6,
        narrowest: 6,
        averages: (16, 4),
        refinements: 2,
        ..Tuning::default()
    }
}

/// A path and the adversary's choices on it, as shares of what is allowed.
#[derive(Clone, Copy, Debug)]
struct Round {
    queue: f64,
    jitter: (f64, f64),
    minimum: f64,
    loss: f64,
}

fn round() -> impl Strategy<Value = Round> {
    let ends = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    (ends(), ends(), ends(), ends(), ends()).prop_map(|(queue, low, high, minimum, loss)| Round {
        queue,
        jitter: (low, high),
        minimum,
        loss,
    })
}

/// The formulas of docs/closed-loop.md for windows known exactly, in floats.
struct Formulas {
    g: f64,
    buffer: f64,
    d: f64,
}

impl Formulas {
    /// Queue and share lost, at least and at most.
    fn ranges(&self, p: f64, o: f64) -> ((f64, f64), (f64, f64)) {
        let (g, d, beta) = (self.g, self.d, self.buffer);
        let (omega, lambda, over) = (p.exp2(), p.min(o).exp2(), p.max(o).exp2());
        let train = if lambda >= (1.0 + d) / 2.0 {
            0.0
        } else if lambda <= (1.0 + d) / 4.0 {
            (1.0 + d) / 8.0
        } else {
            lambda * (1.0 - 2.0 * lambda / (1.0 + d))
        };
        let held = d + g + train;
        let gone = (over + 3.0 * g - beta - (lambda - held - g - d).min(1.0)).max(0.0);
        let burst = omega.min(d + (omega - lambda) + gone + held + g);
        let overflow = ((over - 1.0 + g).max(burst) - beta).max(0.0);
        let standing = lambda - held - g - 1.0 - d - 2.0 * g;
        let mut low = beta.min(standing);
        if overflow > 0.0 {
            low = low.min(beta - d - held - 3.0 * g - (over - lambda));
        }
        if burst > beta {
            low = low.min(standing - (burst - beta) - gone);
        }
        let high = (beta + g).min((omega - 1.0 + g).max(burst));
        let least = ((standing - g - beta) / omega).max(0.0);
        let most = (overflow / lambda).min(1.0);
        ((low.max(0.0), high.max(0.0)), (least.min(most), most))
    }
}

/// What the observer reports of a round on a path of 40 ms.
fn observation(formulas: &Formulas, p: f64, o: f64, round: Round) -> (Observation, Duration) {
    let between = |(low, high): (f64, f64), at: f64| low + (high - low) * at;
    let (queue, loss) = formulas.ranges(p, o);
    let base = 40e6;
    let rtt = |at: f64| base * (1.0 + between(queue, round.queue) + formulas.d * at);
    let (first, second) = round.jitter;
    let lost = (between(loss, round.loss) * 1000.0) as u64;
    let nanos = |value: f64| Duration::from_nanos(value as u64);
    let observation = Observation {
        min_rtt: nanos(rtt(first.min(second))),
        mean_rtt: nanos(rtt(first.max(second))),
        acked_packets: 1000 - lost,
        acked_bytes: Bytes::new(1_000_000),
        lost_packets: lost,
        ..Observation::default()
    };
    (
        observation,
        nanos(base * (1.0 + formulas.d * round.minimum)),
    )
}

fn cell_of(grid: &Grid, bdp: i32, log_window: i32) -> i32 {
    (log_window - bdp - (grid.low << 8)).div_euclid(i32::from(grid.width) << 8)
}

/// Runs the controller's own arithmetic on a path and asks that every step lies in the image.
fn follow(
    policy: &Policy<Vec<i16>>,
    bdp: i32,
    buffer: f64,
    start: [i32; 3],
    rounds: &[Round],
) -> Result<(), TestCaseError> {
    let rate = ModelRate::new(policy).unwrap();
    let grid = grid(4, -1024, 1024, 20);
    let log_bdp = ((bdp >> 8) - 20, (bdp >> 8) + 30);
    let share = |value: f64| (value * f64::from(ONE)) as u32;
    let range = Buffer {
        least: share(buffer * 0.95),
        most: Some(share(buffer * 1.05)),
    };
    let step = Step {
        rate: &rate,
        paths: Paths::new(JITTER, log_bdp, range),
        grid: &grid,
    };
    let formulas = Formulas {
        g: (-f64::from(bdp) / 65536.0).exp2(),
        buffer,
        d: f64::from(JITTER) / 65536.0,
    };
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    let gain = Q16::from_units(GAIN);
    let mut memory = Memory::default();
    // The first two steps are known to the memory as well.
    memory.end_round(
        &[0; FEATURE_COUNT],
        Q16::from_units(start[1] - start[2]),
        gain,
    );
    memory.end_round(
        &[0; FEATURE_COUNT],
        Q16::from_units(start[0] - start[1]),
        gain,
    );
    let [mut a, mut p, mut o] = start;
    for &round in rounds {
        let log = |w: i32| f64::from(w - bdp) / 65536.0;
        let (seen, minimum) = observation(&formulas, log(p), log(o), round);
        memory.count_loss(&seen);
        let features = memory.features(&View {
            observation: &seen,
            min_rtt: minimum,
            log_window: Q16::from_units(a),
            window: Bytes::new(1_000_000),
        });
        let heads = policy.forward(&features, &mut Scratch::new());
        let proposed = Q16::from_units(heads[0]).saturating_mul(gain);
        let target = a + proposed.units();
        if target <= LOG_WINDOW_MIN.units() || target >= LOG_WINDOW_MAX.units() {
            // Ranked cells keep clear of the controller's clamps.
            return Ok(());
        }
        let limited = Usage::WindowLimited;
        let applied = rule(&envelope, &features, limited, Q16::from_units(a), proposed).step();
        memory.end_round(&features, applied, gain);
        let average = (
            features[index::QUEUEING_EWMA],
            features[index::STANDING_QUEUE],
        );
        let next = average.0 + ((average.1 - average.0) >> 2);
        let cell = |w: i32| cell_of(&grid, bdp, w);
        let at = RowAt {
            window: cell(a),
            before: cell(p) - cell(a),
            turn: grid.turn_of(cell(o) - cell(p)),
        };
        let mut images = vec![NONE; grid.memories()];
        step.row(at, &mut images);
        let image = images[grid.memory_of(average.0)];
        let moved = cell(a + applied.units()) - cell(a);
        prop_assert!(
            (i32::from(image.first)..=i32::from(image.last)).contains(&moved),
            "moved {moved} cells, the image is {image:?} at {at:?} with {features:?}"
        );
        let remembered = grid.memory_of(next) as u8;
        prop_assert!(
            (image.memory_first..=image.memory_last).contains(&remembered),
            "average in cell {remembered}, the image is {image:?}"
        );
        (o, p, a) = (p, a, a + applied.units());
    }
    Ok(())
}

const NONE: Image = Image {
    first: 0,
    last: 0,
    memory_first: 0,
    memory_last: 0,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_step_of_the_controller_lies_in_the_image(
        weights in prop::collection::vec(any::<u16>(), 200),
        bias in prop::collection::vec(any::<i8>(), 13),
        bdp in 5 * ONE..12 * ONE,
        buffer in 0.3..3.0,
        from in -ONE..ONE,
        steps in prop::array::uniform2(-GAIN..=GAIN),
        rounds in prop::collection::vec(round(), 1..30),
    ) {
        let start = [bdp + from, bdp + from - steps[0], bdp + from - steps[0] - steps[1]];
        follow(&monotone_net(&weights, &bias), bdp, buffer, start, &rounds)?;
        follow(&linear_law(), bdp, buffer, start, &rounds)?;
    }

    #[test]
    fn the_fast_rate_is_the_deployed_one(
        weights in prop::collection::vec(any::<u16>(), 200),
        bias in prop::collection::vec(any::<i8>(), 13),
        at in prop::array::uniform12(0.0..=1.0),
    ) {
        let policy = monotone_net(&weights, &bias);
        let mut features = [0; FEATURE_COUNT];
        for ((place, feature), at) in features.iter_mut().zip(TABLE_1.features).zip(at) {
            let (low, high) = (f64::from(feature.low.units()), f64::from(feature.high.units()));
            *place = (low + (high - low) * at) as i32;
        }
        let rate = ModelRate::new(&policy).unwrap();
        let row = rate.row(&features);
        let heads = policy.forward(&features, &mut Scratch::new());
        prop_assert_eq!(rate.at(&row, features[index::QUEUEING_EWMA]), heads[0]);
    }
}

/// The cells that a cell leads to, one by one; none where it leaves the grid.
fn successors<R: Rate>(step: &Step<'_, R>, number: usize) -> Option<Vec<usize>> {
    let cell = step.grid.cell(number).unwrap();
    let at = RowAt {
        window: cell.window,
        before: cell.before,
        turn: cell.turn,
    };
    let mut images = vec![NONE; step.grid.memories()];
    step.row(at, &mut images);
    let image = images[cell.memory];
    let mut found = vec![];
    for window in cell.window + i32::from(image.first)..=cell.window + i32::from(image.last) {
        for memory in image.memory_first..=image.memory_last {
            found.push(step.grid.number(Cell {
                window,
                before: cell.window - window,
                turn: step.grid.turn_of(cell.before),
                memory: usize::from(memory),
            })?);
        }
    }
    Some(found)
}

fn ranked_grid(policy: &Policy<Vec<i16>>, check: impl Fn(&Step<'_, ModelRate>, &Ranked)) {
    let rate = ModelRate::new(policy).unwrap();
    let grid = grid(8, -256, 384, 10);
    let claim = claim(0.5, 2.0);
    let step = Step {
        rate: &rate,
        paths: Paths::new(JITTER, claim.family.log_bdp, claim.family.buffer),
        grid: &grid,
    };
    let watch = SliceWatch {
        imaged: &|_| {},
        stop: &|| false,
    };
    check(&step, &rank(&step, claim.start, 127, watch).unwrap());
}

#[test]
fn ranks_are_the_nested_sets_by_their_definition() {
    ranked_grid(&linear_law(), |step, ranked| {
        assert!(ranked.leaving.is_empty());
        let cells = step.grid.cells().unwrap();
        let images: Vec<_> = (0..cells)
            .map(|cell| (ranked.ranks[cell] > 0).then(|| successors(step, cell).unwrap()))
            .collect();
        // R₁ is the smallest closed set that has the start.
        let mut set: Vec<bool> = (0..cells)
            .map(|cell| {
                let edges = step.grid.edges(step.grid.cell(cell).unwrap().window);
                edges.1 > -128 && edges.0 < 256
            })
            .collect();
        let mut waiting: Vec<usize> = (0..cells).filter(|&cell| set[cell]).collect();
        while let Some(cell) = waiting.pop() {
            for &next in images[cell].as_ref().unwrap() {
                if !set[next] {
                    set[next] = true;
                    waiting.push(next);
                }
            }
        }
        let mut expected = vec![0u8; cells];
        for number in 1..=ranked.last {
            let mut post = vec![false; cells];
            for cell in (0..cells).filter(|&cell| set[cell]) {
                expected[cell] = number;
                images[cell]
                    .as_ref()
                    .unwrap()
                    .iter()
                    .for_each(|&next| post[next] = true);
            }
            set = post;
        }
        assert_eq!(ranked.ranks, expected);
        assert!(ranked.last > 5, "{} sets", ranked.last);
        let settled = expected.iter().filter(|&&rank| rank == ranked.last).count();
        assert!(settled > 0 && settled < cells / 2, "{settled} of {cells}");
    });
}

#[test]
fn a_law_that_settles_is_proven_and_its_slices_cover_the_family() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let claim = claim(0.9, 1.5);
    let result = prove_loop(&rate, &claim, &coarse(), &[], QUIET).unwrap();
    let troubles: Vec<_> = result
        .failures
        .iter()
        .map(|failure| &failure.troubles)
        .collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    let slices = result.slices().unwrap();
    assert_eq!(slices[0].log_bdp.0, claim.family.log_bdp.0);
    assert_eq!(slices.last().unwrap().log_bdp.1, claim.family.log_bdp.1);
    assert!(
        slices
            .windows(2)
            .all(|pair| pair[0].log_bdp.1 == pair[1].log_bdp.0)
    );
    for slice in &slices {
        assert_eq!(Slice::decode(&slice.encode().unwrap()).unwrap(), *slice);
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_interruptions() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let claim = claim(0.9, 1.5);
    let on = |threads: usize, finished: &[Slice]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let run = || prove_loop(&rate, &claim, &coarse(), finished, QUIET).unwrap();
        pool.unwrap().install(run)
    };
    let (one, three) = (on(1, &[]), on(3, &[]));
    assert_eq!(one, three);
    let slices = one.slices().unwrap();
    let resumed = on(2, &slices[..1]);
    assert_eq!(resumed.slices().unwrap(), slices);
    assert_eq!(resumed.proven[0].imaged, 0);
    assert_eq!(resumed.proven[0].settled, one.proven[0].settled);
}

#[test]
fn a_search_stops_when_it_is_told_to() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let asked = AtomicUsize::new(0);
    let watch = LoopWatch {
        progress: &|_| {},
        stop: &|| asked.fetch_add(1, Ordering::Relaxed) > 2,
    };
    let result = prove_loop(&rate, &claim(0.9, 1.5), &coarse(), &[], watch);
    assert_eq!(result, Err(ClosedLoopError::Stopped));
}

#[test]
fn a_claim_that_is_too_strong_names_what_it_misses_and_why() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let result = prove_loop(&rate, &claim(0.9, 0.2), &coarse(), &[], QUIET).unwrap();
    assert_eq!(result.slices(), None);
    let failure = &result.failures[0];
    let queue = |trouble: &Trouble| matches!(trouble, Trouble::Queue { got } if *got > 13_107);
    assert!(failure.troubles.iter().any(queue), "{:?}", failure.troubles);
    let explanation = &failure.explanation;
    assert!(explanation.blocking > 0 && explanation.examined > 0);
    let seen: u32 = explanation.averages.blocking.iter().sum();
    assert_eq!(seen as usize, explanation.blocking);
    assert!(explanation.befores.worst.contains(&1));
}

#[test]
fn cells_that_leave_are_found_and_given_more_room() {
    let rate = ModelRate::new(&linear_law()).unwrap();
    let mut tuning = coarse();
    tuning.margins = (0, 0);
    let cut = AtomicUsize::new(0);
    let watch = LoopWatch {
        progress: &|progress| {
            if let LoopProgress::Failed { troubles, .. } = progress {
                assert!(matches!(troubles[0], Trouble::Leaves { cells } if cells > 0));
                cut.fetch_add(1, Ordering::Relaxed);
            }
        },
        stop: &|| false,
    };
    let result = prove_loop(&rate, &claim(0.9, 1.5), &tuning, &[], watch).unwrap();
    assert!(cut.load(Ordering::Relaxed) > 0);
    assert!(
        !result.failures.is_empty(),
        "two refinements give two cells of room"
    );
}

#[test]
fn a_model_that_a_feature_moves_both_ways_is_refused_by_the_features_name() {
    let (header, parameters) = decode(include_bytes!("../../../models/demo/model.tlm")).unwrap();
    let policy = Policy::new(header, parameters.iter().collect::<Vec<_>>()).unwrap();
    let refused = ModelRate::new(&policy).unwrap_err();
    assert_eq!(
        refused,
        ClosedLoopError::BothWays {
            feature: "acked_ratio"
        }
    );
}

#[test]
fn limits_are_enforced_by_name() {
    let gain = Q16::from_units(GAIN);
    let planned = |tuning: Tuning| plan(&claim(0.9, 1.5), gain, &tuning);
    let zero = planned(Tuning {
        falls: 0,
        ..coarse()
    });
    assert_eq!(zero, Err(ClosedLoopError::Tuning { name: "falls" }));
    let fine = planned(Tuning {
        width: 1,
        averages: (200, 56),
        margins: (2000, 2000),
        ..coarse()
    });
    assert!(
        matches!(fine, Err(ClosedLoopError::TooManyCells { width: 1, .. })),
        "{fine:?}"
    );
    let rate = ModelRate::new(&linear_law()).unwrap();
    let tuning = Tuning {
        memory: 1000,
        ..coarse()
    };
    let poor = prove_loop(&rate, &claim(0.9, 1.5), &tuning, &[], QUIET);
    assert!(matches!(
        poor,
        Err(ClosedLoopError::Memory { limit: 1000, .. })
    ));
}

/// What the checker says of a model with these slices.
fn checked(
    policy: &Policy<Vec<i16>>,
    claim: &LoopClaim,
    slices: &[Slice],
) -> Result<CheckedLoop, Rejection> {
    let mut model = vec![];
    encode(policy.header(), policy.parameters(), |bytes| {
        model.extend_from_slice(bytes)
    });
    let slices = slices.iter().map(|slice| slice.encode().unwrap()).collect();
    let certificate = Certificate {
        model: policy.digest(),
        claims: ClaimSet {
            feature_table: 1,
            claims: vec![],
            loops: vec![claim.clone()],
            ratios: vec![],
        },
        sections: vec![Section::RankGrid { claim: 0, slices }],
    };
    let bytes = certificate.encode().unwrap();
    let checker = LoopChecker::new(&model, &bytes, None)?;
    let checked: Result<Vec<_>, _> = (0..checker.slices())
        .map(|at| checker.check_slice(at))
        .collect();
    checker.finish(checked?)
}

#[test]
fn the_checker_accepts_what_is_proven_and_no_rank_above_it() {
    let (policy, claim) = (linear_law(), claim(0.9, 1.5));
    let rate = ModelRate::new(&policy).unwrap();
    let result = prove_loop(&rate, &claim, &coarse(), &[], QUIET).unwrap();
    let mut slices = result.slices().unwrap();
    checked(&policy, &claim, &slices).unwrap();
    let ranks = &mut slices[0].ranks;
    let last = ranks.iter().copied().max().unwrap();
    let cell = ranks.iter().position(|&rank| rank == 1).unwrap();
    ranks[cell] = last;
    let refused = checked(&policy, &claim, &slices).unwrap_err();
    assert_eq!(refused.rule, Rule::Rank);
}
