//! Edits in place. Checksums are brought along by what changed (RFC 1624), so that a right one
//! stays right and a wrong one stays wrong, whatever the payload.

use smoltcp::wire::TcpSeqNumber;

use super::{Checksum, Ecn, Family, Layout, Segment};

/// A control bit of explicit congestion notification (RFC 3168 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcnFlag {
    /// ECN echo.
    Ece,
    /// Congestion window reduced.
    Cwr,
}

impl EcnFlag {
    const fn mask(self) -> u8 {
        match self {
            Self::Ece => 0x40,
            Self::Cwr => 0x80,
        }
    }
}

/// Edits the frame that a segment was parsed from.
///
/// With the frame of another segment the edits land in wrong places, or, beyond its end, nowhere.
#[derive(Debug)]
pub struct Editor<'a> {
    frame: &'a mut [u8],
    layout: Layout,
}

/// Offsets from the start of the TCP header (RFC 9293 §3.1).
const SEQUENCE: usize = 4;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const TCP_CHECKSUM: usize = 16;

/// Offset of the header checksum in an IPv4 header (RFC 791 §3.1).
const IPV4_CHECKSUM: usize = 10;

/// Where a header with a checksum starts, and where the checksum is.
#[derive(Clone, Copy)]
struct Covered {
    start: usize,
    checksum: usize,
    kept: Checksum,
}

impl<'a> Editor<'a> {
    /// Prepares to edit `frame`, from which `segment` was parsed.
    pub fn new(frame: &'a mut [u8], segment: &Segment) -> Self {
        Self {
            frame,
            layout: segment.layout,
        }
    }

    /// Writes the window field, not scaled.
    pub fn set_window(&mut self, window: u16) -> &mut Self {
        self.write_field(WINDOW, &window.to_be_bytes())
    }

    /// Writes the sequence number.
    pub fn set_sequence(&mut self, sequence: TcpSeqNumber) -> &mut Self {
        self.write_field(SEQUENCE, &sequence.0.to_be_bytes())
    }

    /// Writes the shift count of the window-scale option, where the segment has one; what exceeds
    /// 14 is written as 14 (RFC 7323 §2.3).
    pub fn set_window_scale(&mut self, shift_count: u8) -> &mut Self {
        if let Some(at) = self.layout.window_scale {
            self.write(self.tcp(), at, shift_count.min(14));
        }
        self
    }

    /// Sets a control bit.
    pub fn set_flag(&mut self, flag: EcnFlag) -> &mut Self {
        self.edit_flags(|bits| bits | flag.mask())
    }

    /// Clears a control bit.
    pub fn clear_flag(&mut self, flag: EcnFlag) -> &mut Self {
        self.edit_flags(|bits| bits & !flag.mask())
    }

    /// Writes the ECN field of the IP header.
    pub fn set_ecn(&mut self, ecn: Ecn) -> &mut Self {
        let at = self.layout.ip.saturating_add(1);
        let Some(&byte) = self.frame.get(at) else {
            return self;
        };
        match self.layout.family {
            Family::V4 => {
                let header = Covered {
                    start: self.layout.ip,
                    checksum: self.layout.ip.saturating_add(IPV4_CHECKSUM),
                    kept: self.layout.ipv4_checksum,
                };
                self.write(header, at, (byte & !0b11) | ecn.bits());
            }
            // The traffic class straddles the first two bytes (RFC 8200 §3); no checksum covers it.
            Family::V6 => {
                if let Some(place) = self.frame.get_mut(at) {
                    *place = (byte & !0b0011_0000) | (ecn.bits() << 4);
                }
            }
        }
        self
    }

    /// Writes a field of the TCP header.
    fn write_field(&mut self, offset: usize, bytes: &[u8]) -> &mut Self {
        let at = self.layout.tcp.saturating_add(offset);
        for (place, &byte) in (at..).zip(bytes) {
            self.write(self.tcp(), place, byte);
        }
        self
    }

    fn edit_flags(&mut self, edit: impl FnOnce(u8) -> u8) -> &mut Self {
        let at = self.layout.tcp.saturating_add(FLAGS);
        if let Some(&bits) = self.frame.get(at) {
            self.write(self.tcp(), at, edit(bits));
        }
        self
    }

    const fn tcp(&self) -> Covered {
        Covered {
            start: self.layout.tcp,
            checksum: self.layout.tcp.saturating_add(TCP_CHECKSUM),
            kept: self.layout.tcp_checksum,
        }
    }

    /// Writes one byte and brings the checksum over it along.
    fn write(&mut self, header: Covered, at: usize, byte: u8) {
        let Some(place) = self.frame.get_mut(at) else {
            return;
        };
        let old = core::mem::replace(place, byte);
        if header.kept == Checksum::Offloaded {
            return;
        }
        // Bytes at even distances from the header's start are the high halves of its words.
        let shift = if at.wrapping_sub(header.start).is_multiple_of(2) {
            8
        } else {
            0
        };
        let end = header.checksum.saturating_add(2);
        let Some(&mut [ref mut high, ref mut low]) = self.frame.get_mut(header.checksum..end)
        else {
            return;
        };
        let checksum = u16::from_be_bytes([*high, *low]);
        let updated = update(checksum, u16::from(old) << shift, u16::from(byte) << shift);
        [*high, *low] = updated.to_be_bytes();
    }
}

/// The checksum after one of its words changed: HC' = ~(~HC + ~m + m').
///
/// # Source
/// RFC 1624 §3, equation 3.
const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    if old == new {
        return checksum;
    }
    !add(add(!checksum, !old), new)
}

/// Sum in ones' complement.
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u16)
}
