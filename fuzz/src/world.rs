//! Two smoltcp interfaces, one of them behind a gate, and a path between them on which anybody may
//! meddle, in virtual time.

use std::collections::{BTreeMap, VecDeque};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, IpAddress, IpCidr,
    IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use tautline_core::controller::NewReno;
use tautline_core::units::Bytes;
use tautline_tcp_integration::segment::{Direction, Parsed, Segment, parse};
use tautline_tcp_integration::{GatedDevice, Settings, next_poll, poll};

/// Connections that the gate has room for.
pub(crate) const CONNECTIONS: usize = 4;
/// Records of each: few, so that segments merge.
const SEGMENTS: usize = 16;
const FRAME: usize = 1536;
const MTU: usize = 1500;

/// Link addresses, where there are some.
const GATE: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const PEER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

/// The gate under test.
pub(crate) type Gate = GatedDevice<Link, fn(Bytes) -> NewReno, CONNECTIONS, SEGMENTS, FRAME>;

/// A device of two queues.
#[derive(Debug)]
pub(crate) struct Link {
    medium: Medium,
    /// Frames that wait to depart, at most.
    ring: usize,
    arriving: VecDeque<Vec<u8>>,
    departed: VecDeque<Vec<u8>>,
}

/// One frame to receive.
pub(crate) struct Rx(Vec<u8>);

/// Room for one frame.
pub(crate) struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Link {
    const fn new(medium: Medium, ring: usize) -> Self {
        Self {
            medium,
            ring,
            arriving: VecDeque::new(),
            departed: VecDeque::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.departed.len() >= self.ring
    }
}

impl Device for Link {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        // As drivers do: what cannot be answered is not taken.
        if self.is_full() {
            return None;
        }
        let frame = self.arriving.pop_front()?;
        Some((Rx(frame), Tx(&mut self.departed)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        (!self.is_full()).then_some(Tx(&mut self.departed))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the interface behind the gate.
    ToGate,
    /// To the other one.
    ToPeer,
}

/// An interface, its device and its sockets.
pub(crate) struct Host<D> {
    pub(crate) interface: Interface,
    pub(crate) device: D,
    pub(crate) sockets: SocketSet<'static>,
}

/// How a world begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// First sequence number behind the gate, and of the peer.
    pub(crate) sequence: (u32, u32),
    /// How long a frame travels.
    pub(crate) latency: Duration,
    pub(crate) settings: Settings,
    /// IPv6 instead of IPv4.
    pub(crate) ipv6: bool,
    pub(crate) medium: Medium,
    /// Frames that the device behind the gate holds; it sends one each millisecond. None for any
    /// number at once.
    pub(crate) ring: Option<usize>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            sequence: (1_000_000, 2_000_000),
            latency: Duration::from_millis(10),
            settings: Settings::default(),
            ipv6: false,
            medium: Medium::Ip,
            ring: None,
        }
    }
}

/// What the path does with a frame: frames to carry on in its place, each on its way.
pub(crate) type Frames = Vec<(Way, Vec<u8>)>;

/// Both hosts and what is between them.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) gate: Host<Gate>,
    pub(crate) peer: Host<Link>,
    /// The newest segment of either way.
    pub(crate) seen: [Option<Segment>; 2],
    /// The first sequence number of either way.
    pub(crate) first: [Option<u32>; 2],
    /// Frames in flight, by arrival and then by order.
    flight: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    carried: u64,
    latency: Duration,
    medium: Medium,
    /// When the device behind the gate may send again, if it is one of limited room.
    sends_at: Option<Instant>,
    addresses: (IpAddress, IpAddress),
    /// Turns without any progress of time.
    turns: u32,
}

/// Turns at one instant after which nothing but a loop without end is left to think of.
const MAX_TURNS: u32 = 400;

