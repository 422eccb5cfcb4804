//! One bulk transfer between two real QUIC endpoints over an emulated path.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use quinn::{Connection, VarInt};
use tautline_quic_integration::Progress;

use crate::interrupt::Interrupted;

use super::emulator::record::PathRecord;
use super::emulator::{Direction, Emulator, PathSpec};
use super::endpoint::{
    ControllerChoice, DatagramSize, Identity, Trust, client_config, connect, listen, server_config,
    transport,
};
use super::perf::{Amount, download, interrupted, progress, runtime, serve_connection, upload};

/// A transfer to run.
#[derive(Clone, Debug)]
pub(crate) struct TransferSpec {
    /// The path; its direction is that of the data.
    pub(crate) path: PathSpec,
    /// Controller of the sender.
    pub(crate) controller: ControllerChoice,
    /// How long data flows.
    pub(crate) duration: Duration,
}

/// What a transfer brought.
#[derive(Clone, Debug)]
pub(crate) struct TransferResult {
    /// Application bytes received per time of the data phase, bit/s.
    pub(crate) goodput_bits_per_sec: f64,
    /// Start of the data phase on the path's time axis, after the handshake.
    pub(crate) data_started: Duration,
    /// End of the data phase on the path's time axis.
    pub(crate) data_ended: Duration,
    /// When a certified controller first left its classical startup (to a tenth of a second);
    /// none for others, or if it never did.
    pub(crate) startup_ended: Option<Duration>,
    /// What the certified controller did in the end; none for others.
    pub(crate) progress: Option<Progress>,
    /// What happened at the bottleneck.
    pub(crate) path: PathRecord,
}

/// Runs one transfer in real time and waits for it.
///
/// # Errors
/// When sockets or threads cannot be had, or the connection breaks; [`Interrupted`].
pub(crate) fn run_transfer(spec: &TransferSpec) -> anyhow::Result<TransferResult> {
    let runtime = runtime()?;
    let result = runtime.block_on(transfer(spec));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn transfer(spec: &TransferSpec) -> anyhow::Result<TransferResult> {
    let identity = Identity::self_signed()?;
    let parameters = || transport(spec.controller.factory(), DatagramSize::Full);
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = listen(loopback, server_config(&identity, parameters())?)?;
    let trust = Trust::Certificate(identity.certificate().clone());
    let config = client_config(&trust, parameters())?;
    let emulator = Emulator::start(&spec.path, server.local_addr()?)?;

    let accepted = tokio::spawn(async move {
        let incoming = server.accept().await.context("the server was closed")?;
        let connection = incoming.await?;
        anyhow::Ok((server, connection))
    });
    let (client, connection) = connect(emulator.client_address(), config, CONNECT_PATIENCE).await?;
    let (server, served) = accepted.await??;

    let received = Arc::new(AtomicU64::new(0));
    let serving = tokio::spawn({
        let (served, received) = (served.clone(), Arc::clone(&received));
        async move { serve_connection(&served, &received).await }
    });
    let sender = match spec.path.direction {
        Direction::Download => &served,
        Direction::Upload => &connection,
    };
    let mut startup_ended = None;
    let data_started = emulator.elapsed();
    tokio::select! {
        outcome = exchange(spec, &connection, &received) => outcome?,
        () = observe(sender, &emulator, &mut startup_ended) => {}
        () = interrupted() => return Err(Interrupted.into()),
    }
    let data_ended = emulator.elapsed();
    let received_bytes = received.load(Ordering::Relaxed);
    let progress = progress(sender);
    let path = finish(emulator, (client, connection), server, serving).await?;
    let seconds = data_ended.saturating_sub(data_started).as_secs_f64();
    Ok(TransferResult {
        goodput_bits_per_sec: received_bytes as f64 * 8.0 / seconds.max(1e-9),
        data_started,
        data_ended,
        startup_ended,
        progress,
        path,
    })
}

async fn exchange(
    spec: &TransferSpec,
    connection: &Connection,
    received: &AtomicU64,
) -> anyhow::Result<()> {
    match spec.path.direction {
        Direction::Download => {
            download(connection, Amount::Time(spec.duration), received).await?;
        }
        Direction::Upload => upload(connection, spec.duration).await?,
    }
    Ok(())
}

/// Notes when the sender's certified controller leaves its startup, and waits for ever.
async fn observe(sender: &Connection, emulator: &Emulator, startup_ended: &mut Option<Duration>) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    let left = |it: Progress| it.policy_in_charge || it.counters.decisions > 0;
    while !progress(sender).is_some_and(left) {
        ticks.tick().await;
    }
    *startup_ended = Some(emulator.elapsed());
    std::future::pending::<()>().await;
}

/// Closes both ends while the path still carries their farewells, then the path.
async fn finish(
    emulator: Emulator,
    client: (quinn::Endpoint, Connection),
    server: quinn::Endpoint,
    serving: tokio::task::JoinHandle<()>,
) -> anyhow::Result<PathRecord> {
    let (endpoint, connection) = client;
    connection.close(VarInt::from_u32(0), b"done");
    let farewell = async {
        endpoint.wait_idle().await;
        server.wait_idle().await;
    };
    // A full queue may swallow the farewell; nothing is lost by not waiting for it.
    if tokio::time::timeout(FAREWELL_PATIENCE, farewell)
        .await
        .is_err()
    {
        server.close(VarInt::from_u32(0), b"done");
    }
    serving.abort();
    tokio::task::spawn_blocking(move || emulator.finish()).await?
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const FAREWELL_PATIENCE: Duration = Duration::from_millis(500);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::emulator::schedule::RateSchedule;

    #[test]
    fn data_flows_through_the_bottleneck_in_either_direction() {
        for direction in [Direction::Download, Direction::Upload] {
            let spec = TransferSpec {
                path: PathSpec {
                    schedule: RateSchedule::constant(10_000_000).unwrap(),
                    one_way_delay: Duration::from_millis(5),
                    buffer_bytes: 50_000,
                    direction,
                },
                controller: ControllerChoice::Fallback,
                duration: Duration::from_millis(600),
            };
            let result = run_transfer(&spec).unwrap();
            assert!(result.goodput_bits_per_sec > 0.0, "{direction:?}");
            let figures = result.path.summary(Duration::ZERO, result.path.elapsed());
            // The path counts headers and handshakes too.
            let data = result
                .data_ended
                .saturating_sub(result.data_started)
                .as_secs_f64();
            let received_bits = result.goodput_bits_per_sec * data;
            assert!(figures.delivered_bytes as f64 * 8.0 > received_bits);
            assert!(figures.throughput_bits_per_sec <= figures.capacity_bits_per_sec);
            assert!(result.progress.is_none());
        }
    }
}
