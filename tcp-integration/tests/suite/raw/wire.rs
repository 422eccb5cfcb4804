//! Frames of the peer, and what the host answers.

use std::collections::VecDeque;

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, IpRepr, Ipv4Address,
    Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use tautline_tcp_integration::segment::{Direction, Parsed, parse};

/// The host's station.
pub(super) const STATION: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
pub(super) const PEER_STATION: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
/// Somebody else's.
pub(super) const OTHER_STATION: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);
pub(super) const HOST: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(super) const PEER: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

/// A network card without a link: the test is the link.
pub(super) struct Nic {
    pub(super) medium: Medium,
    pub(super) inbound: VecDeque<Vec<u8>>,
    pub(super) outbound: VecDeque<Vec<u8>>,
}

pub(super) struct Inbound(Vec<u8>);

impl RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(super) struct Outbound<'a>(&'a mut VecDeque<Vec<u8>>);

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
        let frame = self.inbound.pop_front()?;
        Some((Inbound(frame), Outbound(&mut self.outbound)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outbound<'_>> {
        Some(Outbound(&mut self.outbound))
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

/// A segment that the peer, or somebody in its name, sends.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Ports of the peer and of the host.
    pub(super) ports: (u16, u16),
    pub(super) control: TcpControl,
    pub(super) sequence: u32,
    pub(super) acknowledgement: Option<u32>,
    pub(super) window: u16,
    pub(super) scale: Option<u8>,
    pub(super) sack: bool,
    pub(super) payload: Vec<u8>,
    /// To whom it goes on Ethernet.
    pub(super) station: EthernetAddress,
}

impl Sent {
    /// A SYN with every option, and windows that are scaled by `scale`.
    pub(super) fn syn(ports: (u16, u16), scale: Option<u8>, window: u16) -> Self {
        Self {
            ports,
            control: TcpControl::Syn,
            sequence: 1000,
            acknowledgement: None,
            window,
            scale,
            sack: true,
            payload: Vec::new(),
            station: STATION,
        }
    }

    /// An acknowledgement of everything before `acknowledgement`, after that SYN.
    pub(super) fn ack(ports: (u16, u16), acknowledgement: u32, window: u16) -> Self {
        Self {
            control: TcpControl::None,
            sequence: 1001,
            acknowledgement: Some(acknowledgement),
            sack: false,
            ..Self::syn(ports, None, window)
        }
    }

    pub(super) fn frame(&self, medium: Medium) -> Vec<u8> {
        let number = |value: u32| TcpSeqNumber(value.cast_signed());
        let tcp = TcpRepr {
            src_port: self.ports.0,
            dst_port: self.ports.1,
            control: self.control,
            seq_number: number(self.sequence),
            ack_number: self.acknowledgement.map(number),
            window_len: self.window,
            window_scale: self.scale,
            max_seg_size: (self.control == TcpControl::Syn).then_some(1460),
            sack_permitted: self.sack,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &self.payload,
        };
        let ip = IpRepr::Ipv4(Ipv4Repr {
            src_addr: PEER,
            dst_addr: HOST,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        });
        let link = match medium {
            Medium::Ethernet => EthernetFrame::<&[u8]>::header_len(),
            Medium::Ip => 0,
        };
        let mut frame = vec![0; link + ip.buffer_len()];
        if medium == Medium::Ethernet {
            let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
            ethernet.set_dst_addr(self.station);
            ethernet.set_src_addr(PEER_STATION);
            ethernet.set_ethertype(EthernetProtocol::Ipv4);
        }
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut frame[link..], &checksums);
        let mut packet = TcpPacket::new_unchecked(&mut frame[link + ip.header_len()..]);
        let (source, destination) = (IpAddress::Ipv4(PEER), IpAddress::Ipv4(HOST));
        tcp.emit(&mut packet, &source, &destination, &checksums);
        frame
    }
}

/// A segment that the host sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Got {
    /// The peer's port.
    pub(super) port: u16,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) sequence: u32,
    /// Bytes of data.
    pub(super) bytes: u32,
}

impl Got {
    /// The segment in a frame, if there is one.
    pub(super) fn read(medium: Medium, frame: &[u8]) -> Option<Self> {
        let checksums = ChecksumCapabilities::default();
        let Parsed::Tcp(segment) = parse(medium, Direction::Departing, &checksums, frame) else {
            return None;
        };
        Some(Self {
            port: segment.tuple.remote.port,
            syn: segment.flags.syn,
            fin: segment.flags.fin,
            rst: segment.flags.rst,
            sequence: segment.sequence.0.cast_unsigned(),
            bytes: segment.payload_bytes,
        })
    }

    /// The number after its last byte.
    pub(super) const fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.bytes)
    }
}