impl World {
    pub(crate) fn new(start: Start) -> Self {
        let now = Instant::ZERO;
        let addresses = if start.ipv6 {
            let address = |last| IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
            (address(1), address(2))
        } else {
            (IpAddress::v4(192, 0, 2, 1), IpAddress::v4(192, 0, 2, 2))
        };
        let source: fn(Bytes) -> NewReno = NewReno::new;
        let gate = Gate::new(Link::new(start.medium, usize::MAX), source, start.settings)
            .expect("MTU is below FRAME");
        Self {
            now,
            gate: host(gate, start.medium, GATE, addresses.0, start.sequence.0),
            peer: host(
                Link::new(start.medium, usize::MAX),
                start.medium,
                PEER,
                addresses.1,
                start.sequence.1,
            ),
            seen: [None; 2],
            first: [None; 2],
            flight: BTreeMap::new(),
            carried: 0,
            latency: start.latency,
            medium: start.medium,
            sends_at: start.ring.map(|_| now),
            addresses,
            turns: 0,
        }
    }

    /// The end behind the gate.
    pub(crate) fn local(&self, port: u16) -> IpEndpoint {
        IpEndpoint::new(self.addresses.0, port)
    }

    /// The peer's end.
    pub(crate) fn remote(&self, port: u16) -> IpEndpoint {
        IpEndpoint::new(self.addresses.1, port)
    }

    /// A socket behind the gate that connects to the peer, who listens.
    pub(crate) fn connect(&mut self, ports: (u16, u16)) -> (SocketHandle, SocketHandle) {
        let listener = listen(&mut self.peer.sockets, ports.1);
        let remote = self.remote(ports.1);
        let host = &mut self.gate;
        let connector = host.sockets.add(socket());
        let connecting = host.sockets.get_mut::<tcp::Socket<'_>>(connector);
        let context = host.interface.context();
        connecting
            .connect(context, remote, ports.0)
            .expect("the ports are not zero");
        (connector, listener)
    }

    /// A socket behind the gate that listens, and one of the peer's that connects to it.
    pub(crate) fn accept(&mut self, ports: (u16, u16)) -> (SocketHandle, SocketHandle) {
        let listener = listen(&mut self.gate.sockets, ports.0);
        let local = self.local(ports.0);
        let host = &mut self.peer;
        let connector = host.sockets.add(socket());
        let connecting = host.sockets.get_mut::<tcp::Socket<'_>>(connector);
        let context = host.interface.context();
        connecting
            .connect(context, local, ports.1)
            .expect("the ports are not zero");
        (listener, connector)
    }

