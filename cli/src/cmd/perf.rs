//! `tautline perf`: bulk transfers between two processes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use crate::exit::Exit;
use crate::model::CertifiedArgs;
use crate::net::endpoint::{CertifiedFactory, ControllerChoice, Trust};
use crate::net::perf::{Amount, FetchSpec, ServeSpec, ServerEvent, fetch, read_certificate, serve};
use crate::output::JsonArgs;
use crate::{files, interrupt, output};

/// Transfer bulk data over QUIC between two processes or machines.
///
/// The server sends, so the server's congestion controller is the one at work.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline perf server --model model.tlm --certificate certificate.tlc --identity server.der\n  \
    tautline perf client 127.0.0.1:4433 --trust server.der --time 10\n\n\
    Exit codes: 0 done · 1 the certificate was rejected · 2 wrong usage, or input, output or the \
    network failed")]
pub(crate) struct Args {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, Subcommand)]
enum Side {
    /// Serve data to whoever asks, until Ctrl-C
    #[command(after_help = "Example:\n  \
        tautline perf server --listen 0.0.0.0:4433 --controller cubic --identity server.der")]
    Server(ServerArgs),
    /// Fetch data from a server and report how fast it came
    #[command(after_help = "Example:\n  \
        tautline perf client 127.0.0.1:4433 --trust server.der --bytes 100000000 --json -")]
    Client(ClientArgs),
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen; port 0 for any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// Congestion controller; certified if a model is given, else cubic
    #[arg(long, value_enum)]
    controller: Option<ControllerName>,
    #[command(flatten)]
    certified: CertifiedArgs,
    /// Write the server's TLS certificate (DER) here, for --trust of the client
    #[arg(long, value_name = "FILE.der")]
    identity: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server
    #[arg(value_name = "ADDRESS:PORT")]
    server: SocketAddr,
    /// The server's TLS certificate, as it wrote it with --identity
    #[arg(long, value_name = "FILE.der", required_unless_present = "insecure")]
    trust: Option<PathBuf>,
    /// Believe any server: encrypted, but perhaps an impostor
    #[arg(long, conflicts_with = "trust")]
    insecure: bool,
    /// Fetch for this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = super::seconds)]
    time: Duration,
    /// Fetch this many bytes, however long it takes
    #[arg(long, value_name = "N", conflicts_with = "time",
          value_parser = clap::value_parser!(u64).range(1..u64::MAX))]
    bytes: Option<u64>,
    #[command(flatten)]
    json: JsonArgs,
}

/// A congestion controller by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ControllerName {
    /// A model with its certificate, behind the guard
    Certified,
    /// The guard's own NewReno
    Fallback,
    /// quinn's CUBIC
    Cubic,
    /// quinn's NewReno
    Newreno,
    /// quinn's BBR
    Bbr,
}

/// A finished download as JSON.
#[derive(Serialize)]
struct Summary {
    server: SocketAddr,
    bytes: u64,
    elapsed_s: f64,
    goodput_mbps: f64,
    rtt_ms: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    match &args.side {
        Side::Server(args) => run_server(args),
        Side::Client(args) => run_client(args),
    }
}

fn run_server(args: &ServerArgs) -> anyhow::Result<Exit> {
    if let Some(identity) = &args.identity {
        files::check_apart(&[identity], &args.certified.inputs())?;
        files::check_writable(identity)?;
    }
    let spec = ServeSpec {
        listen: args.listen,
        controller: controller(args)?,
        certificate_path: args.identity.clone(),
    };
    let name = spec.controller.name();
    serve(&spec, move |event| {
        let told = match event {
            ServerEvent::Listening(at) => {
                // The address is what scripts read: port 0 becomes a real one here.
                output::print(&format!("listening on {at}, controller {name}\n"))
            }
            event => output::print(&describe(&event)),
        };
        // Serving goes on when nobody reads what is said.
        drop(told);
    })?;
    Ok(Exit::Accepted)
}

fn controller(args: &ServerArgs) -> anyhow::Result<ControllerChoice> {
    let certified = args.certified.load()?;
    let by_default = match certified {
        Some(_) => ControllerName::Certified,
        None => ControllerName::Cubic,
    };
    let name = args.controller.unwrap_or(by_default);
    Ok(match name {
        ControllerName::Certified => {
            let Some(certified) = certified else {
                bail!("controller certified needs --model MODEL.tlm and --certificate CERT.tlc");
            };
            let factory = CertifiedFactory::new(certified.policy, certified.certificate)?;
            ControllerChoice::Certified(Arc::new(factory))
        }
        ControllerName::Fallback => ControllerChoice::Fallback,
        ControllerName::Cubic => ControllerChoice::Cubic,
        ControllerName::Newreno => ControllerChoice::NewReno,
        ControllerName::Bbr => ControllerChoice::Bbr,
    })
}

fn describe(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Listening(at) => format!("listening on {at}\n"),
        ServerEvent::Connected(peer) => format!("{peer} connected\n"),
        ServerEvent::Closed {
            peer,
            lost_packets,
            round_trip,
            progress,
        } => {
            let rtt_ms = 1e3 * round_trip.as_secs_f64();
            let ended = format!("{peer} done: RTT {rtt_ms:.1} ms, {lost_packets} packets lost");
            match progress.map(|progress| progress.counters) {
                None => format!("{ended}\n"),
                Some(did) => format!(
                    "{ended}, {} decisions, {} certified, {} guard interventions\n",
                    did.decisions, did.certified_decisions, did.guard_interventions
                ),
            }
        }
    }
}

fn run_client(args: &ClientArgs) -> anyhow::Result<Exit> {
    let (output, input) = ([args.json.path()], [args.trust.as_deref()]);
    files::check_apart(&files::named(&output), &files::named(&input))?;
    args.json.check_writable()?;
    let trust = match &args.trust {
        Some(path) => read_certificate(path)?,
        None => Trust::Anyone,
    };
    let fetched = fetch(&FetchSpec {
        server: args.server,
        trust,
        amount: args.bytes.map_or(Amount::Time(args.time), Amount::Bytes),
        patience: PATIENCE,
    })
    .with_context(|| format!("cannot fetch from {}", args.server))?;
    let summary = Summary {
        server: args.server,
        bytes: fetched.bytes,
        elapsed_s: fetched.elapsed.as_secs_f64(),
        goodput_mbps: fetched.goodput_bits_per_sec / 1e6,
        rtt_ms: 1e3 * fetched.round_trip.as_secs_f64(),
    };
    let mut text = String::new();
    writeln!(
        text,
        "{} bytes in {:.2} s: {:.2} Mbit/s, RTT {:.1} ms",
        summary.bytes, summary.elapsed_s, summary.goodput_mbps, summary.rtt_ms
    )?;
    args.json.finish(&summary, &text)?;
    Ok(Exit::Accepted)
}

/// How long a client waits for the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
