//! Two interfaces of one version of smoltcp, a sender that always has data and a receiver.
//!
//! Compiled twice: `super::stack` is smoltcp as published in one place and patched in the other.

use std::collections::VecDeque;

use super::stack::iface::{Config, Interface, SocketHandle, SocketSet};
use super::stack::phy::{
    ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use super::stack::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use super::stack::time::Instant;
use super::stack::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Packet, TcpPacket};
use crate::link::{Link, Shape};
use crate::report::{Outcome, wall_clock};

/// Frames on their way between an interface and a link.
#[derive(Debug, Default)]
pub struct Port {
    pub received: VecDeque<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
}

pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub struct Sending<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Sending<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sending(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        // The arithmetic of checksums is the same for all: it would only hide the differences.
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

/// The device that the sender polls, with or without something around the port.
pub trait Driver {
    type Device: Device;
    fn device(&mut self) -> &mut Self::Device;
    fn port(&mut self) -> &mut Port;
    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>);
    fn next(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant>;
}

impl Driver for Port {
    type Device = Self;

    fn device(&mut self) -> &mut Self {
        self
    }

    fn port(&mut self) -> &mut Port {
        self
    }

    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) {
        interface.poll(now, self, sockets);
    }

    fn next(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        interface.poll_at(now, sockets)
    }
}

struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl Host {
    fn new(device: &mut impl Device, number: u8, socket: Socket<'static>) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = number.into();
        let mut interface = Interface::new(config, device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddress::v4(10, 0, 0, number), 24))
                .expect("there is room for one address");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self {
            interface,
            sockets,
            handle,
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }
}

/// A socket with large buffers and no congestion control.
pub fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0x5a; BUFFER_BYTES]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_congestion_control(CongestionControl::None);
    socket
}

/// Sends as much as the path takes for `seconds` of virtual time.
pub fn run<D: Driver>(
    driver: D,
    sending: Socket<'static>,
    shape: Shape,
    seconds: i64,
    seed: u64,
) -> Outcome {
    let mut transfer = Transfer::start(driver, sending, shape, seed);
    let end = seconds * 1_000_000;
    let mut now_us = 0;
    let mut outcome = Outcome::default();
    while now_us < end {
        transfer.deliver(now_us);
        transfer.send(now_us, &mut outcome);
        transfer.receive(now_us, &mut outcome);
        let Some(next) = transfer.next_us(now_us) else {
            break;
        };
        outcome.polls += 1;
        // "Now" would not get on: everything that can be done now was done.
        now_us = next.max(now_us + 1);
    }
    outcome.seconds = seconds as f64;
    outcome.link = transfer.forth.tally;
    outcome
}

/// Both hosts and what lies between them.
struct Transfer<D> {
    driver: D,
    sender: Host,
    receiver_port: Port,
    receiver: Host,
    forth: Link,
    back: Link,
}

impl<D: Driver> Transfer<D> {
    /// The receiver listens, the sender is told to connect.
    fn start(mut driver: D, sending: Socket<'static>, shape: Shape, seed: u64) -> Self {
        let mut receiver_port = Port::default();
        let mut sender = Host::new(driver.device(), 1, sending);
        let mut receiver = Host::new(&mut receiver_port, 2, socket());
        receiver
            .socket()
            .listen(PORT)
            .expect("the socket is closed");
        let context = sender.interface.context();
        let socket = sender.sockets.get_mut::<Socket>(sender.handle);
        socket
            .connect(context, (IpAddress::v4(10, 0, 0, 2), PORT), 49_152)
            .expect("the socket is closed");
        let clean = Shape {
            buffer_bytes: usize::MAX,
            loss_ppm: 0,
            ..shape
        };
        Self {
            driver,
            sender,
            receiver_port,
            receiver,
            forth: Link::new(shape, seed),
            back: Link::new(clean, seed),
        }
    }

    /// Gives both ports what has arrived.
    fn deliver(&mut self, now_us: i64) {
        let (forth, back) = (&mut self.forth, &mut self.back);
        let acks = std::iter::from_fn(|| back.pop(now_us));
        self.driver.port().received.extend(acks);
        let data = std::iter::from_fn(|| forth.pop(now_us));
        self.receiver_port.received.extend(data);
    }

    /// Fills the sender's buffer and polls it.
    fn send(&mut self, now_us: i64, outcome: &mut Outcome) {
        let now = Instant::from_micros(now_us);
        let socket = self.sender.socket();
        while socket.can_send() {
            let queued = socket.send(|space| (space.len(), space.len()));
            if queued != Ok(0) {
                continue;
            }
            break;
        }
        let started = wall_clock();
        let sender = &mut self.sender;
        self.driver
            .poll(now, &mut sender.interface, &mut sender.sockets);
        outcome.add_poll(started.elapsed());
        for frame in self.driver.port().sent.drain(..) {
            let payload = payload_bytes(&frame);
            self.forth.push(now_us, frame, payload);
        }
    }

    /// Polls the receiver and empties its buffer.
    fn receive(&mut self, now_us: i64, outcome: &mut Outcome) {
        let now = Instant::from_micros(now_us);
        let (receiver, port) = (&mut self.receiver, &mut self.receiver_port);
        receiver.interface.poll(now, port, &mut receiver.sockets);
        let socket = receiver.socket();
        while socket.can_recv() {
            let received = socket.recv(|data| (data.len(), data.len()));
            outcome.received_bytes += received.unwrap_or(0) as u64;
        }
        // What was read may have opened the window.
        receiver.interface.poll(now, port, &mut receiver.sockets);
        for frame in port.sent.drain(..) {
            self.back.push(now_us, frame, 0);
        }
    }

    /// When something is due; none if nothing ever is.
    fn next_us(&mut self, now_us: i64) -> Option<i64> {
        let now = Instant::from_micros(now_us);
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        let polls = [
            self.driver
                .next(now, &mut sender.interface, &sender.sockets),
            receiver.interface.poll_at(now, &receiver.sockets),
        ];
        polls
            .into_iter()
            .flatten()
            .map(|at| at.total_micros())
            .chain(self.forth.next_arrival_us())
            .chain(self.back.next_arrival_us())
            .min()
    }
}

/// Bytes of data in an IPv4 packet with a TCP segment.
fn payload_bytes(frame: &[u8]) -> usize {
    Ipv4Packet::new_checked(frame)
        .ok()
        .and_then(|ip| {
            TcpPacket::new_checked(ip.payload())
                .ok()
                .map(|tcp| tcp.payload().len())
        })
        .unwrap_or(0)
}

const PORT: u16 = 80;
/// Never what limits the sender here: five times the path and its buffer together.
const BUFFER_BYTES: usize = 512 * 1024;