    pub(crate) fn gate_socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.gate.sockets.get_mut(handle)
    }

    pub(crate) fn peer_socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.peer.sockets.get_mut(handle)
    }

    /// The frame around a forged packet.
    pub(crate) fn frame(&self, way: Way, packet: &[u8]) -> Vec<u8> {
        if self.medium == Medium::Ip {
            return packet.to_vec();
        }
        let (destination, source) = match way {
            Way::ToGate => (GATE, PEER),
            Way::ToPeer => (PEER, GATE),
        };
        let mut bytes = vec![0; 14];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        frame.set_dst_addr(destination);
        frame.set_src_addr(source);
        frame.set_ethertype(match self.addresses.0 {
            IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
            IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
        });
        bytes.extend_from_slice(packet);
        bytes
    }

    /// Puts a frame on its way.
    pub(crate) fn carry(&mut self, way: Way, frame: Vec<u8>) {
        let at = self.now + self.latency;
        self.flight.insert((at, self.carried), (way, frame));
        self.carried += 1;
    }

    /// Gives a frame to a host at once.
    pub(crate) fn deliver(&mut self, way: Way, frame: Vec<u8>) {
        match way {
            Way::ToGate => self.gate.device.inner_mut().arriving.push_back(frame),
            Way::ToPeer => self.peer.device.arriving.push_back(frame),
        }
    }

    /// Delivers what is due, polls both hosts, and carries what they sent.
    pub(crate) fn turn(&mut self, meddle: &mut impl FnMut(Way, &[u8]) -> Frames) {
        while let Some(entry) = self.flight.first_entry()
            && entry.key().0 <= self.now
        {
            let (way, frame) = entry.remove();
            self.deliver(way, frame);
        }
        let host = &mut self.gate;
        poll(
            self.now,
            &mut host.interface,
            &mut host.device,
            &mut host.sockets,
        );
        let host = &mut self.peer;
        host.interface
            .poll(self.now, &mut host.device, &mut host.sockets);
        let departed = self.departed();
        let answered = core::mem::take(&mut self.peer.device.departed);
        let departed = departed.into_iter().map(|it| (Way::ToPeer, it));
        let answered = answered.into_iter().map(|it| (Way::ToGate, it));
        for (way, frame) in departed.chain(answered) {
            self.look(way, &frame);
            for (way, frame) in meddle(way, &frame) {
                self.carry(way, frame);
            }
        }
        self.sane();
    }

    /// What the device behind the gate sends now.
    fn departed(&mut self) -> VecDeque<Vec<u8>> {
        let waiting = &mut self.gate.device.inner_mut().departed;
        match self.sends_at {
            None => core::mem::take(waiting),
            Some(at) if self.now < at => VecDeque::new(),
            Some(_) => {
                let frame = waiting.pop_front();
                if frame.is_some() {
                    self.sends_at = Some(self.now + Duration::from_millis(1));
                }
                frame.into_iter().collect()
            }
        }
    }

    /// When something happens next.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        let host = &mut self.gate;
        let link = host.device.inner();
        let waits = !link.departed.is_empty();
        let gate = if waits && link.is_full() {
            None
        } else if !link.arriving.is_empty() {
            // Left while there was no room to answer.
            Some(self.now)
        } else {
            next_poll(self.now, &mut host.interface, &host.device, &host.sockets)
        };
        let ring = self.sends_at.filter(|_| waits);
        let host = &mut self.peer;
        let peer = host.interface.poll_at(self.now, &host.sockets);
        let flight = self.flight.first_key_value().map(|(key, _)| key.0);
        [gate, ring, peer, flight].into_iter().flatten().min()
    }

    /// Goes on to what happens next, but not beyond `end`; false where there is nothing before.
    pub(crate) fn advance(&mut self, end: Instant) -> bool {
        let Some(next) = self.next() else {
            self.now = end;
            return false;
        };
        if next > self.now {
            self.turns = 0;
        } else {
            self.turns += 1;
            assert!(self.turns < MAX_TURNS, "polled for ever at {}", self.now);
        }
        self.now = next.max(self.now).min(end);
        next < end
    }

    /// Turns until `done`, at most for so long; whether it was.
    pub(crate) fn run(
        &mut self,
        limit: Duration,
        meddle: &mut impl FnMut(Way, &[u8]) -> Frames,
        done: &mut impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let end = self.now + limit;
        loop {
            self.turn(meddle);
            if done(self) {
                return true;
            }
            if !self.advance(end) {
                return false;
            }
        }
    }

    /// What must hold whenever nothing is being done.
    fn sane(&self) {
        let device = &self.gate.device;
        device.for_each_status(|tuple, status| {
            assert_eq!(
                status.violations, 0,
                "{tuple:?} at {}: {status:?}",
                self.now
            );
        });
        let due = device.poll_at().is_some_and(|at| at < self.now);
        assert!(!due || self.turns < MAX_TURNS, "due in the past");
    }

    fn look(&mut self, way: Way, frame: &[u8]) {
        let checksums = ChecksumCapabilities::default();
        let (slot, direction) = match way {
            Way::ToPeer => (0, Direction::Departing),
            Way::ToGate => (1, Direction::Arriving),
        };
        match parse(self.medium, direction, &checksums, frame) {
            Parsed::Tcp(segment) => {
                self.seen[slot] = Some(segment);
                let sequence = segment.sequence.0.cast_unsigned();
                self.first[slot] = self.first[slot].or(Some(sequence));
            }
            Parsed::Other => {}
            Parsed::Refused(refusal) => panic!("a stack sent what is refused: {refusal}"),
        }
    }
}

