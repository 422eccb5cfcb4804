//! One end of a simulated connection.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, EcnCodepoint, Endpoint as QuicHost,
    EndpointConfig, Event, ServerConfig, StreamEvent,
};
use tautline_core::controller::{Controller as _, Counters};
use tautline_core::units::{self, Timestamp};
use tautline_netsim::endpoint::{
    Datagram, Endpoint, Request, RequestReader, StackEndpoint, StackStatus,
};
use tautline_netsim::transport::Ecn;

use super::bulk::{Download, Upload};
use super::controller::SharedController;
use super::requests::{self, RequestStream};
use super::virtual_time::{instant, timestamp};
use super::watch::Watch;

/// A quinn-proto endpoint with its one connection and the application on top.
#[derive(Debug)]
pub struct QuinnEndpoint {
    host: QuicHost,
    connection: Option<(ConnectionHandle, Connection)>,
    application: Application,
    /// Until the sending end has connected: when and how.
    to_connect: Option<(Timestamp, Box<ClientConfig>)>,
    /// Answers of the endpoint itself, outside any connection.
    answers: VecDeque<Vec<u8>>,
    ecn: Ecn,
    ours: Option<SharedController>,
    /// What quinn tells the controller of this end.
    watch: Arc<Watch>,
    established: bool,
    failure: Option<String>,
    next_wake: Timestamp,
}

#[derive(Debug)]
enum Application {
    Sending(Upload, RequestReader),
    Receiving(Download, RequestStream),
}

impl QuinnEndpoint {
    pub(super) fn sender(
        host: EndpointConfig,
        config: ClientConfig,
        start: Timestamp,
        ecn: Ecn,
        (watch, ours): (Arc<Watch>, Option<SharedController>),
        upload: Upload,
    ) -> Self {
        Self {
            host: QuicHost::new(Arc::new(host), None, false, None),
            connection: None,
            application: Application::Sending(upload, RequestReader::default()),
            to_connect: Some((start, Box::new(config))),
            answers: VecDeque::new(),
            ecn,
            ours,
            watch,
            established: false,
            failure: None,
            next_wake: start,
        }
    }

    pub(super) fn receiver(
        host: EndpointConfig,
        config: ServerConfig,
        ecn: Ecn,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            host: QuicHost::new(Arc::new(host), Some(Arc::new(config)), false, None),
            connection: None,
            application: Application::Receiving(Download::default(), RequestStream::default()),
            to_connect: None,
            answers: VecDeque::new(),
            ecn,
            ours: None,
            watch,
            established: false,
            failure: None,
            next_wake: Timestamp::MAX,
        }
    }

    /// quinn's figures; none before there is a connection.
    pub fn stats(&self) -> Option<quinn_proto::ConnectionStats> {
        self.connection
            .as_ref()
            .map(|(_, connection)| connection.stats())
    }

    /// Connects, if the time has come.
    fn connect(&mut self, now: Timestamp) {
        let Some((_, config)) = self.to_connect.take_if(|(start, _)| *start <= now) else {
            return;
        };
        match self.host.connect(instant(now), *config, SERVER, "receiver") {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Passes on what the connection has to tell the endpoint and the application.
    fn settle(&mut self) {
        let Some((handle, connection)) = self.connection.as_mut() else {
            return;
        };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(answer) = self.host.handle_event(*handle, event) {
                connection.handle_event(answer);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => {
                    self.established = true;
                    self.application.on_writable(connection);
                }
                Event::ConnectionLost { reason } => self.failure = Some(reason.to_string()),
                Event::Stream(StreamEvent::Opened { .. } | StreamEvent::Readable { .. }) => {
                    self.application.on_readable(connection);
                }
                Event::Stream(StreamEvent::Writable { .. } | StreamEvent::Available { .. }) => {
                    self.application.on_writable(connection);
                }
                _ => {}
            }
        }
    }

    /// What leaves with `payload`, marked as the flow wants.
    const fn datagram(&self, payload: Vec<u8>, ecn: Option<EcnCodepoint>) -> Datagram {
        let ecn = match ecn {
            Some(_) => self.ecn,
            None => Ecn::NotEct,
        };
        Datagram { payload, ecn }
    }
}

impl Application {
    fn on_readable(&mut self, connection: &mut Connection) {
        match self {
            Self::Sending(_, reader) => requests::read(reader, connection),
            Self::Receiving(download, _) => download.read(connection),
        }
    }

    fn on_writable(&mut self, connection: &mut Connection) {
        match self {
            Self::Sending(upload, _) => upload.unblock(),
            Self::Receiving(_, requests) => requests.write(connection),
        }
    }
}

impl Endpoint for QuinnEndpoint {
    type Incoming = Datagram;
    type Outgoing = Datagram;

