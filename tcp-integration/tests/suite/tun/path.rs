//! A network path of netsim in real time, between smoltcp and a device below it.

use std::collections::BTreeMap;
use std::time::Duration;

use smoltcp::phy::{
    self, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken as _, TxToken as _,
};
use smoltcp::time::Instant;
use tautline_netsim::link::{Admission, Link};
use tautline_netsim::scenario::LinkSpec;
use tautline_netsim::transport::{Direction, Ecn, Packet};
use tautline_tcp_integration::segment::{self, Parsed};

/// A device behind two links: one for what departs, one for what arrives.
///
/// Time is what smoltcp passes to its device. The transmitter's times are computed, not waited
/// for, so that a late thread distorts neither the rate nor the queue.
#[derive(Debug)]
pub(super) struct Path<D> {
    device: D,
    departing: Way,
    arriving: Way,
}

/// One direction.
#[derive(Debug)]
struct Way {
    link: Link,
    direction: Direction,
    entered: u64,
    /// Packets that wait or are in transmission, by number.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Packets that propagate, by arrival and number.
    propagating: BTreeMap<(u64, u64), Vec<u8>>,
    figures: Figures,
}

/// What happened to the packets of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Packets that the transmitter began to send.
    pub(super) packets: u64,
    /// Sum of their waiting times.
    pub(super) waited: Duration,
    /// Longest of them.
    pub(super) longest_wait: Duration,
    /// Packets that the queue or the policer dropped.
    pub(super) dropped: u64,
    /// Packets that were lost on the way.
    pub(super) lost: u64,
    /// Packets that the queue marked (CE).
    pub(super) marked: u64,
    /// TCP payload that entered, that of segments sent again included.
    pub(super) payload_bytes: u64,
    /// Segments other than SYNs that entered with ECN-Echo.
    pub(super) echoes: u64,
    /// Segments other than SYNs that entered with Congestion Window Reduced.
    pub(super) reductions: u64,
    /// Segments other than SYNs and RSTs that entered with a window of zero.
    pub(super) zero_windows: u64,
}

impl Figures {
    /// Mean time that a packet waited for its transmission.
    pub(super) fn mean_wait(&self) -> Duration {
        let packets = u32::try_from(self.packets).expect("a test sends fewer packets");
        self.waited.checked_div(packets).unwrap_or_default()
    }

    /// Counts what a packet that enters is.
    fn count(&mut self, packet: &[u8], direction: Direction) {
        let direction = match direction {
            Direction::Forward => segment::Direction::Departing,
            Direction::Backward => segment::Direction::Arriving,
        };
        let checksums = ChecksumCapabilities::ignored();
        if let Parsed::Tcp(segment) = segment::parse(Medium::Ip, direction, &checksums, packet) {
            let flags = segment.flags;
            self.payload_bytes += u64::from(segment.payload_bytes);
            self.echoes += u64::from(flags.ece && !flags.syn);
            self.reductions += u64::from(flags.cwr && !flags.syn);
            self.zero_windows += u64::from(segment.window == 0 && !flags.syn && !flags.rst);
        }
    }
}

impl<D: Device> Path<D> {
    pub(super) fn new(device: D, departing: &LinkSpec, arriving: &LinkSpec, seed: u64) -> Self {
        Self {
            device,
            departing: Way::new(Link::new(departing, 0, seed), Direction::Forward),
            arriving: Way::new(Link::new(arriving, 1, seed), Direction::Backward),
        }
    }

    pub(super) const fn device(&self) -> &D {
        &self.device
    }

    /// When something happens on the way that needs a call; none while nothing is under way.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        let next_ns = self.departing.next_ns().min(self.arriving.next_ns());
        let next_micros = i64::try_from(next_ns.div_ceil(1000)).ok()?;
        (next_ns < u64::MAX).then(|| Instant::from_micros(next_micros))
    }

    /// Figures of what departed and of what arrived.
    pub(super) const fn figures(&self) -> (Figures, Figures) {
        (self.departing.figures, self.arriving.figures)
    }

    /// Takes in what waits at the device, and sends what has passed the way to it.
    pub(super) fn pump(&mut self, now: Instant) {
        let now_ns = nanos(now);
        while let Some((token, _)) = self.device.receive(now) {
            let frame = token.consume(<[u8]>::to_vec);
            self.arriving.enter(now_ns, frame);
        }
        while let Some(frame) = self.departing.take(now_ns) {
            let Some(token) = self.device.transmit(now) else {
                return;
            };
            token.consume(frame.len(), |out| out.copy_from_slice(&frame));
        }
    }
}

