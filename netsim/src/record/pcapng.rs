//! Packet captures in the pcapng format (draft-ietf-opsawg-pcapng), for Wireshark and its kin.
//!
//! Three blocks are needed and they are plain, so there is no crate below this: the one with a
//! stable release for writing was last released in early 2023.

use std::io::{self, Write};

use super::datagram::Frame;
use crate::sim::{Content, DropCause, Observation, Observer};
use crate::transport::{Direction, Packet};

/// Writes every packet of a run where it leaves its end, where it arrives, and where it is dropped:
/// one interface each for the senders' side, the receivers' side and the drops.
///
/// Packets are raw IPv4 (LINKTYPE_RAW) with UDP and a QUIC short header, whose packet number stands
/// in clear; flow number `n` is between 10.0.0.0 + n port 443 (the sending side) and 10.128.0.0 + n
/// port 50000. Payload of the transport model is zero and not stored: the original length of a
/// packet says its size on the wire. Datagrams of real stacks are stored whole; those that are IP
/// packets have their own headers, with their own addresses and ports, and in each the ECN field of
/// that place. Times are nanoseconds since the start of the run, shown as 1970-01-01.
#[derive(Debug)]
pub struct Capture<W> {
    output: W,
    frame: Frame,
    block: Vec<u8>,
    packets: u64,
    failure: Option<io::Error>,
}

impl<W: Write> Capture<W> {
    /// Starts a capture; `output` should be buffered.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(mut output: W) -> io::Result<Self> {
        let mut block = Vec::new();
        section_header(&mut block);
        for (name, about) in INTERFACES {
            interface(&mut block, name, about);
        }
        output.write_all(&block)?;
        Ok(Self {
            output,
            frame: Frame::default(),
            block,
            packets: 0,
            failure: None,
        })
    }

    /// Packets written.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Ends the capture and hands the output back.
    ///
    /// # Errors
    /// The first one of `output`.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.output.flush()?;
        Ok(self.output)
    }

    fn write(&mut self, now_ns: u64, place: &Place, packet: &Packet, content: Option<Content<'_>>) {
        if self.failure.is_some() {
            return;
        }
        self.frame.fill(packet, content);
        self.block.clear();
        enhanced_packet(&mut self.block, now_ns, place, &self.frame);
        match self.output.write_all(&self.block) {
            Ok(()) => self.packets += 1,
            Err(error) => self.failure = Some(error),
        }
    }
}

impl<W: Write> Observer for Capture<W> {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        match *observation {
            Observation::Sent(packet, content) => {
                let interface = match packet.direction {
                    Direction::Forward => SENDER_SIDE,
                    Direction::Backward => RECEIVER_SIDE,
                };
                let place = Place::end(interface, OUTBOUND);
                self.write(now_ns, &place, packet, Some(content));
            }
            Observation::Received(packet, content) => {
                let interface = match packet.direction {
                    Direction::Forward => RECEIVER_SIDE,
                    Direction::Backward => SENDER_SIDE,
                };
                let place = Place::end(interface, INBOUND);
                self.write(now_ns, &place, packet, Some(content));
            }
            Observation::Dropped {
                link,
                packet,
                cause,
                content,
            } => {
                let comment = format!("link {link}: {}", named(cause));
                let place = Place {
                    interface: DROPS,
                    direction: 0,
                    comment: Some(comment),
                };
                self.write(now_ns, &place, packet, content);
            }
            Observation::Lost { .. } | Observation::Metrics { .. } => {}
        }
    }
}

/// Where a packet was seen.
struct Place {
    interface: u32,
    /// Bits 0 and 1 of `epb_flags`.
    direction: u32,
    comment: Option<String>,
}

impl Place {
    const fn end(interface: u32, direction: u32) -> Self {
        Self {
            interface,
            direction,
            comment: None,
        }
    }
}

const fn named(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Queue => "dropped by the queue",
        DropCause::Policer => "dropped by the policer",
        DropCause::Path => "lost on the path",
    }
}

/// §4.1.
fn section_header(to: &mut Vec<u8>) {
    block(to, 0x0A0D_0D0A, |body| {
        body.extend_from_slice(&0x1A2B_3C4D_u32.to_le_bytes());
        body.extend_from_slice(&1_u16.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        let program = concat!("tautline ", env!("CARGO_PKG_VERSION"));
        option(body, 4, program.as_bytes());
        option(body, 0, &[]);
    });
}

/// §4.2.
fn interface(to: &mut Vec<u8>, name: &str, about: &str) {
    block(to, 1, |body| {
        body.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        body.extend_from_slice(&NO_LIMIT.to_le_bytes());
        option(body, 2, name.as_bytes());
        option(body, 3, about.as_bytes());
        option(body, 9, &[NANOSECONDS]);
        option(body, 0, &[]);
    });
}

/// §4.3.
fn enhanced_packet(to: &mut Vec<u8>, now_ns: u64, place: &Place, frame: &Frame) {
    block(to, 6, |body| {
        let captured = frame.bytes();
        for word in [
            place.interface,
            (now_ns >> 32) as u32,
            now_ns as u32,
            captured.len() as u32,
            frame.length() as u32,
        ] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        body.extend_from_slice(captured);
        pad(body);
        if let Some(comment) = &place.comment {
            option(body, 1, comment.as_bytes());
        }
        if place.direction != 0 {
            option(body, 2, &place.direction.to_le_bytes());
        }
        if place.comment.is_some() || place.direction != 0 {
            option(body, 0, &[]);
        }
    });
}

/// §3.1: type, length, body, length.
fn block(to: &mut Vec<u8>, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&kind.to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    fill(to);
    let length = (to.len() - start + 4) as u32;
    to.extend_from_slice(&length.to_le_bytes());
    to[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

/// §3.5.
fn option(to: &mut Vec<u8>, code: u16, value: &[u8]) {
    to.extend_from_slice(&code.to_le_bytes());
    to.extend_from_slice(&(value.len() as u16).to_le_bytes());
    to.extend_from_slice(value);
    pad(to);
}

/// To a multiple of four; every block starts at one.
fn pad(to: &mut Vec<u8>) {
    to.resize(to.len().next_multiple_of(4), 0);
}

const INTERFACES: [(&str, &str); 3] = [
    (
        "sender",
        "the senders' side: data leaving, acknowledgements arriving",
    ),
    (
        "receiver",
        "the receivers' side: data arriving, acknowledgements leaving",
    ),
    (
        "drops",
        "packets that a link dropped or lost, at that moment",
    ),
];
const SENDER_SIDE: u32 = 0;
const RECEIVER_SIDE: u32 = 1;
const DROPS: u32 = 2;
/// §4.3.1, bits 0 and 1.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// Raw IP; the version is in the first four bits.
const LINKTYPE_RAW: u16 = 101;
const NO_LIMIT: u32 = 0;
/// `if_tsresol`: units of 10⁻⁹ s.
const NANOSECONDS: u8 = 9;
