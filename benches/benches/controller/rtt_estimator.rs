//! A round-trip time estimator as quinn hands it to controllers.
//!
//! quinn-proto builds `RttEstimator` only inside a connection, so this runs one: two endpoints in
//! memory, 20 ms apart in virtual time, a handshake and a short upload. The sender's controller
//! keeps a copy of the estimator of the latest acknowledgement.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::congestion::{Controller, ControllerFactory};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    Event, RttEstimator, ServerConfig, TransportConfig,
};
use rustls::pki_types::PrivateKeyDer;

/// Runs the connection that starts at `start`.
pub(crate) fn measured_on_a_real_connection(
    start: Instant,
) -> Result<RttEstimator, Box<dyn Error>> {
    let seen = Arc::new(Mutex::new(None));
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let certificate = signed.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let server_config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let mut client_config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    let mut transport = TransportConfig::default();
    transport.congestion_controller_factory(Arc::new(Witness(Arc::clone(&seen))));
    client_config.transport_config(Arc::new(transport));

    let mut client = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let connection = client.connect(start, client_config, SERVER, "localhost")?;
    let mut client = Host::new(client, SERVER, Some(connection));
    let config = Arc::new(EndpointConfig::default());
    let server = Endpoint::new(config, Some(Arc::new(server_config)), true, None);
    let mut server = Host::new(server, CLIENT, None);
    let mut now = start;
    for _ in 0..EXCHANGES {
        client.serve(now, &mut server.inbox)?;
        server.serve(now, &mut client.inbox)?;
        now += ONE_WAY_DELAY;
    }
    let estimator = seen.lock().map_err(|_| "a callback panicked")?.take();
    estimator.ok_or_else(|| "the connection acknowledged nothing".into())
}

/// One end; everything in the inbox has arrived.
struct Host {
    endpoint: Endpoint,
    peer: SocketAddr,
    connection: Option<(ConnectionHandle, Connection)>,
    inbox: VecDeque<BytesMut>,
}

impl Host {
    const fn new(
        endpoint: Endpoint,
        peer: SocketAddr,
        connection: Option<(ConnectionHandle, Connection)>,
    ) -> Self {
        Self {
            endpoint,
            peer,
            connection,
            inbox: VecDeque::new(),
        }
    }

    fn serve(
        &mut self,
        now: Instant,
        outbox: &mut VecDeque<BytesMut>,
    ) -> Result<(), Box<dyn Error>> {
        let mut buf = Vec::new();
        while let Some(packet) = self.inbox.pop_front() {
            let event = self
                .endpoint
                .handle(now, self.peer, None, None, packet, &mut buf);
            match event {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    let accepted = self.endpoint.accept(incoming, now, &mut buf, None);
                    self.connection = Some(accepted.map_err(|error| error.cause)?);
                }
                Some(DatagramEvent::ConnectionEvent(_, event)) => {
                    if let Some((_, connection)) = self.connection.as_mut() {
                        connection.handle_event(event);
                    }
                }
                Some(DatagramEvent::Response(_)) | None => {}
            }
        }
        let Some((handle, connection)) = self.connection.as_mut() else {
            return Ok(());
        };
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        while let Some(event) = connection.poll() {
            if matches!(event, Event::Connected)
                && connection.side().is_client()
                && let Some(id) = connection.streams().open(Dir::Uni)
            {
                connection.send_stream(id).write(&[0x5a; 16_000])?;
            }
        }
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(answer) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(answer);
            }
        }
        buf.clear();
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut buf) {
            outbox.push_back(buf.iter().take(transmit.size).copied().collect());
            buf.clear();
        }
        Ok(())
    }
}

/// A fixed window that copies the estimator out of every acknowledgement.
#[derive(Clone)]
struct Witness(Arc<Mutex<Option<RttEstimator>>>);

impl ControllerFactory for Witness {
    fn build(self: Arc<Self>, _now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Self::clone(&self))
    }
}

impl Controller for Witness {
    fn on_ack(
        &mut self,
        _now: Instant,
        _sent: Instant,
        _bytes: u64,
        _app_limited: bool,
        rtt: &RttEstimator,
    ) {
        if let Ok(mut seen) = self.0.lock() {
            *seen = Some(*rtt);
        }
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        _is_persistent_congestion: bool,
        _lost_bytes: u64,
    ) {
    }

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        self.initial_window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        14_720
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const ONE_WAY_DELAY: Duration = Duration::from_millis(20);
/// Enough for a handshake and a few round trips of data.
const EXCHANGES: u32 = 20;
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4433);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4434);
