//! Measures what the patch to smoltcp gains: our middleware over the published smoltcp against the
//! same controllers inside the patched one, and smoltcp's own controllers beside them.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::env;
use std::fs;
use std::mem::size_of;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use smoltcp::socket::tcp::CongestionControl;
use smoltcp_patched::socket::tcp::CongestionControl as PatchedControl;
use tautline_certificates::check;
use tautline_core::controller::NewReno;
use tautline_core::units::Bytes;
use tautline_tcp_integration::{CertifiedSource, ControllerSource};

mod adapter;
mod ledger;
mod link;
mod patched;
mod report;
#[expect(
    clippy::duplicate_mod,
    reason = "the same program over two versions of smoltcp"
)]
mod unmodified;

use adapter::{InStack, Recovery};
use link::Shape;
use report::Outcome;
use unmodified::Gated;

/// Records of segments per connection, on both sides.
const SEGMENTS: usize = 128;

/// The row in `rows` whose processor time is the unit.
const REFERENCE: usize = 1;
/// Virtual seconds of a run that is timed.
const TIMED_SECONDS: i64 = 10;

struct Scenario {
    name: &'static str,
    shape: Shape,
    seeds: u64,
}

/// A stack with a controller.
struct Row {
    name: String,
    run: Box<dyn Fn(Shape, i64, u64) -> Result<Outcome>>,
}

fn main() -> Result<()> {
    let (seconds, repetitions) = arguments()?;
    let rows = rows()?;
    println!(
        "{seconds} s of virtual time per run; time per segment: of the sender's polls, least of \
         {repetitions} runs of {TIMED_SECONDS} s, unmodified smoltcp with Reno is 1\n"
    );
    for scenario in scenarios() {
        println!("{} ({} seeds)\n", scenario.name, scenario.seeds);
        println!(
            "| stack and controller | goodput Mbit/s | mean queue ms | dropped | lost | repeated % | time per segment | polls per segment |"
        );
        println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        for line in measure(&rows, &scenario, seconds, repetitions)? {
            println!("{line}");
        }
        println!();
    }
    print_sizes();
    Ok(())
}

/// Virtual seconds per run and repetitions for processor time.
fn arguments() -> Result<(i64, usize)> {
    let mut arguments = env::args().skip(1);
    let mut number = |name: &str, default: i64| match arguments.next() {
        None => Ok(default),
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|value| *value > 0)
            .with_context(|| format!("{name} must be a positive number, not {text:?}")),
    };
    let seconds = number("SECONDS", 60)?;
    let repetitions = number("REPETITIONS", 25)?;
    ensure!(
        arguments.next().is_none(),
        "give SECONDS and REPETITIONS only"
    );
    Ok((seconds, repetitions as usize))
}

/// 10 Mbit/s, 40 ms there and back, a buffer of one bandwidth-delay product.
fn scenarios() -> [Scenario; 2] {
    let shape = Shape {
        bits_per_sec: 10_000_000,
        delay_us: 20_000,
        buffer_bytes: 50_000,
        loss_ppm: 0,
    };
    [
        Scenario {
            name: "10 Mbit/s, 40 ms, drop-tail of 1 BDP",
            shape,
            seeds: 1,
        },
        Scenario {
            name: "the same with 1 % random loss",
            shape: Shape {
                loss_ppm: 10_000,
                ..shape
            },
            seeds: 10,
        },
    ]
}

fn rows() -> Result<Vec<Row>> {
    let mut rows = vec![
        built_in("smoltcp None", CongestionControl::None),
        built_in("smoltcp Reno", CongestionControl::Reno),
        built_in("smoltcp CUBIC", CongestionControl::Cubic),
        patched_built_in("smoltcp Reno", PatchedControl::Reno),
        patched_built_in("smoltcp CUBIC", PatchedControl::Cubic),
    ];
    let new_reno = |max_segment: Bytes| NewReno::new(max_segment);
    rows.extend(ours("NewReno", new_reno));
    rows.extend(ours("Learned", demo_model()?));
    Ok(rows)
}

fn built_in(name: &str, control: CongestionControl) -> Row {
    Row {
        name: format!("{name}, unmodified"),
        run: Box::new(move |shape, seconds, seed| {
            let mut socket = unmodified::endpoint::socket();
            socket.set_congestion_control(control);
            let port = unmodified::endpoint::Port::default();
            Ok(unmodified::endpoint::run(
                port, socket, shape, seconds, seed,
            ))
        }),
    }
}

/// The same in the patched copy, whose built-in controllers must do the same.
fn patched_built_in(name: &str, control: PatchedControl) -> Row {
    Row {
        name: format!("{name}, patched"),
        run: Box::new(move |shape, seconds, seed| {
            let mut socket = patched::endpoint::socket();
            socket.set_congestion_control(control);
            let port = patched::endpoint::Port::default();
            Ok(patched::endpoint::run(port, socket, shape, seconds, seed))
        }),
    }
}

