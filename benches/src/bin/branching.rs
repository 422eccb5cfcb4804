//! Boxes until claims are decided, for three ways of branching: the table of docs/prover.md.
//!
//! `cargo run --release -p tautline-benches --bin branching`

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use tautline_abstract_interp::bab::{self, Branching, Budget, End, Flow, Goal};
use tautline_abstract_interp::claim::{Claim, ClaimKind, ClaimSet, Constraint, Region};
use tautline_abstract_interp::network::Network;
use tautline_abstract_interp::problem::Problem;
use tautline_core::features::FeatureTable;
use tautline_core::fixed::Q16;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Scratch, Skip,
};

/// Boxes per constraint at most.
const MOST: u64 = 5_000;
/// Models per shape.
const SEEDS: u64 = 16;
/// How far above the largest of its samples a random claim's bound lies, in units of 2⁻¹⁶.
const MARGIN: i64 = 4_000;

/// Widths of hidden layers, the shares of the features' ranges that regions span.
const SHAPES: [(&[u16], f64); 4] = [
    (&[16, 16], 0.2),
    (&[32, 32], 0.1),
    (&[64, 64], 0.05),
    (&[16, 16, 16], 0.1),
];

/// Boxes and undecided constraints, per way of branching.
#[derive(Default)]
struct Row([(u64, u64); 3]);

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| claims about | claims | inputs only | phases first | both |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- |")?;
    for (widths, share) in SHAPES {
        let mut row = Row::default();
        let mut count = 0;
        for seed in 0..SEEDS {
            let (policy, claim) = random(widths, share, seed)?;
            // A head at its upper stop obeys any bound above.
            if claim.constraints[0].bound < i64::from(Q16::ONE.units()) {
                decide(&policy, &claim, &mut row)?;
                count += 1;
            }
        }
        let widths: Vec<String> = widths.iter().map(u16::to_string).collect();
        let name = format!("{}, {:.0} % of each range", widths.join("-"), 100.0 * share);
        writeln!(out, "{}", line(&name, count, &row))?;
    }
    let (policy, claims) = shipped()?;
    for percent in [0, 1, 2] {
        let mut row = Row::default();
        let points = claims
            .claims
            .iter()
            .filter(|it| it.kind == ClaimKind::Point);
        let mut count = 0;
        for claim in points {
            let mut claim = claim.clone();
            for constraint in &mut claim.constraints {
                constraint.bound -= constraint.bound.abs() * percent / 100;
            }
            decide(&policy, &claim, &mut row)?;
            count += 1;
        }
        let name = format!("models/demo, standard claims tightened by {percent} %");
        writeln!(out, "{}", line(&name, count, &row))?;
    }
    Ok(())
}

fn line(name: &str, claims: u64, row: &Row) -> String {
    let cells = row.0.map(|(boxes, open)| format!("{boxes} ({open})"));
    format!("| {name} | {claims} | {} |", cells.join(" | "))
}

/// Decides a claim in all three ways and adds up what it took.
fn decide(policy: &Policy<Vec<i16>>, claim: &Claim, row: &mut Row) -> anyhow::Result<()> {
    let network = Network::new(policy);
    let budget = Budget {
        boxes: MOST,
        after_violation: 0,
    };
    for problem in Problem::of_claim(&network, claim)? {
        let ways = [Branching::Inputs, Branching::Phases, Branching::Both];
        for (way, (boxes, open)) in ways.into_iter().zip(row.0.iter_mut()) {
            let found = bab::search(&problem, budget, Goal::Decide(way), &|_| Flow::Continue);
            *boxes += found.status.boxes;
            *open += u64::from(!matches!(found.end, End::Proven(_) | End::Violated(_)));
        }
    }
    Ok(())
}

/// A random model, and a claim about it that 20,000 samples do not break.
fn random(widths: &[u16], share: f64, seed: u64) -> anyhow::Result<(Policy<Vec<i16>>, Claim)> {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed);
    let table = FeatureTable::by_version(0).context("there is no feature table 0")?;
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for (layer, &width) in hidden.iter_mut().zip(widths) {
        *layer = Hidden { width, shift: 12 };
    }
    let header = ModelHeader {
        feature_table: 0,
        inputs: table.features.len() as u16,
        hidden_count: widths.len() as u8,
        hidden,
        output_shift: 12,
        skip: Skip::None,
        head_count: 1,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let last = widths.len();
    let weights = header.layers().enumerate().flat_map(|(number, shape)| {
        // He's spread; smaller at the output, so that heads rarely stand at a stop.
        let spread = 4096.0 * (6.0 / shape.inputs as f64).sqrt();
        let spread = if number == last { 0.2 * spread } else { spread };
        vec![spread; shape.parameter_count()]
    });
    let weights = weights.map(|spread| {
        let unit = (draw.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        (spread * unit) as i16
    });
    let weights: Vec<i16> = weights.collect();
    let policy = Policy::new(header, weights)?;
    let bounds: Vec<(i32, i32)> = table
        .features
        .iter()
        .map(|feature| {
            let (low, high) = (
                f64::from(feature.low.units()),
                f64::from(feature.high.units()),
            );
            let unit = (draw.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            let start = low + (high - low) * (1.0 - share) * unit;
            (start as i32, (start + (high - low) * share) as i32)
        })
        .collect();
    let mut scratch = Scratch::new();
    let mut highest = i64::from(i32::MIN);
    for _ in 0..20_000 {
        let ends = bounds.iter();
        let point: Vec<i32> = ends
            .map(|&(low, high)| low + (draw.next_u64() % ((high - low) as u64 + 1)) as i32)
            .collect();
        highest = highest.max(i64::from(policy.forward(&point, &mut scratch)[0]));
    }
    let claim = Claim {
        name: "below".to_owned(),
        says: "The rate stays below what samples reach, and a margin.".to_owned(),
        kind: ClaimKind::Point,
        region: Region {
            bounds,
            linear: vec![],
        },
        constraints: vec![Constraint {
            heads: vec![(HeadKind::Rate, 1)],
            features: vec![],
            bound: highest + MARGIN,
        }],
    };
    Ok((policy, claim))
}

fn shipped() -> anyhow::Result<(Policy<Vec<i16>>, ClaimSet)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = std::fs::read(root.join("models/demo/model.tlm"))?;
    let (header, parameters) = tautline_core::policy::decode(&model)?;
    let policy = Policy::new(header, parameters.iter().collect())?;
    let claims = std::fs::read_to_string(root.join("claims/standard.toml"))?;
    Ok((
        policy,
        ClaimSet::from_toml(&claims, "claims/standard.toml")?,
    ))
}
