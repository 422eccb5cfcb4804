//! Packets of the simulation as IPv4 datagrams with UDP and a QUIC short header.

use std::net::Ipv4Addr;

use crate::ip;
use crate::sim::Content;
use crate::transport::{Ack, Direction, Packet, Range};

/// Bytes of the IPv4 and the UDP header.
const HEADERS: usize = IPV4_HEADER + UDP_HEADER;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// RFC 768: the protocol number of UDP.
const UDP: u8 = 17;
/// RFC 9000 §17.3.1: fixed bit set, packet number of four bytes.
const SHORT_HEADER: u8 = 0x43;
const LARGEST: usize = 65_535;

/// Ports of HTTP/3 at the sending side, where tools look for QUIC, and of the receiving one.
pub(super) const SENDER_PORT: u16 = 443;
pub(super) const RECEIVER_PORT: u16 = 50_000;

/// Address of one end of a flow: 10.0.0.0/9 for senders, 10.128.0.0/9 for receivers.
pub(super) fn address(flow: u32, end: End) -> Ipv4Addr {
    let side = match end {
        End::Sender => 0,
        End::Receiver => 1 << 23,
    };
    Ipv4Addr::from_bits((10 << 24) | side | (flow & 0x7F_FFFF))
}

/// An end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Sender,
    Receiver,
}

/// One datagram: the bytes that stand at its start, and its length with the zeros behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    length: usize,
}

impl Frame {
    /// The bytes up to the last one that may not be zero.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole datagram with its IP header.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Becomes `packet` with `content`; none where only its size is known.
    pub(super) fn fill(&mut self, packet: &Packet, content: Option<Content<'_>>) {
        self.bytes.clear();
        if let Some(Content::IpPacket(whole)) = content {
            self.bytes.extend_from_slice(whole);
            ip::set_ecn(&mut self.bytes, packet.ecn);
            self.length = self.bytes.len();
            return;
        }
        self.bytes.resize(HEADERS, 0);
        if let Some(Content::Datagram(payload)) = content {
            let most = payload.len().min(LARGEST - HEADERS);
            self.bytes.extend_from_slice(&payload[..most]);
            self.length = self.bytes.len();
        } else {
            self.short_header(packet);
            match content {
                Some(Content::Data { payload: 0 }) => self.bytes.push(PING),
                Some(Content::Data { payload }) => self.stream(packet.offset, payload),
                Some(Content::Ack(ack)) => self.ack(ack),
                Some(Content::Request | Content::Datagram(_) | Content::IpPacket(_)) | None => {}
            }
            // Sizes that leave no room for what says which packet it is are raised.
            let least = HEADERS + SHORT_HEADER_LENGTH;
            self.length = (packet.bytes as usize).clamp(least, LARGEST);
            self.bytes.truncate(self.length);
        }
        self.headers(packet);
    }

