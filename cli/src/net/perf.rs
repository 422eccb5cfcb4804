//! The bulk protocol between two processes: a client asks for bytes, a server sends them.
//!
//! On a bidirectional stream the client writes one big-endian `u64`, the number of bytes it wants
//! ([`UNTIL_STOPPED`] for as many as it gets before it stops the stream), then its own data, and
//! finishes. The server discards that data and sends the bytes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;

use crate::files;
use crate::interrupt::Interrupted;

use super::endpoint::{
    ControllerChoice, DatagramSize, Identity, Trust, client_config, connect, listen, server_config,
    transport,
};

/// Largest TLS certificate that is read, bytes; ours have a few hundred.
const MOST_CERTIFICATE: u64 = 64 << 10;
/// A request for bytes without end.
pub(crate) const UNTIL_STOPPED: u64 = u64::MAX;

/// A bulk server to run.
#[derive(Debug)]
pub(crate) struct ServeSpec {
    /// Where to listen; port 0 for any free one.
    pub(crate) listen: SocketAddr,
    /// Controller of the data that the server sends.
    pub(crate) controller: ControllerChoice,
    /// Where to write the certificate, DER, for clients to trust.
    pub(crate) certificate_path: Option<PathBuf>,
}

/// What a running server has to tell.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// It listens here.
    Listening(SocketAddr),
    /// A client connected.
    Connected(SocketAddr),
    /// A connection ended.
    Closed {
        /// Whose.
        peer: SocketAddr,
        /// Packets that the server sent and declared lost.
        lost_packets: u64,
        /// Smoothed round-trip time at the end.
        round_trip: Duration,
        /// What the certified controller did; none for others.
        progress: Option<tautline_quic_integration::Progress>,
    },
}

/// Serves until the user interrupts, which is its normal end.
///
/// # Errors
/// When the port is in use, or the certificate cannot be written.
pub(crate) fn serve(
    spec: &ServeSpec,
    report: impl Fn(ServerEvent) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let identity = Identity::self_signed()?;
        let transport = transport(spec.controller.factory(), DatagramSize::Discovered);
        let endpoint = listen(spec.listen, server_config(&identity, transport)?)?;
        if let Some(path) = &spec.certificate_path {
            files::write(path, identity.certificate())?;
        }
        report(ServerEvent::Listening(endpoint.local_addr()?));
        let report = Arc::new(report);
        let received = Arc::new(AtomicU64::new(0));
        loop {
            let incoming = tokio::select! {
                incoming = endpoint.accept() => incoming,
                () = interrupted() => {
                    endpoint.close(VarInt::from_u32(0), b"server stopped");
                    endpoint.wait_idle().await;
                    return Ok(());
                }
            };
            let Some(incoming) = incoming else {
                return Ok(());
            };
            let (report, received) = (Arc::clone(&report), Arc::clone(&received));
            tokio::spawn(async move {
                // A handshake that fails is the client's to report.
                let Ok(connection) = incoming.await else {
                    return;
                };
                report(ServerEvent::Connected(connection.remote_address()));
                serve_connection(&connection, &received).await;
                report(ServerEvent::Closed {
                    peer: connection.remote_address(),
                    lost_packets: connection.stats().path.lost_packets,
                    round_trip: connection.rtt(),
                    progress: progress(&connection),
                });
            });
        }
    })
}

/// A download to make.
#[derive(Debug)]
pub(crate) struct FetchSpec {
    /// The server.
    pub(crate) server: SocketAddr,
    /// Which server is believed.
    pub(crate) trust: Trust,
    /// How much.
    pub(crate) amount: Amount,
    /// How long to wait for the connection.
    pub(crate) patience: Duration,
}

/// How much to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// As many as come in this time.
    Time(Duration),
}

/// What a download brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fetched {
    /// Application bytes.
    pub(crate) bytes: u64,
    /// From the request to the last byte.
    pub(crate) elapsed: Duration,
    /// Goodput, bit/s.
    pub(crate) goodput_bits_per_sec: f64,
    /// Smoothed round-trip time at the end, as the client saw it.
    pub(crate) round_trip: Duration,
}

