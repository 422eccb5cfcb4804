//! Malformed, forged and misleading segments, full tables and floods: nothing panics, nothing is sent
//! beyond the window, and the genuine transfer completes.

mod forged;
mod path;
mod table;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Duration;
use tautline_tcp_integration::segment::{Direction, Parsed, Segment, parse};

use crate::world::{Frames, Way, World, honest};

/// Bytes from the end behind the gate to the peer, or back, each of them known.
pub(crate) struct Transfer {
    gate: SocketHandle,
    peer: SocketHandle,
    way: Way,
    total: usize,
    sent: usize,
    received: usize,
}

impl Transfer {
    fn new((gate, peer): (SocketHandle, SocketHandle), way: Way, total: usize) -> Self {
        Self {
            gate,
            peer,
            way,
            total,
            sent: 0,
            received: 0,
        }
    }

    /// What the applications do whenever they are polled; true when all has arrived and both ends
    /// are closed.
    fn work(&mut self, world: &mut World) -> bool {
        let (gate, peer) = (self.gate, self.peer);
        let sender = match self.way {
            Way::ToPeer => world.gate_socket(gate),
            Way::ToGate => world.peer_socket(peer),
        };
        self.send(sender);
        let receiver = match self.way {
            Way::ToPeer => world.peer_socket(peer),
            Way::ToGate => world.gate_socket(gate),
        };
        self.receive(receiver);
        let closed = |state| matches!(state, State::Closed | State::TimeWait);
        self.received == self.total
            && closed(world.gate_socket(gate).state())
            && closed(world.peer_socket(peer).state())
    }

    fn send(&mut self, socket: &mut Socket<'_>) {
        while self.sent < self.total && socket.can_send() {
            let from = self.sent;
            let most = self.total - from;
            let written = socket.send(|room| {
                let length = room.len().min(most);
                for (at, byte) in (from..).zip(&mut room[..length]) {
                    *byte = content(at);
                }
                (length, length)
            });
            self.sent += written.expect("the socket can send");
        }
        if self.sent == self.total {
            socket.close();
        }
    }

    fn receive(&mut self, socket: &mut Socket<'_>) {
        while socket.can_recv() {
            let from = self.received;
            let read = socket.recv(|data| {
                for (at, &byte) in (from..).zip(&*data) {
                    assert_eq!(byte, content(at), "byte {at} is wrong");
                }
                (data.len(), data.len())
            });
            self.received += read.expect("the socket can receive");
        }
        if self.received == self.total && self.total > 0 {
            socket.close();
        }
    }

    /// Runs to the end.
    fn complete(
        &mut self,
        world: &mut World,
        limit: Duration,
        mut meddle: impl FnMut(Way, &[u8]) -> Frames,
    ) {
        let done = world.run(limit, &mut meddle, &mut |world| self.work(world));
        let gate = world.gate_socket(self.gate).state();
        let peer = world.peer_socket(self.peer).state();
        assert!(
            done,
            "stuck at {}: {} of {} bytes sent, {} received, {gate} behind the gate, {peer} the \
             peer, {:?}",
            world.now,
            self.sent,
            self.total,
            self.received,
            world.gate.device.tally(),
        );
    }
}

/// The byte at this place of a transfer.
fn content(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// The segment in a frame that one of the two stacks sent.
fn segment_in(way: Way, frame: &[u8]) -> Segment {
    let direction = match way {
        Way::ToPeer => Direction::Departing,
        Way::ToGate => Direction::Arriving,
    };
    let checksums = ChecksumCapabilities::default();
    match parse(Medium::Ip, direction, &checksums, frame) {
        Parsed::Tcp(segment) => segment,
        parsed => panic!("{parsed:?} from a stack"),
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }
}

const PORTS: (u16, u16) = (49152, 80);
const MEGABYTE: usize = 1 << 20;

/// The world's own check that a test of this folder can fail: nothing meddles.
#[test]
fn an_undisturbed_transfer_completes_in_both_directions() {
    for (way, active) in [
        (Way::ToPeer, true),
        (Way::ToPeer, false),
        (Way::ToGate, true),
        (Way::ToGate, false),
    ] {
        let mut world = World::new(crate::world::Start::default());
        let handles = if active {
            world.connect(PORTS)
        } else {
            world.accept(PORTS)
        };
        let mut transfer = Transfer::new(handles, way, MEGABYTE);
        transfer.complete(&mut world, Duration::from_secs(60), honest);
        assert_eq!(transfer.received, MEGABYTE);
        let drops = world.gate.device.tally().drops;
        assert_eq!(drops.total(), 0, "{drops:?}");
    }
}
