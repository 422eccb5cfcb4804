//! One end of a simulated connection.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};
use tautline_core::units::Timestamp;
use tautline_netsim::endpoint::{
    Datagram, Endpoint, Layer, Request, RequestReader, RequestWriter, StackEndpoint, StackStatus,
};
use tautline_netsim::transport::Ecn;

use super::IPV4_AND_TCP;
use super::content::{Download, Upload};
use super::line::Line;
use super::requests;
use super::watch::Watch;
use crate::connection::Status;
use crate::device::Tally;

/// A smoltcp interface with its one TCP connection and the application on top.
pub struct SmoltcpEndpoint {
    line: Line,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    application: Application,
    watch: Watch,
    /// Payload of a full segment.
    max_segment: usize,
    /// Until the sending end has connected: when, where to, and its own port.
    to_connect: Option<(Timestamp, IpEndpoint, u16)>,
    established: bool,
    failure: Option<String>,
    next_wake: Timestamp,
}

impl core::fmt::Debug for SmoltcpEndpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SmoltcpEndpoint")
            .field("line", &self.line)
            .field("application", &self.application)
            .field("watch", &self.watch)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Application {
    Sending(Upload, RequestReader),
    Receiving(Download, RequestWriter),
}

/// What an end is made of.
pub(super) struct Parts {
    pub(super) line: Line,
    pub(super) address: IpAddress,
    pub(super) seed: u64,
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
    pub(super) congestion_control: CongestionControl,
}

impl SmoltcpEndpoint {
    /// Connects to `peer` at `start`.
    pub(super) fn sender(parts: Parts, start: Timestamp, peer: IpEndpoint, port: u16) -> Self {
        let application = Application::Sending(Upload::default(), RequestReader::default());
        let mut end = Self::new(parts, application);
        end.to_connect = Some((start, peer, port));
        end.next_wake = start;
        end
    }

    /// Listens on `port`.
    pub(super) fn receiver(parts: Parts, port: u16) -> Self {
        let application = Application::Receiving(Download::default(), RequestWriter::default());
        let mut end = Self::new(parts, application);
        let socket = end.sockets.get_mut::<Socket<'_>>(end.handle);
        // Requests do not wait for the acknowledgement of what went before.
        socket.set_nagle_enabled(false);
        if let Err(error) = socket.listen(port) {
            end.failure = Some(error.to_string());
        }
        end
    }

    fn new(mut parts: Parts, application: Application) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = parts.seed;
        let mut interface = parts.line.interface(config);
        interface.update_ip_addrs(|addresses| {
            // The only one, and there is room for one at least.
            let _fits = addresses.push(IpCidr::new(parts.address, NETWORK_BITS));
        });
        let buffer = |bytes: usize| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(parts.receive_buffer), buffer(parts.send_buffer));
        socket.set_congestion_control(parts.congestion_control);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let max_segment = usize::from(parts.line.wire().mtu().saturating_sub(IPV4_AND_TCP));
        Self {
            line: parts.line,
            interface,
            sockets,
            handle,
            application,
            watch: Watch::default(),
            max_segment,
            to_connect: None,
            established: false,
            failure: None,
            next_wake: Timestamp::MAX,
        }
    }

    /// What the gate before the interface has done; none where the controller is smoltcp's own.
    pub fn tally(&self) -> Option<Tally> {
        self.line.tally()
    }

    /// What the gate tracks of the connection; none where the controller is smoltcp's own, and
    /// before the connection is made.
    pub fn connection_status(&self) -> Option<Status> {
        self.line.status(&self.sockets, self.handle)
    }

    /// Connects, if the time has come.
    fn connect(&mut self, now: Timestamp) {
        let due = self.to_connect.take_if(|(start, ..)| *start <= now);
        let Some((_, peer, port)) = due else {
            return;
        };
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        if let Err(error) = socket.connect(self.interface.context(), peer, port) {
            self.failure = Some(error.to_string());
        }
    }

    /// The application reads what is there.
    fn read(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        match &mut self.application {
            Application::Sending(_, reader) => requests::read(reader, socket),
            Application::Receiving(download, _) => {
                download.read(socket);
                if let (Some(at), None) = (download.damaged(), &self.failure) {
                    self.failure = Some(format!("byte {at} of the upload arrived changed"));
                }
            }
        }
    }

    /// The application hands over what fits, and little beyond what can leave now: it decides again
    /// before more leaves.
    fn write(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        match &mut self.application {
            Application::Sending(upload, _) => {
                let unsent = |upload: &Upload| {
                    let unsent = upload.taken().saturating_sub(self.watch.departed());
                    usize::try_from(unsent).unwrap_or(usize::MAX)
                };
                if upload.waiting() > 0 && socket.can_send() {
                    let least = SEGMENTS_AHEAD * self.max_segment;
                    let ahead = self.line.ahead(least, self.watch.bytes_in_flight());
                    let most = self
                        .line
                        .room(socket)
                        .min(ahead.saturating_sub(unsent(upload)));
                    upload.write(socket, most);
                }
                // RFC 9293 §3.8.6.2.1 without Nagle's algorithm: full segments, and the last of what
                // is written. smoltcp without it would send whatever the window cuts.
                let last = upload.waiting() == 0 && unsent(upload) < self.max_segment;
                socket.set_nagle_enabled(!last);
            }
            Application::Receiving(_, writer) => requests::write(writer, socket),
        }
    }

    /// Simulated applications never close, so that a connection that ends has failed.
    fn note_state(&mut self) {
        let state = self.sockets.get::<Socket<'_>>(self.handle).state();
        match state {
            State::Established => self.established = true,
            State::Listen | State::SynSent | State::SynReceived => {}
            _ if self.established && self.failure.is_none() => {
                self.failure = Some(format!("the connection went to the state {state}"));
            }
            _ => {}
        }
    }

    /// Departures carry what their headers say.
    fn departed(&mut self, now: Timestamp) -> Option<Datagram> {
        let payload = self.line.wire().depart()?;
        self.watch.on_departure(now, &payload);
        let ecn = payload
            .get(TRAFFIC_CLASS)
            .map_or(Ecn::NotEct, |&class| Ecn::from_bits(class));
        Some(Datagram { payload, ecn })
    }
}

