//! Two real quinn-proto endpoints over a link in memory: no sockets, no waiting, one seed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::congestion::ControllerFactory;
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, EcnCodepoint, Endpoint, EndpointEvent, Event,
    StreamId,
};

use crate::endpoints::{client_config, endpoint_config, server_certificate, server_config};

/// The path from client to server; the way back only has the delay.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) rate_bits_per_sec: u64,
    pub(crate) one_way_delay: Duration,
    pub(crate) buffer_bytes: u64,
    /// Packets that find at least this much queued are marked instead of waiting for a loss.
    pub(crate) mark_from_bytes: Option<u64>,
    /// Every how many-th full packet from the client is lost.
    pub(crate) lose_every: Option<u64>,
    /// Everything sent in this interval after the start is lost, both ways.
    pub(crate) outage: Option<(Duration, Duration)>,
}

impl Link {
    /// 10 Mbit/s, 40 ms round trip, one BDP of buffer.
    pub(crate) fn ten_megabits() -> Self {
        Self {
            rate_bits_per_sec: 10_000_000,
            one_way_delay: Duration::from_millis(20),
            buffer_bytes: 50_000,
            mark_from_bytes: None,
            lose_every: None,
            outage: None,
        }
    }
}

/// Whether packets that may leave together do, or each at an instant of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departures {
    Together,
    Apart,
}

struct Host {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    inbox: VecDeque<Packet>,
}

struct Packet {
    arrival: Instant,
    ecn: Option<EcnCodepoint>,
    data: BytesMut,
}

/// An upload from client to server.
pub(crate) struct Pair {
    client: Host,
    server: Host,
    link: Link,
    departures: Departures,
    start: Instant,
    now: Instant,
    link_free_at: Instant,
    upload: Option<StreamId>,
    to_write: u64,
    received: u64,
    full_packets: u64,
    finished: bool,
}

/// How an upload went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) finished: bool,
    pub(crate) received: u64,
    pub(crate) elapsed: Duration,
    pub(crate) lost_packets: u64,
}

impl Pair {
    pub(crate) fn new(
        link: Link,
        factory: Arc<dyn ControllerFactory + Send + Sync>,
        departures: Departures,
    ) -> Self {
        Self::with_receiver(link, factory, None, departures)
    }

