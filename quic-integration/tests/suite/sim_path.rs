//! Two simulated ends and a path between them, without the simulator.

use std::collections::VecDeque;

use tautline_core::units::Timestamp;
use tautline_netsim::endpoint::{Datagram, Endpoint as _};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{Connection, QuinnEndpoint};

/// A drop-tail bottleneck on the way to the receiver; the way back only has the delay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) rate_bits_per_sec: u64,
    pub(crate) one_way_ms: u64,
    pub(crate) buffer_bytes: u64,
    /// Packets that find at least this much queued are marked if they can be.
    pub(crate) mark_from_bytes: u64,
    /// Every how many-th datagram of either way is lost; zero for none.
    pub(crate) lose_every: u64,
    /// From when to when everything is lost.
    pub(crate) outage_ms: (u64, u64),
}

impl Path {
    /// 10 Mbit/s, 40 ms round trip, one bandwidth-delay product of buffer.
    pub(crate) const TEN_MEGABITS: Self = Self {
        rate_bits_per_sec: 10_000_000,
        one_way_ms: 20,
        buffer_bytes: 50_000,
        mark_from_bytes: u64::MAX,
        lose_every: 0,
        outage_ms: (0, 0),
    };
}

/// A connection over a [`Path`].
pub(crate) struct Network {
    pub(crate) sender: QuinnEndpoint,
    pub(crate) receiver: QuinnEndpoint,
    pub(crate) now: Timestamp,
    path: Path,
    to_receiver: VecDeque<(u64, Datagram)>,
    to_sender: VecDeque<(u64, Datagram)>,
    free_ns: u64,
    /// Events at the current instant.
    standing: u32,
    pub(crate) datagrams: u64,
    pub(crate) marked: u64,
    pub(crate) dropped: u64,
    pub(crate) largest: usize,
    /// FNV-1a of every datagram that left, its way, time and mark.
    pub(crate) digest: u64,
    /// Whether datagrams are digested, which costs more than quinn itself.
    pub(crate) recording: bool,
}

impl Network {
    pub(crate) fn new(connection: Connection, path: Path) -> Self {
        Self {
            sender: connection.sender,
            receiver: connection.receiver,
            now: Timestamp::ZERO,
            path,
            to_receiver: VecDeque::new(),
            to_sender: VecDeque::new(),
            free_ns: 0,
            standing: 0,
            datagrams: 0,
            marked: 0,
            dropped: 0,
            largest: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            recording: true,
        }
    }

    /// Runs until `done`; false if that has not come to pass after `limit_ms`.
    pub(crate) fn run_until(
        &mut self,
        limit_ms: u64,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        loop {
            self.transmit();
            if done(self) {
                return true;
            }
            self.transmit();
            let wakes = [self.sender.next_wake(), self.receiver.next_wake()];
            let timers = wakes.map(Timestamp::as_nanos).into_iter();
            let arrivals = [&self.to_receiver, &self.to_sender]
                .into_iter()
                .filter_map(|queue| queue.front().map(|(at, _)| *at));
            let next = timers.chain(arrivals).min().unwrap();
            assert!(next >= self.now.as_nanos(), "time runs backwards");
            if next > limit_ms * 1_000_000 {
                return false;
            }
            self.standing = if next == self.now.as_nanos() {
                self.standing + 1
            } else {
                0
            };
            assert!(self.standing < 1_000, "time stands still");
            self.now = Timestamp::from_nanos(next);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        while let Some((_, datagram)) = self
            .to_receiver
            .pop_front_if(|(at, _)| *at <= now.as_nanos())
        {
            self.receiver.receive(now, datagram);
        }
        while let Some((_, datagram)) = self.to_sender.pop_front_if(|(at, _)| *at <= now.as_nanos())
        {
            self.sender.receive(now, datagram);
        }
        for end in [&mut self.sender, &mut self.receiver] {
            if end.next_wake() <= now {
                end.wake(now);
            }
        }
    }

    fn transmit(&mut self) {
        while let Some(datagram) = self.sender.transmit(self.now) {
            self.record(0, &datagram);
            if !self.is_lost() {
                self.enqueue(datagram);
            }
        }
        while let Some(datagram) = self.receiver.transmit(self.now) {
            self.record(1, &datagram);
            if !self.is_lost() {
                let at = self.now.as_nanos() + self.path.one_way_ms * 1_000_000;
                self.to_sender.push_back((at, datagram));
            }
        }
    }

    fn is_lost(&self) -> bool {
        let (from, to) = self.path.outage_ms;
        if (from..to).contains(&(self.now.as_nanos() / 1_000_000)) {
            return true;
        }
        let every = self.path.lose_every;
        every > 0 && self.datagrams.is_multiple_of(every)
    }

    fn enqueue(&mut self, mut datagram: Datagram) {
        let now = self.now.as_nanos();
        let size = datagram.payload.len() as u64 + IP_UDP_HEADER;
        let rate = u128::from(self.path.rate_bits_per_sec);
        let backlog = u128::from(self.free_ns.saturating_sub(now));
        let queued = (backlog * rate / 8_000_000_000) as u64;
        if queued + size > self.path.buffer_bytes {
            self.dropped += 1;
            return;
        }
        if queued >= self.path.mark_from_bytes && datagram.ecn.is_capable() {
            datagram.ecn = Ecn::Ce;
            self.marked += 1;
        }
        self.free_ns = self.free_ns.max(now) + (u128::from(size) * 8_000_000_000 / rate) as u64;
        let at = self.free_ns + self.path.one_way_ms * 1_000_000;
        self.to_receiver.push_back((at, datagram));
    }

    fn record(&mut self, way: u8, datagram: &Datagram) {
        self.datagrams += 1;
        self.largest = self.largest.max(datagram.payload.len());
        if !self.recording {
            return;
        }
        let time = self.now.as_nanos().to_le_bytes();
        let marks = [way, datagram.ecn as u8];
        for byte in time.iter().chain(&marks).chain(&datagram.payload) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

const IP_UDP_HEADER: u64 = 28;
