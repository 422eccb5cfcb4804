//! Data packets per second of the simulator: 40 ms, one bandwidth-delay product of queue, with
//! ranges, pacing and statistics on.

use core::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tautline_core::controller::{Controller, NewReno};
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::Cubic;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, QueueSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

const MTU: Bytes = Bytes::new(1500);

/// A shared link: flows and rate.
#[derive(Clone, Copy)]
struct Load {
    flows: u32,
    rate_mbps: u64,
}

/// About 160 000 data packets through one bottleneck.
fn dumbbell(load: Load) -> Option<ValidScenario> {
    let rate = Bandwidth::from_bits_per_sec(load.rate_mbps * 1_000_000);
    let duration = Duration::from_millis(2_000_000 / load.rate_mbps);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    let link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
    let flows = vec![FlowSpec::new("").times(load.flows)];
    ValidScenario::new(link, flows, duration).ok()
}

fn bench_one<C: Controller>(
    criterion: &mut Criterion,
    name: &str,
    load: Load,
    options: &RunOptions,
    controller: impl Fn() -> C,
) {
    let Some(scenario) = dumbbell(load) else {
        return;
    };
    let controllers = || (0..load.flows).map(|_| controller()).collect::<Vec<C>>();
    bench_scenario(criterion, name, &scenario, options, controllers);
}

fn bench_scenario<C: Controller>(
    criterion: &mut Criterion,
    name: &str,
    scenario: &ValidScenario,
    options: &RunOptions,
    controllers: impl Fn() -> Vec<C>,
) {
    let Ok(first) = run(scenario, 1, controllers(), options) else {
        return;
    };
    let mut group = criterion.benchmark_group("netsim");
    group.throughput(Throughput::Elements(first.data_packets));
    group.sample_size(20);
    group.bench_function(name, |bencher| {
        bencher.iter(|| run(scenario, 1, controllers(), options).map(|outcome| outcome.digest));
    });
    group.finish();
}

fn packets_per_second(criterion: &mut Criterion) {
    let one = Load {
        flows: 1,
        rate_mbps: 100,
    };
    let crowd = Load {
        flows: 4096,
        rate_mbps: 10_000,
    };
    let plain = RunOptions::default();
    let timeline = plain.with_timeline(Duration::from_millis(100));
    bench_one(criterion, "newreno/1", one, &plain, || NewReno::new(MTU));
    bench_one(criterion, "newreno/1/timeline", one, &timeline, || {
        NewReno::new(MTU)
    });
    bench_one(criterion, "cubic/1", one, &plain, || Cubic::new(MTU));
    bench_one(
        criterion,
        "newreno/8",
        Load { flows: 8, ..one },
        &plain,
        || NewReno::new(MTU),
    );
    bench_one(criterion, "newreno/4096", crowd, &plain, || {
        NewReno::new(MTU)
    });
    bench_one(
        criterion,
        "newreno/64",
        Load {
            flows: 64,
            rate_mbps: 1000,
        },
        &plain,
        || NewReno::new(MTU),
    );
}

/// The same load over links that take every packet through events of its own.
fn beyond_the_plain_dumbbell(criterion: &mut Criterion) {
    let rate = Bandwidth::from_bits_per_sec(100_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    let link = |name: &str| {
        let mut link = LinkSpec::new(rate, Duration::from_millis(40), buffer);
        name.clone_into(&mut link.name);
        link
    };
    let flow = FlowSpec::new("");
    let hops = ["a", "b", "c"];
    let scenarios = [
        (
            "codel",
            vec![link("a").with_queue(QueueSpec::codel())],
            flow.clone(),
        ),
        (
            "3-hops",
            hops.map(link).to_vec(),
            flow.clone().along(&hops, &[]),
        ),
        (
            "link-back",
            hops.map(link).to_vec(),
            flow.along(&["a"], &["b"]),
        ),
    ];
    for (name, links, flow) in scenarios {
        let scenario = ValidScenario::over(links, vec![flow], Duration::from_secs(20));
        let Ok(scenario) = scenario else {
            return;
        };
        let plain = RunOptions::default();
        let name = format!("newreno/1/{name}");
        bench_scenario(criterion, &name, &scenario, &plain, || {
            vec![NewReno::new(MTU)]
        });
    }
}

criterion_group!(benches, packets_per_second, beyond_the_plain_dumbbell);
criterion_main!(benches);
