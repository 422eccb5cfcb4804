//! Data packets per second of the simulator: one flow and several, 100 Mbit/s, 40 ms, one
//! bandwidth-delay product of queue, with ranges, pacing and statistics on.

use core::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tautline_core::controller::{Controller, NewReno};
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::Cubic;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

const MTU: Bytes = Bytes::new(1500);

fn dumbbell(flows: u32) -> Option<ValidScenario> {
    let rate = Bandwidth::from_bits_per_sec(100_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
    let flows = vec![FlowSpec::new("").times(flows)];
    ValidScenario::new(link, flows, Duration::from_secs(20)).ok()
}

fn bench_one<C: Controller>(
    criterion: &mut Criterion,
    name: &str,
    flows: u32,
    options: &RunOptions,
    controller: impl Fn() -> C,
) {
    let Some(scenario) = dumbbell(flows) else { return };
    let controllers = || (0..flows).map(|_| controller()).collect::<Vec<C>>();
    let packets = run(&scenario, 1, controllers(), options).data_packets;
    let mut group = criterion.benchmark_group("netsim");
    group.throughput(Throughput::Elements(packets));
    group.sample_size(20);
    group.bench_function(name, |bencher| {
        bencher.iter(|| run(&scenario, 1, controllers(), options).digest);
    });
    group.finish();
}

fn packets_per_second(criterion: &mut Criterion) {
    let plain = RunOptions::default();
    let timeline = plain.with_timeline(Duration::from_millis(100));
    bench_one(criterion, "newreno/1", 1, &plain, || NewReno::new(MTU));
    bench_one(criterion, "newreno/1/timeline", 1, &timeline, || NewReno::new(MTU));
    bench_one(criterion, "cubic/1", 1, &plain, || Cubic::new(MTU));
    bench_one(criterion, "newreno/8", 8, &plain, || NewReno::new(MTU));
    bench_one(criterion, "newreno/64", 64, &plain, || NewReno::new(MTU));
}

criterion_group!(benches, packets_per_second);
criterion_main!(benches);
