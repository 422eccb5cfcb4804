//! Closed-loop claims: cells per second of the prover and of the checker, on one thread, over one
//! slice of models/steady.
#![expect(
    clippy::expect_used,
    reason = "the bench reads the shipped model and makes its own claim; a failure must stop it"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tautline_abstract_interp::closed_loop::{LoopResult, LoopWatch, ModelRate, Tuning, prove_loop};
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::{LoopChecker, LoopClaim, Slice};
use tautline_certificates::format::{Certificate, Section};
use tautline_core::policy::{Policy, decode};

const MODEL: &[u8] = include_bytes!("../../models/steady/model.tlm");

/// One slice: a quarter of an octave, any buffer of a bandwidth-delay product or more.
const CLAIMS: &str = r#"version = 1
feature_table = 1
[[claim]]
name = "settles"
kind = "loop"
says = "s"
given = { jitter = "0.05", log_bdp = ["6", "6.25"], buffer = ["1", "inf"], start = ["-0.75", "1.125"] }
then = ["utilisation >= 0.97", "queue <= 1.1", "rounds <= 100"]
"#;

fn prove(rate: &ModelRate, claim: &LoopClaim) -> LoopResult {
    let watch = LoopWatch {
        progress: &|_| {},
        stop: &|| false,
    };
    prove_loop(rate, claim, &Tuning::default(), &[], watch).expect("the search ends")
}

fn closed_loop(criterion: &mut Criterion) {
    let (header, parameters) = decode(MODEL).expect("the shipped model is in order");
    let parameters: Vec<i16> = parameters.iter().collect();
    let policy = Policy::new(header, parameters).expect("the shipped model loads");
    let rate = ModelRate::new(&policy).expect("every feature moves the rate one way");
    let claims = ClaimSet::from_toml(CLAIMS, "bench").expect("the claim is in order");
    let claim = &claims.loops[0];
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.expect("a thread starts");
    let found = alone.install(|| prove(&rate, claim));
    let slices = found.slices().expect("the claim is proven");
    let cells: usize = slices.iter().map(|slice| slice.ranks.len()).sum();
    let ranked = slices.iter().flat_map(|slice| &slice.ranks);
    let ranked = ranked.filter(|&&rank| rank > 0).count();
    let name = format!("closed loop, {cells} cells, {ranked} ranked");
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(ranked as u64))
        .sample_size(10);
    group.bench_function("prove, one thread", |bencher| {
        bencher.iter(|| alone.install(|| prove(&rate, black_box(claim))));
    });
    let encoded = slices.iter().map(Slice::encode).collect::<Result<_, _>>();
    let certificate = Certificate {
        model: policy.digest(),
        claims: claims.clone(),
        sections: vec![Section::RankGrid {
            claim: 0,
            slices: encoded.expect("slices encode"),
        }],
    };
    let bytes = certificate.encode().expect("the certificate encodes");
    group.bench_function("check, one thread", |bencher| {
        bencher.iter(|| {
            let checker = LoopChecker::new(MODEL, black_box(&bytes), Some(&claims))
                .expect("the certificate is about the model");
            let checked = (0..checker.slices()).map(|slice| checker.check_slice(slice));
            let checked: Result<Vec<_>, _> = checked.collect();
            checker
                .finish(checked.expect("every slice holds"))
                .expect("the proof is accepted")
        });
    });
    group.finish();
}

criterion_group!(benches, closed_loop);
criterion_main!(benches);
