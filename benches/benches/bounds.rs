//! Bounds of a 30-64-64-1 ReLU network in `f32`, ε = 0.05, one thread: boxes per second beside
//! auto_LiRPA's, and mean widths beside textbook CROWN's.
//!
//! Weights are He-normal with zero biases, boxes lie around standard normal inputs, all drawn from
//! splitmix64 (seed 1 for the network, 2 for the boxes) by the Box–Muller transform.
#![expect(clippy::print_stdout, reason = "benches report")]
#![expect(clippy::disallowed_methods, reason = "benches read the clock")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use tautline_abstract_interp::domain::propagate;
use tautline_abstract_interp::float::bound::{
    Bounder, Effort, Ends, IntervalBatch, Region, Row, Zonotope,
};
use tautline_abstract_interp::float::network::{Activation, FloatNetwork, Layer};
use tautline_abstract_interp::float::range::Range;
use tautline_abstract_interp::float::rounding::Rounding;

struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
    }
}

fn network(shape: &[usize], rounding: Rounding) -> FloatNetwork {
    let mut draws = Draws(1);
    let layers = shape.windows(2).enumerate().map(|(index, pair)| {
        let deviation = (2.0 / pair[0] as f64).sqrt();
        let is_last = index + 2 == shape.len();
        let activation = if is_last {
            Activation::Identity
        } else {
            Activation::Relu
        };
        let weights =
            (0..pair[0] * pair[1]).map(|_| f64::from((draws.normal() * deviation) as f32));
        Layer {
            inputs: pair[0],
            outputs: pair[1],
            weights: weights.collect(),
            bias: vec![0.0; pair[1]],
            rounding,
            activations: vec![activation; pair[1]],
        }
    });
    match FloatNetwork::new(shape[0], layers.collect()) {
        Ok(network) => network,
        Err(error) => unreachable!("the bench's network is refused: {error}"),
    }
}

fn centres(inputs: usize, boxes: usize) -> Vec<f32> {
    let mut draws = Draws(2);
    (0..inputs * boxes).map(|_| draws.normal() as f32).collect()
}

fn regions(inputs: usize, boxes: usize, radius: f64) -> Vec<Region> {
    let centres = centres(inputs, boxes);
    let of = |centres: &[f32]| Region {
        input: centres
            .iter()
            .map(|&c| Range::new(f64::from(c) - radius, f64::from(c) + radius))
            .collect(),
        phases: vec![],
    };
    centres.chunks(inputs).map(of).collect()
}

/// Width of the first output by CROWN as in the textbook: dense, every neuron, no rounding errors.
fn textbook(network: &FloatNetwork, region: &Region) -> f64 {
    let mut lines: Vec<Vec<(f64, f64, f64)>> = vec![];
    let mut width = 0.0;
    for (index, layer) in network.layers().iter().enumerate() {
        let mut own = vec![];
        for output in 0..layer.outputs {
            let [low, high] = [1.0, -1.0].map(|sign| {
                let mut row: Vec<f64> = layer.row(output).iter().map(|w| sign * w).collect();
                let mut constant = sign * layer.bias[output];
                for (map, lines) in network.layers()[..index].iter().zip(&lines).rev() {
                    let mut next = vec![0.0; map.inputs];
                    for (neuron, &value) in row.iter().enumerate() {
                        let (lower, upper, intercept) = lines[neuron];
                        let slope = if value >= 0.0 { lower } else { upper };
                        constant += value.min(0.0) * intercept + slope * value * map.bias[neuron];
                        for (next, weight) in next.iter_mut().zip(map.row(neuron)) {
                            *next += slope * value * weight;
                        }
                    }
                    row = next;
                }
                let terms = row.iter().zip(&region.input);
                constant + terms.map(|(a, x)| (a * x.low).min(a * x.high)).sum::<f64>()
            });
            let high = -high;
            let slope = high / (high - low);
            own.push(match (low >= 0.0, high <= 0.0) {
                (true, _) => (1.0, 1.0, 0.0),
                (_, true) => (0.0, 0.0, 0.0),
                _ => (f64::from(u8::from(high > -low)), slope, -low * slope),
            });
            width = high - low;
        }
        lines.push(own);
    }
    width
}

fn ends() -> [Row; 2] {
    [1.0, -1.0].map(|sign| Row {
        outputs: vec![(0, sign)],
        inputs: vec![],
    })
}

fn width_of(bounder: &mut Bounder, region: &Region, effort: Effort) -> f64 {
    let lower = bounder.bound(region, &ends(), effort, None).lower;
    -lower[0] - lower[1]
}

/// Boxes per second, in the fastest tenth of the chunks as a machine with other work slows the rest, and the
/// mean width.
fn rate(chunks: usize, size: usize, mut pass: impl FnMut(usize) -> f64) -> (f64, f64) {
    let mut width = 0.0;
    let mut seconds = vec![];
    for round in 0..5 {
        for chunk in 0..chunks {
            let start = Instant::now();
            let sum = black_box(pass(chunk));
            seconds.push(start.elapsed().as_secs_f64());
            width += if round == 0 { sum } else { 0.0 };
        }
    }
    seconds.sort_by(f64::total_cmp);
    (
        size as f64 / seconds[seconds.len() / 10],
        width / (chunks * size) as f64,
    )
}