impl Endpoint for SmoltcpEndpoint {
    type Incoming = Datagram;
    type Outgoing = Datagram;

    fn receive(&mut self, now: Timestamp, incoming: Datagram) {
        self.watch.on_arrival(now, &incoming.payload);
        self.line.wire().arrive(incoming.payload);
        self.line
            .take_in(instant(now), &mut self.interface, &mut self.sockets);
        self.note_state();
        self.read();
    }

    fn wake(&mut self, now: Timestamp) {
        self.connect(now);
    }

    fn transmit(&mut self, now: Timestamp) -> Option<Datagram> {
        if let Some(datagram) = self.departed(now) {
            return Some(datagram);
        }
        let at = instant(now);
        self.write();
        self.line.poll(at, &mut self.interface, &mut self.sockets);
        self.note_state();
        if let Some(datagram) = self.departed(now) {
            return Some(datagram);
        }
        let next = self.line.next_poll(at, &mut self.interface, &self.sockets);
        // smoltcp counts microseconds; what is due within this one comes in the next.
        let soon = (now.as_nanos() / 1_000 + 1).saturating_mul(1_000);
        let next = next.map_or(u64::MAX, |next| nanos(next).max(soon));
        let start = self
            .to_connect
            .as_ref()
            .map_or(Timestamp::MAX, |(start, ..)| *start);
        self.next_wake = Timestamp::from_nanos(next).min(start);
        None
    }

    fn next_wake(&self) -> Timestamp {
        self.next_wake
    }
}

impl StackEndpoint for SmoltcpEndpoint {
    fn layer(&self) -> Layer {
        Layer::Ip
    }

    fn write_up_to(&mut self, _now: Timestamp, total: u64) {
        if let Application::Sending(upload, _) = &mut self.application {
            upload.write_up_to(total);
        }
    }

    fn taken_total(&self) -> u64 {
        match &self.application {
            Application::Sending(upload, _) => upload.taken(),
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
        }
    }

    fn next_request(&mut self) -> Option<Request> {
        match &mut self.application {
            Application::Sending(_, requests) => requests.pop(),
            Application::Receiving(..) => None,
        }
    }

    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn status(&self) -> StackStatus {
        let round_trips = self.watch.round_trips;
        let passive = StackStatus {
            sent_packets: self.watch.sent_packets(),
            lost_packets: self.watch.retransmissions(),
            smoothed_rtt: round_trips.smoothed,
            min_rtt: round_trips.least,
            rtt_samples: round_trips.samples,
            rtt_sum: round_trips.sum,
            bytes_in_flight: self.watch.bytes_in_flight(),
            counters: self.line.counters(),
            ..StackStatus::default()
        };
        match self.connection_status() {
            Some(tracked) => StackStatus {
                window: tracked.window,
                lost_packets: tracked.segments_lost,
                smoothed_rtt: tracked.smoothed_rtt,
                bytes_in_flight: tracked.outstanding,
                ..passive
            },
            None => passive,
        }
    }
}

/// smoltcp's time: whole microseconds.
fn instant(time: Timestamp) -> Instant {
    Instant::from_micros(i64::try_from(time.as_nanos() / 1_000).unwrap_or(i64::MAX))
}

/// Nanoseconds of smoltcp's time; zero for times before the start.
fn nanos(instant: Instant) -> u64 {
    let micros = u64::try_from(instant.total_micros()).unwrap_or(0);
    micros.saturating_mul(1_000)
}

/// Unsent segments that a socket may hold in any case; it is given more at the same instant if they
/// leave.
const SEGMENTS_AHEAD: usize = 16;
/// All simulated ends are in 10.0.0.0/8.
const NETWORK_BITS: u8 = 8;
/// Place of the ECN field in an IPv4 header.
const TRAFFIC_CLASS: usize = 1;