/// Reads a certificate that a server wrote.
///
/// # Errors
/// When the file cannot be read, or is too large to be a certificate.
pub(crate) fn read_certificate(path: &std::path::Path) -> anyhow::Result<Trust> {
    let bytes = files::read("TLS certificate", path, MOST_CERTIFICATE)
        .context("expected the certificate (DER) that `tautline perf server --identity` writes")?;
    Ok(Trust::Certificate(CertificateDer::from(bytes)))
}

/// Downloads from a bulk server.
///
/// # Errors
/// When the server does not answer, is not trusted, or the connection breaks; [`Interrupted`].
pub(crate) fn fetch(spec: &FetchSpec) -> anyhow::Result<Fetched> {
    runtime()?.block_on(async {
        let transport = transport(ControllerChoice::Cubic.factory(), DatagramSize::Discovered);
        let config = client_config(&spec.trust, transport)?;
        let (endpoint, connection) = connect(spec.server, config, spec.patience).await?;
        let received = AtomicU64::new(0);
        let elapsed = tokio::select! {
            elapsed = download(&connection, spec.amount, &received) => elapsed?,
            () = interrupted() => return Err(Interrupted.into()),
        };
        let round_trip = connection.rtt();
        connection.close(VarInt::from_u32(0), b"done");
        endpoint.wait_idle().await;
        let bytes = received.load(Ordering::Relaxed);
        Ok(Fetched {
            bytes,
            elapsed,
            goodput_bits_per_sec: bytes as f64 * 8.0 / elapsed.as_secs_f64().max(1e-9),
            round_trip,
        })
    })
}

/// Asks for `amount` and counts what arrives; the time from the request to the last byte.
pub(crate) async fn download(
    connection: &Connection,
    amount: Amount,
    received: &AtomicU64,
) -> anyhow::Result<Duration> {
    let started = tokio::time::Instant::now();
    let (mut send, mut recv) = connection.open_bi().await?;
    let wanted = match amount {
        Amount::Bytes(bytes) => bytes,
        Amount::Time(_) => UNTIL_STOPPED,
    };
    send.write_all(&wanted.to_be_bytes()).await?;
    send.finish()?;
    let limit = match amount {
        Amount::Bytes(_) => Duration::MAX,
        Amount::Time(limit) => limit,
    };
    let finished = tokio::time::timeout(limit, count(&mut recv, received)).await;
    let elapsed = started.elapsed();
    if let Ok(outcome) = finished {
        outcome?;
    } else {
        recv.stop(VarInt::from_u32(0))?;
    }
    Ok(elapsed)
}

/// Sends for `duration`, then abandons the stream.
pub(crate) async fn upload(connection: &Connection, duration: Duration) -> anyhow::Result<()> {
    let (mut send, _recv) = connection.open_bi().await?;
    send.write_all(&0_u64.to_be_bytes()).await?;
    if let Ok(outcome) = tokio::time::timeout(duration, fill(&mut send, UNTIL_STOPPED)).await {
        outcome?;
    }
    send.reset(VarInt::from_u32(0))?;
    Ok(())
}

/// Answers requests until the connection ends; what clients send is counted in `received`.
pub(crate) async fn serve_connection(connection: &Connection, received: &Arc<AtomicU64>) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        let received = Arc::clone(received);
        tokio::spawn(async move {
            // The only errors are the client's: it went away or stopped the stream.
            drop(answer(send, recv, &received).await);
        });
    }
}

async fn answer(
    mut send: SendStream,
    mut recv: RecvStream,
    received: &AtomicU64,
) -> anyhow::Result<()> {
    let mut wanted = [0; 8];
    recv.read_exact(&mut wanted).await?;
    let wanted = u64::from_be_bytes(wanted);
    let (sent, counted) = tokio::join!(fill(&mut send, wanted), count(&mut recv, received));
    sent?;
    counted?;
    send.finish()?;
    Ok(())
}