/// The table that the throughput is judged by.
fn report(_: &mut Criterion) {
    let boxes = 4096;
    let network = network(&SHAPE, Rounding::AnyOrder);
    let regions = regions(SHAPE[0], boxes, RADIUS);
    let mut bounder = Bounder::new(&network);
    let chunks: Vec<&[Region]> = regions.chunks(32).collect();
    let mut all = |effort| {
        rate(chunks.len(), 32, |chunk| {
            chunks[chunk]
                .iter()
                .map(|region| width_of(&mut bounder, region, effort))
                .sum()
        })
    };
    let crown = all(Effort::Crown);
    let alpha = all(Effort::Alpha { steps: 20 });
    let mut batch = Batch::new(&network, boxes);
    let interval = (0..20).map(|_| rate(1, boxes, |_| batch.width())).fold(
        (0.0, 0.0),
        |best: (f64, f64), one| if one.0 > best.0 { one } else { best },
    );
    let mut zonotope = Zonotope::default();
    let zonotope = rate(chunks.len(), 32, |chunk| {
        let regions = chunks[chunk].iter();
        regions
            .map(|region| propagate(&network, &region.input, &mut zonotope)[0].width())
            .sum()
    });
    println!("30-64-64-1, ε = 0.05, one thread, {boxes} boxes (auto_LiRPA 0.7.1, batches of 4096)");
    println!(
        "{:<12} {:>12} {:>12} {:>8} {:>10}",
        "", "boxes/s", "auto_LiRPA", "ratio", "width"
    );
    for (name, (rate, width), anchor) in [
        ("interval", interval, Some(333_000.0)),
        ("zonotope", zonotope, None),
        ("CROWN", crown, Some(9_700.0)),
        ("α-CROWN 20", alpha, Some(37.0)),
    ] {
        let beside = anchor.map_or_else(
            || format!("{:>12} {:>8}", "–", "–"),
            |anchor: f64| format!("{anchor:>12.0} {:>8.1}", rate / anchor),
        );
        println!("{name:<12} {rate:>12.0} {beside} {width:>10.6}");
    }
    let textbook = regions
        .iter()
        .map(|region| textbook(&network, region))
        .sum::<f64>();
    println!(
        "textbook CROWN without rounding errors: mean width {:.6}",
        textbook / boxes as f64
    );
    let exact = self::network(&SHAPE, Rounding::Exact);
    let mut bounder = Bounder::new(&exact);
    let own = regions
        .iter()
        .map(|region| width_of(&mut bounder, region, Effort::Crown));
    let own = own.sum::<f64>();
    println!(
        "ours without rounding errors: {:.6}, ratio {:.9}",
        own / boxes as f64,
        own / textbook
    );
}

/// Boxes beside each other.
struct Batch {
    boxes: usize,
    bounder: IntervalBatch,
    centre: Vec<f32>,
    radius: Vec<f32>,
    ends: Ends,
}

impl Batch {
    fn new(network: &FloatNetwork, boxes: usize) -> Self {
        let inputs = network.inputs();
        let rows = centres(inputs, boxes);
        let centre = (0..inputs * boxes).map(|at| rows[at % boxes * inputs + at / boxes]);
        Self {
            boxes,
            bounder: IntervalBatch::new(network),
            centre: centre.collect(),
            radius: vec![RADIUS as f32; inputs * boxes],
            ends: Ends::default(),
        }
    }

    fn width(&mut self) -> f64 {
        self.bounder
            .bound(self.boxes, &self.centre, &self.radius, &mut self.ends);
        let ends = self.ends.low.iter().zip(&self.ends.high);
        ends.map(|(low, high)| f64::from(high - low)).sum()
    }
}

fn throughput(criterion: &mut Criterion) {
    let boxes = 1024;
    let shapes: [(&str, &[usize], f64); 3] = [
        ("30-64-64-1", &SHAPE, RADIUS),
        ("5-6x50-5", &[5, 50, 50, 50, 50, 50, 50, 5], 0.02),
        ("8-256-256-8", &[8, 256, 256, 8], 0.02),
    ];
    for (name, shape, radius) in shapes {
        let mut group = criterion.benchmark_group(format!("bounds/{name}"));
        group.sample_size(20);
        group.throughput(Throughput::Elements(boxes as u64));
        let network = network(shape, Rounding::AnyOrder);
        let mut batch = Batch::new(&network, boxes);
        group.bench_function("interval batch", |bencher| bencher.iter(|| batch.width()));
        group.throughput(Throughput::Elements(64));
        let regions = regions(shape[0], 64, radius);
        let mut bounder = Bounder::new(&network);
        let efforts = [
            ("interval", Effort::Intervals),
            ("CROWN", Effort::Crown),
            ("α-CROWN 20", Effort::Alpha { steps: 20 }),
        ];
        for (name, effort) in efforts {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    regions
                        .iter()
                        .map(|region| width_of(&mut bounder, region, effort))
                        .sum::<f64>()
                });
            });
        }
        let mut zonotope = Zonotope::default();
        group.bench_function("zonotope", |bencher| {
            bencher.iter(|| {
                for region in &regions {
                    black_box(propagate(&network, &region.input, &mut zonotope));
                }
            });
        });
        group.finish();
    }
}

const SHAPE: [usize; 4] = [30, 64, 64, 1];
const RADIUS: f64 = 0.05;

criterion_group!(benches, report, throughput);
criterion_main!(benches);