impl<D: Device> Device for Path<D> {
    type RxToken<'a>
        = Received
    where
        Self: 'a;
    type TxToken<'a>
        = Entrance<'a>
    where
        Self: 'a;

    fn receive(&mut self, timestamp: Instant) -> Option<(Received, Entrance<'_>)> {
        self.pump(timestamp);
        let frame = self.arriving.take(nanos(timestamp))?;
        Some((Received(frame), self.departing.entrance(timestamp)))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Entrance<'_>> {
        Some(self.departing.entrance(timestamp))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A packet that reached the end of its way.
#[derive(Debug)]
pub(super) struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// The start of the way.
#[derive(Debug)]
pub(super) struct Entrance<'a> {
    way: &'a mut Way,
    now_ns: u64,
}

impl phy::TxToken for Entrance<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.way.enter(self.now_ns, frame);
        result
    }
}

impl Way {
    fn new(link: Link, direction: Direction) -> Self {
        Self {
            link,
            direction,
            entered: 0,
            waiting: BTreeMap::new(),
            propagating: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    fn entrance(&mut self, now: Instant) -> Entrance<'_> {
        Entrance {
            way: self,
            now_ns: nanos(now),
        }
    }

    fn next_ns(&self) -> u64 {
        let arrival = self.propagating.first_key_value();
        let arrival_ns = arrival.map_or(u64::MAX, |(&(at_ns, _), _)| at_ns);
        self.link.departure_ns().min(arrival_ns)
    }

    fn enter(&mut self, now_ns: u64, frame: Vec<u8>) {
        self.advance(now_ns);
        let bytes = u32::try_from(frame.len()).expect("a packet is short");
        let mut packet = Packet::new(0, self.direction, self.entered, bytes);
        self.entered += 1;
        packet.enqueued_ns = now_ns;
        packet.ecn = ecn_of(&frame);
        self.figures.count(&frame, self.direction);
        self.waiting.insert(packet.number, frame);
        if self.link.arrive(now_ns, packet) == Admission::Policed {
            self.waiting.remove(&packet.number);
            self.figures.dropped += 1;
        }
        self.serve(now_ns);
    }

    /// The first packet that has arrived by `now_ns`.
    fn take(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        self.advance(now_ns);
        let first = self.propagating.first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }

    /// Everything that happens at the transmitter up to `now_ns`, each at its time.
    fn advance(&mut self, now_ns: u64) {
        while self.link.departure_ns() <= now_ns {
            let at_ns = self.link.departure_ns();
            let Some(packet) = self.link.depart() else {
                return;
            };
            let frame = self.waiting.remove(&packet.number);
            let mut frame = frame.expect("what is in transmission is kept");
            if packet.ecn == Ecn::Ce && ecn_of(&frame) != Ecn::Ce {
                mark(&mut frame);
                self.figures.marked += 1;
            }
            match self.link.exit_ns(at_ns, &packet) {
                Some(exit_ns) => {
                    self.propagating.insert((exit_ns, packet.number), frame);
                }
                None => self.figures.lost += 1,
            }
            self.serve(at_ns);
        }
    }

    fn serve(&mut self, now_ns: u64) {
        if let Some(start) = self.link.serve(now_ns) {
            let waited = Duration::from_nanos(start.waited_ns);
            self.figures.packets += 1;
            self.figures.waited += waited;
            self.figures.longest_wait = self.figures.longest_wait.max(waited);
        }
        while let Some(dropped) = self.link.take_dropped() {
            self.waiting.remove(&dropped.number);
            self.figures.dropped += 1;
        }
    }
}

/// The ECN field of an IP packet (RFC 3168 §5).
fn ecn_of(packet: &[u8]) -> Ecn {
    let field = match packet {
        [first, second, ..] if first >> 4 == 4 => second & 3,
        [first, second, ..] if first >> 4 == 6 => (second >> 4) & 3,
        _ => 0,
    };
    match field {
        1 => Ecn::Ect1,
        2 => Ecn::Ect0,
        3 => Ecn::Ce,
        _ => Ecn::NotEct,
    }
}

/// Writes "congestion experienced" into the header, and IPv4's checksum anew.
fn mark(packet: &mut [u8]) {
    if packet[0] >> 4 == 6 {
        packet[1] |= 3 << 4;
        return;
    }
    packet[1] |= 3;
    smoltcp::wire::Ipv4Packet::new_unchecked(packet).fill_checksum();
}

fn nanos(at: Instant) -> u64 {
    let micros = u64::try_from(at.total_micros()).expect("time starts at zero");
    micros * 1000
}
