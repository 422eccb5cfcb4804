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
    mut driver: D,
    sending: Socket<'static>,
    shape: Shape,
    seconds: i64,
    seed: u64,
) -> Outcome {
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

    let mut forth = Link::new(shape, seed);
    let mut back = Link::new(
        Shape {
            buffer_bytes: usize::MAX,
            loss_ppm: 0,
            ..shape
        },
        seed,
    );
    let end = seconds * 1_000_000;
    let mut now_us = 0;
    let mut outcome = Outcome::default();
    while now_us < end {
        let now = Instant::from_micros(now_us);
        driver
            .port()
            .received
            .extend(std::iter::from_fn(|| back.pop(now_us)));
        receiver_port
            .received
            .extend(std::iter::from_fn(|| forth.pop(now_us)));

        let socket = sender.socket();
        while socket.can_send() {
            let queued = socket.send(|space| (space.len(), space.len()));
            if queued != Ok(0) {
                continue;
            }
            break;
        }
        let started = wall_clock();
        driver.poll(now, &mut sender.interface, &mut sender.sockets);
        outcome.add_poll(started.elapsed());
        for frame in driver.port().sent.drain(..) {
            let payload = payload_bytes(&frame);
            forth.push(now_us, frame, payload);
        }

        receiver
            .interface
            .poll(now, &mut receiver_port, &mut receiver.sockets);
        let socket = receiver.socket();
        while socket.can_recv() {
            let received = socket.recv(|data| (data.len(), data.len()));
            outcome.received_bytes += received.unwrap_or(0) as u64;
        }
        // What was read may have opened the window.
        receiver
            .interface
            .poll(now, &mut receiver_port, &mut receiver.sockets);
        for frame in receiver_port.sent.drain(..) {
            back.push(now_us, frame, 0);
        }

        let polls = [
            driver.next(now, &mut sender.interface, &sender.sockets),
            receiver.interface.poll_at(now, &receiver.sockets),
        ];
        let next = polls
            .into_iter()
            .flatten()
            .map(|at| at.total_micros())
            .chain(forth.next_arrival_us())
            .chain(back.next_arrival_us())
            .min();
        let Some(next) = next else { break };
        outcome.polls += 1;
        // "Now" would not get on: everything that can be done now was done.
        now_us = next.max(now_us + 1);
    }
    outcome.seconds = seconds as f64;
    outcome.link = forth.tally;
    outcome
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
