//! Two smoltcp hosts with a cable between them, in virtual time.

use std::collections::VecDeque;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint, IpListenEndpoint,
};
use tautline_core::controller::NewReno;
use tautline_core::units::Bytes;
use tautline_tcp_integration::segment::Tuple;
use tautline_tcp_integration::{GatedDevice, Settings, next_poll, poll};

/// A network card with a queue in each direction.
#[derive(Debug)]
pub(crate) struct Nic {
    medium: Medium,
    inbound: VecDeque<Vec<u8>>,
    outbound: VecDeque<Vec<u8>>,
    /// Frames that fit into `outbound`.
    pub(crate) room: usize,
}

impl Nic {
    pub(crate) const fn new(medium: Medium) -> Self {
        Self {
            medium,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            room: 4096,
        }
    }
}

pub(crate) struct Inbound(Vec<u8>);

impl RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(crate) struct Outbound<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Inbound;
    type TxToken<'a> = Outbound<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Inbound, Outbound<'_>)> {
        if self.outbound.len() >= self.room {
            return None;
        }
        let frame = self.inbound.pop_front()?;
        Some((Inbound(frame), Outbound(&mut self.outbound)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outbound<'_>> {
        (self.outbound.len() < self.room).then_some(Outbound(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = match self.medium {
            Medium::Ethernet => 1514,
            Medium::Ip => 1500,
        };
        capabilities
    }
}

pub(crate) type Gated = GatedDevice<Nic, fn(Bytes) -> NewReno, CONNECTIONS, 64>;

/// Slots of a host's table.
pub(crate) const CONNECTIONS: usize = 3;

/// The version of IP that two hosts speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

pub(crate) struct Host {
    pub(crate) device: Gated,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) address: IpAddress,
}

impl Host {
    fn new(number: u8, medium: Medium, family: Family, settings: Settings) -> Self {
        let nic = Nic::new(medium);
        let source: fn(Bytes) -> NewReno = NewReno::new;
        let mut device = Gated::new(nic, source, settings).unwrap();
        let hardware = match medium {
            Medium::Ethernet => HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, number])),
            Medium::Ip => HardwareAddress::Ip,
        };
        let mut config = Config::new(hardware);
        config.random_seed = number.into();
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        let address = match family {
            Family::V4 => IpAddress::v4(10, 0, 0, number),
            Family::V6 => IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number.into()),
        };
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(address, 24)).unwrap());
        Self {
            device,
            interface,
            sockets: SocketSet::new(Vec::new()),
            address,
        }
    }

    pub(crate) fn listen(&mut self, port: u16) -> SocketHandle {
        let mut socket = stream();
        socket.listen(port).unwrap();
        self.sockets.add(socket)
    }

    pub(crate) fn connect(&mut self, local: u16, remote: IpEndpoint) -> SocketHandle {
        let handle = self.sockets.add(stream());
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), remote, local)
            .unwrap();
        handle
    }

    pub(crate) fn datagrams(&mut self, port: u16) -> SocketHandle {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 16_384]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(IpListenEndpoint::from(port)).unwrap();
        self.sockets.add(socket)
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Writes as much of `data` as the gate allows; returns how much.
    pub(crate) fn write(&mut self, handle: SocketHandle, data: &[u8]) -> usize {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        if !socket.can_send() {
            return 0;
        }
        self.device.send_slice(socket, data).unwrap()
    }

    /// Reads all there is.
    pub(crate) fn read(&mut self, handle: SocketHandle) -> Vec<u8> {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        let mut read = Vec::new();
        while socket.can_recv() {
            socket
                .recv(|bytes| {
                    read.extend_from_slice(bytes);
                    (bytes.len(), ())
                })
                .unwrap();
        }
        read
    }

    pub(crate) fn tuple(&mut self, handle: SocketHandle) -> Tuple {
        let socket = self.tcp(handle);
        Tuple {
            local: socket.local_endpoint().unwrap(),
            remote: socket.remote_endpoint().unwrap(),
        }
    }
}

/// A socket with buffers that the windows of the tests do not fill.
fn stream() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 256 << 10]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // Others of this package's tests need the feature that makes CUBIC the default.
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket
}

/// Says of a frame whether it is lost, given the host that sent it.
pub(crate) type Loss = Box<dyn FnMut(Instant, usize, &[u8]) -> bool>;