    /// The same with a controller of ours at the receiving end too.
    pub(crate) fn with_receiver(
        link: Link,
        factory: Arc<dyn ControllerFactory + Send + Sync>,
        receiver: Option<Arc<dyn ControllerFactory + Send + Sync>>,
        departures: Departures,
    ) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs one instant to start at"
        )]
        let start = Instant::now();
        let certificate = server_certificate();
        let config = Arc::new(server_config(&certificate, receiver));
        let server = Host {
            endpoint: Endpoint::new(endpoint_config(2), Some(config), false, None),
            connection: None,
            inbox: VecDeque::new(),
        };
        let mut client = Endpoint::new(endpoint_config(1), None, false, None);
        let connection = client
            .connect(
                start,
                client_config(&certificate, factory),
                SERVER,
                "localhost",
            )
            .unwrap();
        Self {
            client: Host {
                endpoint: client,
                connection: Some(connection),
                inbox: VecDeque::new(),
            },
            server,
            link,
            departures,
            start,
            now: start,
            link_free_at: start,
            upload: None,
            to_write: 0,
            received: 0,
            full_packets: 0,
            finished: false,
        }
    }

    /// The sending connection.
    pub(crate) fn sender(&self) -> &Connection {
        &self.client.connection.as_ref().unwrap().1
    }

    /// The receiving connection, once accepted.
    pub(crate) fn receiver(&self) -> &Connection {
        &self.server.connection.as_ref().unwrap().1
    }

    /// Uploads `bytes`, for at most `limit` of virtual time.
    pub(crate) fn upload(&mut self, bytes: u64, limit: Duration) -> Outcome {
        self.to_write = bytes;
        self.serve_hosts();
        while !self.finished {
            let Some(next) = self.next_event() else { break };
            if next > self.start + limit {
                break;
            }
            self.now = self.now.max(next);
            self.serve_hosts();
        }
        Outcome {
            finished: self.finished,
            received: self.received,
            elapsed: self.now - self.start,
            lost_packets: self.sender().stats().path.lost_packets,
        }
    }

    fn next_event(&mut self) -> Option<Instant> {
        [&mut self.client, &mut self.server]
            .into_iter()
            .flat_map(|host| {
                let timer = host
                    .connection
                    .as_mut()
                    .and_then(|(_, connection)| connection.poll_timeout());
                [timer, host.inbox.front().map(|packet| packet.arrival)]
            })
            .flatten()
            .min()
    }

    fn serve_hosts(&mut self) {
        let now = self.now;
        self.client.receive(now, SERVER);
        self.server.receive(now, CLIENT);
        self.application();
        self.transmit(Side::Client);
        self.transmit(Side::Server);
    }

    fn application(&mut self) {
        if let Some((_, connection)) = self.client.connection.as_mut() {
            while let Some(event) = connection.poll() {
                match event {
                    Event::Connected => self.upload = connection.streams().open(Dir::Uni),
                    Event::ConnectionLost { reason } => panic!("sender: {reason}"),
                    _ => {}
                }
            }
            if let Some(id) = self.upload {
                let mut stream = connection.send_stream(id);
                let block = [0x5a; 16_384];
                while self.to_write > 0 {
                    let len = self.to_write.min(block.len() as u64) as usize;
                    let Ok(written) = stream.write(&block[..len]) else {
                        break;
                    };
                    self.to_write -= written as u64;
                }
                if self.to_write == 0 {
                    stream.finish().unwrap();
                    self.upload = None;
                }
            }
        }
        if let Some((_, connection)) = self.server.connection.as_mut() {
            while connection.poll().is_some() {}
            let id = StreamId::new(quinn_proto::Side::Client, Dir::Uni, 0);
            let mut stream = connection.recv_stream(id);
            let Ok(mut chunks) = stream.read(true) else {
                return;
            };
            loop {
                match chunks.next(usize::MAX) {
                    Ok(Some(chunk)) => self.received += chunk.bytes.len() as u64,
                    Ok(None) => {
                        self.finished = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            let _transmit = chunks.finalize();
        }
    }

    fn transmit(&mut self, side: Side) {
        let mut buf = Vec::new();
        loop {
            let host = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            host.exchange_events();
            let Some((_, connection)) = host.connection.as_mut() else {
                return;
            };
            buf.clear();
            let Some(transmit) = connection.poll_transmit(self.now, 1, &mut buf) else {
                return;
            };
            let packet = Bytes::copy_from_slice(&buf[..transmit.size]);
            self.send(side, transmit.ecn, &packet);
            if self.departures == Departures::Apart {
                self.now += Duration::from_nanos(1);
            }
        }
    }

    fn send(&mut self, from: Side, mut ecn: Option<EcnCodepoint>, data: &[u8]) {
        let since_start = self.now - self.start;
        if let Some((begin, end)) = self.link.outage
            && (begin..end).contains(&since_start)
        {
            return;
        }
        if from == Side::Server {
            self.client.inbox.push_back(Packet {
                arrival: self.now + self.link.one_way_delay,
                ecn,
                data: data.into(),
            });
            return;
        }
        self.full_packets += u64::from(data.len() == usize::from(MTU));
        if let Some(every) = self.link.lose_every
            && data.len() == usize::from(MTU)
            && self.full_packets.is_multiple_of(every)
        {
            return;
        }
        let backlog = self.link_free_at.saturating_duration_since(self.now);
        let rate = u128::from(self.link.rate_bits_per_sec);
        let queued = (backlog.as_nanos() * rate / 8_000_000_000) as u64;
        let size = data.len() as u64 + IP_UDP_HEADER;
        if queued + size > self.link.buffer_bytes {
            return;
        }
        if self
            .link
            .mark_from_bytes
            .is_some_and(|limit| queued >= limit)
            && ecn.is_some()
        {
            ecn = Some(EcnCodepoint::Ce);
        }
        let nanos = u128::from(size) * 8_000_000_000 / rate;
        self.link_free_at = self.now.max(self.link_free_at) + Duration::from_nanos(nanos as u64);
        self.server.inbox.push_back(Packet {
            arrival: self.link_free_at + self.link.one_way_delay,
            ecn,
            data: data.into(),
        });
    }
}

impl Host {
    /// Takes in arrived packets and expired timers.
    fn receive(&mut self, now: Instant, peer: SocketAddr) {
        while self
            .inbox
            .front()
            .is_some_and(|packet| packet.arrival <= now)
        {
            let packet = self.inbox.pop_front().unwrap();
            let mut buf = Vec::new();
            let event = self
                .endpoint
                .handle(now, peer, None, packet.ecn, packet.data, &mut buf);
            match event {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    let accepted = self.endpoint.accept(incoming, now, &mut buf, None);
                    self.connection = Some(accepted.map_err(|error| error.cause).unwrap());
                }
                Some(DatagramEvent::ConnectionEvent(_, event)) => {
                    if let Some((_, connection)) = self.connection.as_mut() {
                        connection.handle_event(event);
                    }
                }
                Some(DatagramEvent::Response(_)) | None => {}
            }
        }
        if let Some((_, connection)) = self.connection.as_mut()
            && connection.poll_timeout().is_some_and(|at| at <= now)
        {
            connection.handle_timeout(now);
        }
    }

    fn exchange_events(&mut self) {
        let Some((handle, connection)) = self.connection.as_mut() else {
            return;
        };
        let events: Vec<EndpointEvent> =
            std::iter::from_fn(|| connection.poll_endpoint_events()).collect();
        for event in events {
            if let Some(answer) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(answer);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// UDP payload of every full packet.
pub(crate) const MTU: u16 = 1452;
const IP_UDP_HEADER: u64 = 28;
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4433);
const CLIENT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4434);