    /// A connection identifier per flow and direction, and the packet number in clear.
    fn short_header(&mut self, packet: &Packet) {
        self.bytes.push(SHORT_HEADER);
        let direction = packet.direction as u32;
        self.bytes.extend_from_slice(&packet.flow.to_be_bytes());
        self.bytes.extend_from_slice(&direction.to_be_bytes());
        let number = packet.number as u32;
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    /// RFC 9000 §19.8, with offset and length; the data that follows is zero.
    fn stream(&mut self, offset: u64, payload: u64) {
        self.bytes.push(STREAM_WITH_OFFSET_AND_LENGTH);
        self.varint(DATA_STREAM);
        self.varint(offset);
        self.varint(payload);
    }

    /// RFC 9000 §19.3, with the delay in units of 8 µs (§18.2, the default exponent).
    fn ack(&mut self, ack: &Ack) {
        let ranges: Vec<Range> = ack.ascending().collect();
        let Some(first) = ranges.last() else { return };
        self.bytes.push(ACK);
        self.varint(ack.largest());
        self.varint(u64::from(ack.delay_ns) / 8000);
        self.varint(ranges.len() as u64 - 1);
        self.varint(first.end - first.start);
        for pair in ranges.windows(2).rev() {
            let (lower, upper) = (pair[0], pair[1]);
            self.varint(upper.start.saturating_sub(lower.end + 2));
            self.varint(lower.end - lower.start);
        }
    }

    /// RFC 9000 §16.
    fn varint(&mut self, value: u64) {
        match value {
            0..=0x3F => self.bytes.push(value as u8),
            0x40..=0x3FFF => {
                let encoded = value as u16 | 0x4000;
                self.bytes.extend_from_slice(&encoded.to_be_bytes());
            }
            0x4000..=0x3FFF_FFFF => {
                let encoded = value as u32 | 0x8000_0000;
                self.bytes.extend_from_slice(&encoded.to_be_bytes());
            }
            _ => {
                let encoded = value | 0xC000_0000_0000_0000;
                self.bytes.extend_from_slice(&encoded.to_be_bytes());
            }
        }
    }

    /// RFC 791 and RFC 768, checksums included.
    fn headers(&mut self, packet: &Packet) {
        let (from, to) = match packet.direction {
            Direction::Forward => (End::Sender, End::Receiver),
            Direction::Backward => (End::Receiver, End::Sender),
        };
        let length = (self.length as u16).to_be_bytes();
        let udp_length = ((self.length - IPV4_HEADER) as u16).to_be_bytes();
        let header = &mut self.bytes[..HEADERS];
        header[0] = 0x45;
        header[1] = packet.ecn.bits();
        header[2..4].copy_from_slice(&length);
        header[4..6].copy_from_slice(&(packet.number as u16).to_be_bytes());
        header[6] = DO_NOT_FRAGMENT;
        header[8] = TIME_TO_LIVE;
        header[9] = UDP;
        header[12..16].copy_from_slice(&address(packet.flow, from).octets());
        header[16..20].copy_from_slice(&address(packet.flow, to).octets());
        header[20..22].copy_from_slice(&port(from).to_be_bytes());
        header[22..24].copy_from_slice(&port(to).to_be_bytes());
        header[24..26].copy_from_slice(&udp_length);
        let ip = checksum(0, &self.bytes[..IPV4_HEADER]);
        self.bytes[10..12].copy_from_slice(&ip.to_be_bytes());
        // The pseudo-header of RFC 768: addresses, protocol, length. Zeros behind add nothing.
        let pseudo = u64::from(UDP) + u64::from(u16::from_be_bytes(udp_length));
        let udp = checksum(pseudo, &self.bytes[12..]);
        let udp = if udp == 0 { u16::MAX } else { udp };
        self.bytes[26..28].copy_from_slice(&udp.to_be_bytes());
    }
}

const fn port(end: End) -> u16 {
    match end {
        End::Sender => SENDER_PORT,
        End::Receiver => RECEIVER_PORT,
    }
}

/// RFC 1071, from `sum` on.
pub(super) fn checksum(mut sum: u64, bytes: &[u8]) -> u16 {
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

const SHORT_HEADER_LENGTH: usize = 13;
/// The first unidirectional stream of a server (RFC 9000 §2.1).
const DATA_STREAM: u64 = 3;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const STREAM_WITH_OFFSET_AND_LENGTH: u8 = 0x0E;
const DO_NOT_FRAGMENT: u8 = 0x40;
const TIME_TO_LIVE: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Ecn;

    #[test]
    fn a_header_with_its_checksum_sums_to_nothing() {
        // The example header of RFC 1071's method in common use.
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert_eq!(checksum(0, &header), 0);
    }

    #[test]
    fn both_checksums_hold_over_the_whole_datagram() {
        let packet = Packet {
            ecn: Ecn::Ce,
            offset: 1 << 33,
            ..Packet::new(70_000, Direction::Forward, 1 << 20, 1500)
        };
        let mut frame = Frame::default();
        frame.fill(&packet, Some(Content::Data { payload: 1448 }));
        let bytes = frame.bytes();
        assert_eq!(frame.length(), 1500);
        assert!(bytes.len() < 80, "{}", bytes.len());
        assert_eq!(bytes[1] & 3, 3);
        assert_eq!(checksum(0, &bytes[..20]), 0);
        let pseudo = u64::from(UDP) + 1480;
        assert_eq!(checksum(pseudo, &bytes[12..]), 0);
        assert_eq!(&bytes[12..16], [10, 1, 0x11, 0x70]);
        assert_eq!(&bytes[16..20], [10, 0x81, 0x11, 0x70]);
    }

    #[test]
    fn the_bytes_of_a_real_stack_are_left_as_they_are() {
        let packet = Packet::new(0, Direction::Backward, 5, 40);
        let mut frame = Frame::default();
        frame.fill(&packet, Some(Content::Datagram(&[1, 2, 3])));
        assert_eq!(frame.length(), 31);
        assert_eq!(&frame.bytes()[28..], [1, 2, 3]);
    }

    #[test]
    fn an_ip_packet_of_a_real_stack_is_stored_as_it_is_with_the_mark_it_got() {
        let mut whole = [0; 24];
        whole[0] = 0x45;
        whole[1] = Ecn::Ect0.bits();
        whole[9] = 6;
        let sum = checksum(0, &whole[..20]);
        whole[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = Frame::default();
        let mut packet = Packet::new(0, Direction::Forward, 5, 24);
        packet.ecn = Ecn::Ect0;
        frame.fill(&packet, Some(Content::IpPacket(&whole)));
        assert_eq!((frame.bytes(), frame.length()), (&whole[..], 24));
        packet.ecn = Ecn::Ce;
        frame.fill(&packet, Some(Content::IpPacket(&whole)));
        assert_eq!(frame.bytes()[1], 3);
        assert_eq!(checksum(0, &frame.bytes()[..20]), 0);
        assert_eq!(frame.bytes()[12..], whole[12..]);
    }

    #[test]
    fn an_acknowledgement_is_a_frame_of_rfc_9000() {
        let ranges = [
            Range {
                start: 90,
                end: 100,
            },
            Range { start: 70, end: 80 },
        ];
        let ack = Ack::new(&ranges, 80_000);
        let mut frame = Frame::default();
        let packet = Packet::new(1, Direction::Backward, 2, 60);
        frame.fill(&packet, Some(Content::Ack(&ack)));
        // Largest 100, delay 10 × 8 µs, one more range, 11 packets; gap of 9 packets (one less),
        // 11 packets.
        let expected = [ACK, 0x40, 100, 10, 1, 10, 8, 10];
        assert_eq!(&frame.bytes()[HEADERS + SHORT_HEADER_LENGTH..], expected);
    }

    #[test]
    fn no_size_is_too_small_or_too_large() {
        let mut frame = Frame::default();
        for (bytes, length) in [(1, 41), (41, 41), (65_535, 65_535), (1 << 20, 65_535)] {
            let packet = Packet::new(0, Direction::Forward, 0, bytes);
            frame.fill(&packet, Some(Content::Data { payload: 1 }));
            assert_eq!(frame.length(), length);
            assert!(frame.bytes().len() <= length);
        }
    }
}
