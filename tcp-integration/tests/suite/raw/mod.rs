//! A gated host against a peer that is no stack: every segment is the test's.

mod closing;
mod offers;
mod repair;
mod slots;
mod stations;
mod wire;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, HardwareAddress, IpAddress,
    IpCidr,
};
use tautline_core::controller::FixedWindow;
use tautline_core::units::Bytes;
use tautline_tcp_integration::segment::Tuple;
use tautline_tcp_integration::{ControllerSource, GatedDevice, Settings, Status, next_poll, poll};

use wire::{Got, HOST, Nic, PEER, PEER_STATION, STATION, Sent};

/// Ports of the peer and of the host.
const PORTS: (u16, u16) = (4000, 80);
/// Congestion window of [`fixed`], in bytes.
const WINDOW: u32 = 14_600;
/// Bytes of data in a full segment.
const SEGMENT: u32 = 1460;
/// From one end to the other and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// The host, with room for `CONNECTIONS` connections.
struct Rig<S: ControllerSource, const CONNECTIONS: usize> {
    device: GatedDevice<Nic, S, CONNECTIONS, 64>,
    interface: Interface,
    sockets: SocketSet<'static>,
    now: Instant,
    medium: Medium,
}

impl<S: ControllerSource, const CONNECTIONS: usize> Rig<S, CONNECTIONS> {
    fn new(medium: Medium, source: S) -> Self {
        let nic = Nic {
            medium,
            inbound: std::collections::VecDeque::new(),
            outbound: std::collections::VecDeque::new(),
        };
        let mut device = GatedDevice::new(nic, source, Settings::default()).unwrap();
        let mut config = Config::new(match medium {
            Medium::Ethernet => HardwareAddress::Ethernet(STATION),
            Medium::Ip => HardwareAddress::Ip,
        });
        config.random_seed = 7;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        let address = IpCidr::new(IpAddress::Ipv4(HOST), 24);
        interface.update_ip_addrs(|addresses| addresses.push(address).unwrap());
        Self {
            device,
            interface,
            sockets: SocketSet::new(vec![]),
            now: Instant::ZERO,
            medium,
        }
    }

    /// A socket that listens on `port`, with buffers of `bytes`.
    fn listen(&mut self, port: u16, bytes: usize) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // The simulator's features make Cubic the default.
        socket.set_congestion_control(tcp::CongestionControl::None);
        socket.listen(port).unwrap();
        self.sockets.add(socket)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn tuple(&mut self, handle: SocketHandle) -> Tuple {
        let socket = self.socket(handle);
        Tuple {
            local: socket.local_endpoint().unwrap(),
            remote: socket.remote_endpoint().unwrap(),
        }
    }

    /// A segment arrives with the next poll.
    fn arrive(&mut self, sent: &Sent) {
        let frame = sent.frame(self.medium);
        self.device.inner_mut().inbound.push_back(frame);
    }

    /// What leaves now.
    fn poll(&mut self) -> Vec<Got> {
        poll(
            self.now,
            &mut self.interface,
            &mut self.device,
            &mut self.sockets,
        );
        let mut got = Vec::new();
        while let Some(frame) = self.device.inner_mut().outbound.pop_front() {
            if let Some(answer) = resolution(self.medium, &frame) {
                self.device.inner_mut().inbound.push_back(answer);
            }
            got.extend(Got::read(self.medium, &frame));
        }
        got
    }

    /// What leaves now where the driver does not look at the sockets' states.
    fn poll_blindly(&mut self) -> Vec<Got> {
        let mut got = Vec::new();
        for _ in 0..20 {
            self.interface
                .poll(self.now, &mut self.device, &mut self.sockets);
            while let Some(frame) = self.device.inner_mut().outbound.pop_front() {
                got.extend(Got::read(self.medium, &frame));
            }
        }
        got
    }

    /// When to poll next.
    fn next_poll(&mut self) -> Option<Instant> {
        next_poll(self.now, &mut self.interface, &self.device, &self.sockets)
    }

    /// The peer opens a connection to a listening socket; returns the host's first number.
    fn open(&mut self, ports: (u16, u16), scale: Option<u8>, window: u16) -> u32 {
        self.arrive(&Sent::syn(ports, scale, window));
        // Ethernet addresses are resolved first.
        let mut got = self.poll();
        got.extend(self.poll());
        let answer = got.iter().find(|got| got.syn && got.port == ports.0);
        let start = answer.expect("a SYN-ACK").sequence.wrapping_add(1);
        self.now += ROUND_TRIP;
        self.arrive(&Sent::ack(ports, start, window));
        self.poll();
        start
    }

    /// The host sends as much as it may to a peer that acknowledges all of it after each of
    /// `rounds` round trips; returns the most bytes from what was acknowledged to what was sent.
    fn most_in_flight(
        &mut self,
        handle: SocketHandle,
        ports: (u16, u16),
        start: u32,
        window: u16,
        rounds: u32,
    ) -> u32 {
        let (mut acknowledged, mut end, mut most) = (start, start, 0);
        for _ in 0..rounds {
            let socket = self.socket(handle);
            if socket.can_send() {
                socket.send_slice(&vec![1; 400_000]).unwrap();
            }
            for got in self.poll() {
                if got.port == ports.0 && got.bytes > 0 {
                    end = later(end, got.end());
                    most = most.max(end.wrapping_sub(acknowledged));
                }
            }
            self.now += ROUND_TRIP;
            assert!(acknowledged != end, "nothing left at {}", self.now);
            acknowledged = end;
            self.arrive(&Sent::ack(ports, acknowledged, window));
        }
        most
    }

    /// The state of the only connection.
    fn status(&self) -> Status {
        let mut statuses = Vec::new();
        self.device
            .for_each_status(|_, status| statuses.push(status));
        let [status] = statuses[..] else {
            panic!("{} connections", statuses.len());
        };
        status
    }
}

/// A window of always the same size.
fn fixed(bytes: u32) -> impl Fn(Bytes) -> FixedWindow {
    move |max_segment| FixedWindow::new(Bytes::new(bytes.into()), max_segment)
}

/// The later of two sequence numbers.
const fn later(one: u32, other: u32) -> u32 {
    if other.wrapping_sub(one) < 1 << 31 {
        other
    } else {
        one
    }
}

/// The answer to a question for the peer's Ethernet address.
fn resolution(medium: Medium, frame: &[u8]) -> Option<Vec<u8>> {
    if medium != Medium::Ethernet {
        return None;
    }
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    if ethernet.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: PEER_STATION,
        source_protocol_addr: PEER,
        target_hardware_addr: STATION,
        target_protocol_addr: HOST,
    };
    let header = EthernetFrame::<&[u8]>::header_len();
    let mut frame = vec![0; header + answer.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_dst_addr(STATION);
    ethernet.set_src_addr(PEER_STATION);
    ethernet.set_ethertype(EthernetProtocol::Arp);
    answer.emit(&mut ArpPacket::new_unchecked(&mut frame[header..]));
    Some(frame)
}