/// The two hosts, and what is on its way between them.
pub(crate) struct Cable {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    /// Frames under way to each host, with the times they arrive.
    under_way: [VecDeque<(Instant, Vec<u8>)>; 2],
    /// Which frames are lost.
    pub(crate) lose: Loss,
    /// Both hosts are polled at least so often, whatever they say.
    pub(crate) poll_every: Duration,
    /// Time that a byte keeps the cable busy.
    per_byte: Duration,
    /// When what each host has sent will have left.
    free_at: [Instant; 2],
}

impl Cable {
    pub(crate) fn new(medium: Medium, family: Family) -> Self {
        Self::with_settings(medium, family, Settings::default())
    }

    pub(crate) fn with_settings(medium: Medium, family: Family, settings: Settings) -> Self {
        Self {
            now: Instant::ZERO,
            hosts: [1, 2].map(|number| Host::new(number, medium, family, settings)),
            under_way: [VecDeque::new(), VecDeque::new()],
            lose: Box::new(|_, _, _| false),
            poll_every: Duration::from_millis(100),
            per_byte: Duration::from_micros(1),
            free_at: [Instant::ZERO; 2],
        }
    }

    /// Polls both hosts and moves what they send onto the cable.
    pub(crate) fn poll(&mut self) {
        for from in [0, 1] {
            let to = 1 - from;
            let host = &mut self.hosts[from];
            let arrived = &mut self.under_way[from];
            while arrived.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, frame) = arrived.pop_front().unwrap();
                host.device.inner_mut().inbound.push_back(frame);
            }
            poll(
                self.now,
                &mut host.interface,
                &mut host.device,
                &mut host.sockets,
            );
            let sent = std::mem::take(&mut host.device.inner_mut().outbound);
            for frame in sent {
                if (self.lose)(self.now, from, &frame) {
                    continue;
                }
                let service = self.per_byte * frame.len() as u32;
                let free_at = &mut self.free_at[from];
                *free_at = (*free_at).max(self.now) + service;
                self.under_way[to].push_back((*free_at + PROPAGATION, frame));
            }
        }
    }

    /// The next instant at which anything happens; none for never.
    fn next(&mut self) -> Option<Instant> {
        let arrivals = self
            .under_way
            .iter()
            .filter_map(|frames| frames.front().map(|(at, _)| *at));
        let mut at = arrivals.min();
        for host in &mut self.hosts {
            let poll_at = next_poll(self.now, &mut host.interface, &host.device, &host.sockets);
            // Frames that arrived while the card had no room are received as soon as it has.
            let waiting = !host.device.inner().inbound.is_empty();
            let poll_at = if waiting { Some(self.now) } else { poll_at };
            at = match (at, poll_at) {
                (Some(at), Some(poll_at)) => Some(at.min(poll_at)),
                (at, None) | (None, at) => at,
            };
        }
        Some(at?.max(self.now + TICK))
    }

    /// Lets time pass until `done`, calling `serve` at every step; panics after `limit`.
    pub(crate) fn run(
        &mut self,
        limit: Duration,
        mut serve: impl FnMut(&mut [Host; 2], Instant) -> bool,
    ) {
        let end = self.now + limit;
        loop {
            self.poll();
            if serve(&mut self.hosts, self.now) {
                return;
            }
            // What the application just wrote leaves now.
            self.poll();
            assert!(self.now < end, "not done at {}", self.now);
            self.now = self.next().unwrap_or(end).min(self.now + self.poll_every);
        }
    }

    /// Connects `local` of host 0 with `remote` of host 1, which listens there.
    pub(crate) fn open(&mut self, local: u16, remote: u16) -> [SocketHandle; 2] {
        let server = self.hosts[1].listen(remote);
        let endpoint = IpEndpoint::new(self.hosts[1].address, remote);
        let client = self.hosts[0].connect(local, endpoint);
        // The stack's timer doubles up to a minute for each SYN that is lost.
        self.run(Duration::from_secs(1200), |hosts, _| {
            hosts[0].tcp(client).may_send() && hosts[1].tcp(server).may_send()
        });
        [client, server]
    }
}

/// Bytes with no pattern that a wrong offset would repeat.
pub(crate) fn file(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

const PROPAGATION: Duration = Duration::from_millis(20);
/// The finest step of the tests' clock; it keeps them from standing still where a host says "now".
const TICK: Duration = Duration::from_micros(50);