/// The path that leaves everything as it is.
pub(crate) fn honest(way: Way, frame: &[u8]) -> Frames {
    vec![(way, frame.to_vec())]
}

fn host<D: Device>(
    mut device: D,
    medium: Medium,
    link: EthernetAddress,
    address: IpAddress,
    sequence: u32,
) -> Host<D> {
    let mut config = Config::new(match medium {
        Medium::Ip => HardwareAddress::Ip,
        Medium::Ethernet => HardwareAddress::Ethernet(link),
    });
    config.random_seed = seed(sequence);
    let mut interface = Interface::new(config, &mut device, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(address, 24))
            .expect("there is room for one");
    });
    Host {
        interface,
        device,
        sockets: SocketSet::new(vec![]),
    }
}

/// The seed from which smoltcp's generator makes this number second: the first is for IPv4, the
/// second for the first connection. Its step (PCG) has an inverse because the multiplier is odd.
fn seed(sequence: u32) -> u64 {
    const MULTIPLIER: u64 = 0xbb2e_fcec_3c39_611d;
    const INCREMENT: u64 = 0x7590_ef39;
    let mut inverse = MULTIPLIER;
    for _ in 0..6 {
        // Newton's step doubles the bits that are right.
        let product = MULTIPLIER.wrapping_mul(inverse);
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(product));
    }
    let back = |state: u64| state.wrapping_sub(INCREMENT).wrapping_mul(inverse);
    // With the three top bits zero the output is the state shifted by 29.
    back(back(u64::from(sequence) << 29))
}

fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 32 * 1024]);
    tcp::Socket::new(buffer(), buffer())
}

fn listen(sockets: &mut SocketSet<'static>, port: u16) -> SocketHandle {
    let mut listener = socket();
    listener.listen(port).expect("the port is not zero");
    sockets.add(listener)
}

/// A segment to forge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forged<'a> {
    pub(crate) source: IpEndpoint,
    pub(crate) destination: IpEndpoint,
    pub(crate) control: TcpControl,
    pub(crate) sequence: TcpSeqNumber,
    pub(crate) acknowledgement: Option<TcpSeqNumber>,
    pub(crate) window: u16,
    pub(crate) sack: [Option<(u32, u32)>; 3],
    /// The window scale, on a SYN.
    pub(crate) scale: Option<u8>,
    pub(crate) payload: &'a [u8],
}

impl Forged<'_> {
    /// A pure acknowledgement.
    pub(crate) fn ack(segment: &Segment, way: Way) -> Self {
        let (source, destination) = match way {
            Way::ToGate => (segment.tuple.remote, segment.tuple.local),
            Way::ToPeer => (segment.tuple.local, segment.tuple.remote),
        };
        Self {
            source,
            destination,
            control: TcpControl::None,
            sequence: segment.sequence,
            acknowledgement: Some(segment.acknowledgement),
            window: segment.window,
            sack: [None; 3],
            scale: None,
            payload: &[],
        }
    }

    /// The packet, with right checksums.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let repr = TcpRepr {
            src_port: self.source.port,
            dst_port: self.destination.port,
            control: self.control,
            seq_number: self.sequence,
            ack_number: self.acknowledgement,
            window_len: self.window,
            window_scale: self.scale,
            max_seg_size: self.scale.map(|_| 1460),
            sack_permitted: false,
            sack_ranges: if self.acknowledgement.is_some() {
                self.sack
            } else {
                [None; 3]
            },
            timestamp: None,
            payload: self.payload,
        };
        let (source, destination) = (self.source.addr, self.destination.addr);
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, repr.buffer_len(), 64);
        let mut packet = vec![0; ip.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut packet[..], &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        repr.emit(&mut segment, &source, &destination, &checksums);
        packet
    }
}
