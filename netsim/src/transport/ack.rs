//! What travels: packets one way, acknowledgements the other.

/// Ranges of packet numbers in one acknowledgement, the newest ones; RFC 9000 §13.2.3 lets a
/// receiver limit them.
pub const MAX_RANGES: usize = 5;

/// The ECN field of an IP header (RFC 3168 §5, RFC 9331 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not understand marks: congested queues drop.
    #[default]
    NotEct,
    /// ECT(0): classic marks, each worth a lost packet.
    Ect0,
    /// ECT(1): low latency, low loss, scalable throughput (L4S).
    Ect1,
    /// Congestion experienced: a queue marked it.
    Ce,
}

impl Ecn {
    /// Whether a queue may mark in place of dropping.
    pub const fn is_capable(self) -> bool {
        !matches!(self, Self::NotEct)
    }

    /// The two bits of the IP header (RFC 3168 §5).
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0b00,
            Self::Ect1 => 0b01,
            Self::Ect0 => 0b10,
            Self::Ce => 0b11,
        }
    }

    /// The codepoint of the two lowest bits of `bits`, such as a traffic class.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the sending application to the receiving one: data.
    #[default]
    Forward,
    /// Back: acknowledgements and requests.
    Backward,
}

/// A packet in the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Its number within its flow and direction.
    pub number: u64,
    /// Packets below this one are settled at the sender; the receiver may forget them, as it would
    /// after its acknowledgement was acknowledged (RFC 9000 §13.2.4).
    pub floor: u64,
    /// Where its payload starts in the stream of the flow; data of the transport model only.
    pub offset: u64,
    /// When it entered the queue that it is in, in nanoseconds.
    pub enqueued_ns: u64,
    /// Size on the wire.
    pub bytes: u32,
    /// The flow that it belongs to.
    pub flow: u32,
    /// Links of its route that it has entered, the one that it is on included.
    pub hop: u16,
    /// Which of the flow's routes it takes.
    pub route: u16,
    /// Which way.
    pub direction: Direction,
    /// Its ECN field.
    pub ecn: Ecn,
    /// The same when it entered the link that it is on.
    pub ecn_before: Ecn,
}

impl Packet {
    /// A packet at the start of its way.
    pub const fn new(flow: u32, direction: Direction, number: u64, bytes: u32) -> Self {
        Self {
            number,
            floor: 0,
            offset: 0,
            enqueued_ns: 0,
            bytes,
            flow,
            hop: 0,
            route: 0,
            direction,
            ecn: Ecn::NotEct,
            ecn_before: Ecn::NotEct,
        }
    }
}

/// Packet numbers `start..=end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Smallest number.
    pub start: u64,
    /// Largest number.
    pub end: u64,
}

/// An acknowledgement: at most [`MAX_RANGES`] ranges, newest first, relative to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    largest: u64,
    /// How long the receiver held the largest packet back, in nanoseconds.
    pub delay_ns: u32,
    /// Marked packets that arrived since the start (RFC 9000 §19.3.2), modulo 2¹⁶.
    pub ce_count: u16,
    count: u16,
    /// (distance of the end from the largest, length − 1) of each range.
    ranges: [(u32, u32); MAX_RANGES],
}

impl Ack {
    /// Acknowledges `ranges`, newest first and disjoint. Empty input acknowledges nothing; ranges
    /// beyond [`MAX_RANGES`] or further than 2³² below the largest number are left out.
    pub fn new(ranges: &[Range], delay_ns: u64) -> Self {
        let largest = ranges.first().map_or(0, |range| range.end);
        let mut encoded = [(0, 0); MAX_RANGES];
        let mut count = 0;
        for (slot, range) in encoded.iter_mut().zip(ranges) {
            let Ok(distance) = u32::try_from(largest.saturating_sub(range.end)) else {
                break;
            };
            let length = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
            *slot = (distance, length);
            count += 1;
        }
        Self {
            largest,
            delay_ns: u32::try_from(delay_ns).unwrap_or(u32::MAX),
            ce_count: 0,
            count,
            ranges: encoded,
        }
    }

    /// The same with the count of marks.
    #[must_use]
    pub const fn with_ce_count(self, ce_count: u16) -> Self {
        Self { ce_count, ..self }
    }

    /// The largest packet number acknowledged.
    pub const fn largest(&self) -> u64 {
        self.largest
    }

    /// The ranges in ascending order.
    pub fn ascending(&self) -> impl Iterator<Item = Range> + '_ {
        self.ranges
            .iter()
            .take(usize::from(self.count))
            .rev()
            .map(|&(distance, length)| {
                let end = self.largest - u64::from(distance);
                Range {
                    start: end - u64::from(length),
                    end,
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back_in_ascending_order() {
        let ranges = [
            Range {
                start: 90,
                end: 100,
            },
            Range { start: 7, end: 80 },
        ];
        let ack = Ack::new(&ranges, 5);
        assert_eq!(ack.largest(), 100);
        let back: Vec<Range> = ack.ascending().collect();
        assert_eq!(back, [ranges[1], ranges[0]]);
    }

    #[test]
    fn an_acknowledgement_with_its_time_fits_one_cache_line() {
        assert!(size_of::<(u64, Ack)>() <= 64);
    }
}