    fn receive(&mut self, now: Timestamp, incoming: Datagram) {
        let at = instant(now);
        let peer = match self.application {
            Application::Sending(..) => SERVER,
            Application::Receiving(..) => CLIENT,
        };
        // quinn itself knows ECT(0) only.
        let ecn = match incoming.ecn {
            Ecn::NotEct => None,
            Ecn::Ect0 | Ecn::Ect1 => Some(EcnCodepoint::Ect0),
            Ecn::Ce => Some(EcnCodepoint::Ce),
        };
        // Takes the vector over without a copy.
        let payload = BytesMut::from(Bytes::from(incoming.payload));
        let mut answer = Vec::new();
        match self.host.handle(at, peer, None, ecn, payload, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = self.connection.as_mut() {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(arrival)) => {
                match self.host.accept(arrival, at, &mut answer, None) {
                    Ok(accepted) => self.connection = Some(accepted),
                    Err(error) => {
                        self.failure = Some(error.cause.to_string());
                        if error.response.is_some() {
                            self.answers.push_back(answer);
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(_)) => self.answers.push_back(answer),
            None => {}
        }
        self.settle();
    }

    fn wake(&mut self, now: Timestamp) {
        self.connect(now);
        if let Some((_, connection)) = self.connection.as_mut() {
            connection.handle_timeout(instant(now));
        }
        self.settle();
    }

    fn transmit(&mut self, now: Timestamp) -> Option<Datagram> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(self.datagram(answer, None));
        }
        let at = instant(now);
        let Some((_, connection)) = self.connection.as_mut() else {
            self.next_wake = match &self.to_connect {
                Some((start, _)) => *start,
                None => Timestamp::MAX,
            };
            return None;
        };
        if let Application::Sending(upload, _) = &mut self.application
            && self.established
        {
            upload.refill(connection);
        }
        let mut payload = Vec::new();
        loop {
            let asked = self.watch.window_asked();
            if let Some(transmit) = connection.poll_transmit(at, 1, &mut payload) {
                if let Application::Sending(upload, _) = &mut self.application {
                    upload.on_departure(payload.len());
                }
                return Some(self.datagram(payload, transmit.ecn));
            }
            // quinn looks at the window as soon as there is anything to send.
            let idle = self.watch.window_asked() == asked;
            let refilled = match &mut self.application {
                Application::Sending(upload, _) if idle && self.established => {
                    upload.refill_idle(connection)
                }
                _ => false,
            };
            if !refilled {
                break;
            }
        }
        // An expired timer is served a nanosecond later at the earliest, so that time moves on
        // even where quinn's rounding would name the same instant again.
        let soon = Timestamp::from_nanos(now.as_nanos().saturating_add(1));
        self.next_wake = connection
            .poll_timeout()
            .map_or(Timestamp::MAX, |timer| timestamp(timer).max(soon));
        None
    }

    fn next_wake(&self) -> Timestamp {
        self.next_wake
    }
}

impl StackEndpoint for QuinnEndpoint {
    fn write_up_to(&mut self, _now: Timestamp, total: u64) {
        if let Application::Sending(upload, _) = &mut self.application {
            upload.write_up_to(total);
        }
    }

    fn taken_total(&self) -> u64 {
        match &self.application {
            Application::Sending(upload, _) => upload.written(),
            Application::Receiving(..) => 0,
        }
    }

    fn read_total(&self) -> u64 {
        match &self.application {
            Application::Sending(..) => 0,
            Application::Receiving(download, _) => download.read_total(),
        }
    }

    fn send_request(&mut self, _now: Timestamp, request: Request) {
        if let Application::Receiving(_, requests) = &mut self.application {
            requests.push(request);
            if self.established
                && let Some((_, connection)) = self.connection.as_mut()
            {
                requests.write(connection);
            }
        }
    }

    fn next_request(&mut self) -> Option<Request> {
        match &mut self.application {
            Application::Sending(_, requests) => requests.pop(),
            Application::Receiving(..) => None,
        }
    }

    /// Simulated applications never close a connection, but quinn does where it finds its peer at
    /// fault.
    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn status(&self) -> StackStatus {
        let counters = self
            .ours
            .as_ref()
            .map_or_else(Counters::default, SharedController::counters);
        let Some((_, connection)) = self.connection.as_ref() else {
            return StackStatus {
                counters,
                ..StackStatus::default()
            };
        };
        let stats = connection.stats();
        let window = match &self.ours {
            Some(ours) => ours.decision().congestion_window,
            None => units::Bytes::new(stats.path.cwnd),
        };
        let round_trips = self.watch.round_trips();
        StackStatus {
            window,
            sent_packets: stats.path.sent_packets,
            lost_packets: stats.path.lost_packets,
            // Before the first sample quinn shows what it assumes; a handshake takes a sample.
            smoothed_rtt: if self.established {
                stats.path.rtt
            } else {
                Duration::ZERO
            },
            min_rtt: round_trips.least,
            rtt_samples: round_trips.samples,
            rtt_sum: round_trips.sum,
            bytes_in_flight: self.watch.bytes_in_flight(),
            counters,
        }
    }
}

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1001);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 443);