async fn fill(send: &mut SendStream, mut bytes: u64) -> anyhow::Result<()> {
    let block = Bytes::from_static(&[0x5a; BLOCK]);
    while bytes > 0 {
        let length = bytes.min(BLOCK as u64);
        send.write_chunk(block.slice(..length as usize)).await?;
        if bytes != UNTIL_STOPPED {
            bytes -= length;
        }
    }
    Ok(())
}

async fn count(recv: &mut RecvStream, received: &AtomicU64) -> anyhow::Result<()> {
    while let Some(chunk) = recv.read_chunk(usize::MAX, true).await? {
        received.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// What the certified controller of `connection` has done; none if another one drives it.
pub(crate) fn progress(connection: &Connection) -> Option<tautline_quic_integration::Progress> {
    super::endpoint::CertifiedFactory::progress(connection.congestion_state())
}

/// Completes once the user has interrupted.
pub(crate) async fn interrupted() {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while !crate::interrupt::requested() {
        ticks.tick().await;
    }
}

/// A small runtime of its own for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the network runtime")
}

const BLOCK: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::endpoint::transport as parameters;

    fn local_server() -> (quinn::ServerConfig, Trust) {
        let identity = Identity::self_signed().unwrap();
        let controller = ControllerChoice::Fallback.factory();
        let transport = parameters(controller, DatagramSize::Discovered);
        let config = server_config(&identity, transport).unwrap();
        (config, Trust::Certificate(identity.certificate().clone()))
    }

    fn spec(server: SocketAddr, trust: Trust) -> FetchSpec {
        FetchSpec {
            server,
            trust,
            amount: Amount::Bytes(300_001),
            patience: Duration::from_secs(10),
        }
    }

    /// Serves connections on a loopback port until the runtime is dropped.
    fn start(runtime: &tokio::runtime::Runtime) -> (SocketAddr, Trust) {
        let (config, trust) = local_server();
        let _inside = runtime.enter();
        let endpoint = listen("127.0.0.1:0".parse().unwrap(), config).unwrap();
        let address = endpoint.local_addr().unwrap();
        runtime.spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                if let Ok(connection) = incoming.await {
                    serve_connection(&connection, &Arc::default()).await;
                }
            }
        });
        (address, trust)
    }

    #[test]
    fn a_client_gets_exactly_the_bytes_it_asked_for() {
        let server = runtime().unwrap();
        let (address, trust) = start(&server);
        let fetched = fetch(&spec(address, trust)).unwrap();
        assert_eq!(fetched.bytes, 300_001);
        assert_eq!(fetch(&spec(address, Trust::Anyone)).unwrap().bytes, 300_001);
    }

    #[test]
    fn a_server_with_another_certificate_is_refused_by_name() {
        let server = runtime().unwrap();
        let (address, _) = start(&server);
        let (_, other) = local_server();
        let error = fetch(&spec(address, other)).unwrap_err().to_string();
        assert!(error.contains("another certificate"), "{error}");
    }

    #[test]
    fn nobody_at_home_is_said_with_the_address() {
        // Bound, so that nobody else takes the port, but mute.
        let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = mute.local_addr().unwrap();
        let spec = FetchSpec {
            patience: Duration::from_millis(200),
            ..spec(address, Trust::Anyone)
        };
        let error = fetch(&spec).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("no answer"), "{error}");
    }

    #[test]
    fn a_port_in_use_is_said_with_advice() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let spec = ServeSpec {
            listen: taken.local_addr().unwrap(),
            controller: ControllerChoice::Cubic,
            certificate_path: None,
        };
        let error = serve(&spec, |event| panic!("{event:?}")).unwrap_err();
        assert!(error.to_string().contains("port is in use"), "{error}");
    }

    #[test]
    fn a_missing_certificate_file_is_named() {
        let path = std::path::Path::new("no/such/certificate.der");
        let error = format!("{:#}", read_certificate(path).unwrap_err());
        assert!(error.contains("no/such/certificate.der"), "{error}");
    }
}