/// One of our controllers over the published stack and in the patched one.
fn ours<S>(name: &str, source: S) -> [Row; 4]
where
    S: ControllerSource + Clone + Send + Sync + 'static,
    S::Controller: Send + Sync,
{
    let middleware = source.clone();
    let in_stack = |recovery: Recovery| -> Box<dyn Fn(Shape, i64, u64) -> Result<Outcome>> {
        let source = source.clone();
        Box::new(move |shape, seconds, seed| {
            let socket = patched::socket(source.clone(), recovery);
            let port = patched::endpoint::Port::default();
            Ok(patched::endpoint::run(port, socket, shape, seconds, seed))
        })
    };
    [
        Row {
            name: format!("{name}, middleware"),
            run: Box::new(move |shape, seconds, seed| {
                let device = unmodified::gated(middleware.clone())?;
                let socket = unmodified::endpoint::socket();
                Ok(unmodified::endpoint::run(
                    device, socket, shape, seconds, seed,
                ))
            }),
        },
        Row {
            name: format!("{name}, in the stack, patches 1 and 2"),
            run: in_stack(Recovery::Stack),
        },
        Row {
            name: format!("{name}, in the stack, all patches, first hole only"),
            run: in_stack(Recovery::First),
        },
        Row {
            name: format!("{name}, in the stack, all patches"),
            run: in_stack(Recovery::Holes),
        },
    ]
}

fn demo_model() -> Result<CertifiedSource> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/demo");
    let model = fs::read(folder.join("model.tlm"))?;
    let certificate = fs::read(folder.join("certificate.tlc"))?;
    let checked = check(&model, &certificate, None)?;
    Ok(CertifiedSource::from_model(&model, checked)?)
}

/// Every row of a scenario's table.
fn measure(
    rows: &[Row],
    scenario: &Scenario,
    seconds: i64,
    repetitions: usize,
) -> Result<Vec<String>> {
    let times = processor_times(rows, scenario.shape, repetitions)?;
    let reference = times.get(REFERENCE).copied().unwrap_or(f64::NAN);
    rows.iter()
        .zip(times)
        .map(|(row, time)| {
            let outcomes = (1..=scenario.seeds)
                .map(|seed| (row.run)(scenario.shape, seconds, seed))
                .collect::<Result<Vec<_>>>()?;
            Ok(line(&row.name, &outcomes, time / reference))
        })
        .collect()
}

/// Nanoseconds per segment of every row: the least of many short runs, made in turns, so that a
/// busy moment of the machine neither counts nor hits one stack alone.
fn processor_times(rows: &[Row], shape: Shape, repetitions: usize) -> Result<Vec<f64>> {
    let mut least = vec![f64::INFINITY; rows.len()];
    let mut firsts: Vec<Option<Outcome>> = vec![None; rows.len()];
    for _repetition in 0..repetitions {
        for (row, (least, first)) in rows.iter().zip(least.iter_mut().zip(&mut firsts)) {
            let outcome = (row.run)(shape, TIMED_SECONDS, 1)?;
            *least = least.min(outcome.nanos_per_segment());
            ensure!(
                first.get_or_insert(outcome).same_as(&outcome),
                "{} did something else the second time",
                row.name
            );
        }
    }
    Ok(least)
}

fn line(name: &str, outcomes: &[Outcome], time: f64) -> String {
    let mean = |value: fn(&Outcome) -> f64| {
        outcomes.iter().map(value).sum::<f64>() / outcomes.len().max(1) as f64
    };
    format!(
        "| {name} | {:.2} | {:.1} | {:.0} | {:.0} | {:.1} | {time:.1} | {:.2} |",
        mean(Outcome::goodput_mbit),
        mean(Outcome::mean_queue_ms),
        mean(|outcome| outcome.link.dropped as f64),
        mean(|outcome| outcome.link.lost as f64),
        mean(Outcome::repeated_percent),
        mean(|outcome| outcome.polls as f64 / outcome.link.data_frames.max(1) as f64),
    )
}

/// Memory per connection, buffers of the socket apart.
fn print_sizes() {
    type Plain = fn(Bytes) -> NewReno;
    let published = size_of::<smoltcp::socket::tcp::Socket<'_>>();
    let patched = size_of::<smoltcp_patched::socket::tcp::Socket<'_>>();
    println!("bytes per connection\n");
    println!("| | NewReno | Learned |");
    println!("| --- | ---: | ---: |");
    println!(
        "| middleware, {SEGMENTS} records | {} | {} |",
        size_of::<Gated<Plain, 2>>() - size_of::<Gated<Plain, 1>>(),
        size_of::<Gated<CertifiedSource, 2>>() - size_of::<Gated<CertifiedSource, 1>>(),
    );
    println!(
        "| in the stack, {SEGMENTS} records | {} | {} |",
        size_of::<InStack<Plain, SEGMENTS>>(),
        size_of::<InStack<CertifiedSource, SEGMENTS>>(),
    );
    println!(
        "| the socket itself grows by | {0} | {0} |",
        patched - published
    );
    println!("\nsocket: {published} bytes as published, {patched} patched");
}
