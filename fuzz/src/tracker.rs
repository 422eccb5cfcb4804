//! Arbitrary bytes as what happens to a connection behind the gate. The tests of
//! `tautline-tcp-integration` include this file and run the same function, so that it runs on
//! machines without libFuzzer too.

use smoltcp::iface::SocketHandle;
use smoltcp::phy::Medium;
use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;
use smoltcp::wire::{IpEndpoint, TcpControl, TcpSeqNumber};
use tautline_tcp_integration::{EcnSupport, Settings};

use crate::world::{Forged, Frames, Start, Way, World, honest};

/// How far bytes came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The handshake was completed.
    pub(crate) established: bool,
    /// Nobody forged a segment, and everything sent arrived.
    pub(crate) delivered: usize,
    /// Segments were forged.
    pub(crate) forged: usize,
}

/// The first byte says how the world begins, the others what happens in it: sockets send, time
/// passes, frames are lost, doubled and forged.
///
/// There is no panic and no loop without end, no data leaves beyond the window, a transfer that
/// nobody forged into completes, and when the sockets are gone, so are the gate's timers.
pub(crate) fn tracker(data: &[u8]) -> Reached {
    let mut input = Input(data);
    let mut story = Story::new(input.byte());
    for _ in 0..MAX_EVENTS {
        if input.0.is_empty() {
            break;
        }
        story.event(&mut input);
    }
    story.finish()
}

const MAX_EVENTS: usize = 300;
const PORTS: (u16, u16) = (49152, 80);
/// Long enough for smoltcp's timer to double a few times and still repeat.
const PATIENCE: Duration = Duration::from_secs(1200);

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn pair(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A difference of sequence numbers: small ones, and now and then any.
    fn difference(&mut self) -> i32 {
        let byte = i32::from(self.byte().cast_signed());
        match byte.unsigned_abs() {
            0..=3 => byte,
            4..=63 => byte * 365,
            64..=120 => byte * 1460,
            _ => byte << 23,
        }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

struct Story {
    world: World,
    gate: SocketHandle,
    peer: SocketHandle,
    reached: Reached,
    sent: usize,
    /// Frames that the path drops next, one bit each.
    losses: u32,
    /// Frames that it doubles next.
    doubles: u32,
    touched: bool,
}

impl Story {
    fn new(choice: u8) -> Self {
        let mut start = Start {
            ipv6: choice & 2 != 0,
            ..Start::default()
        };
        if choice & 4 != 0 {
            start.settings = Settings::default().with_ecn(EcnSupport::On);
        }
        if choice & 8 != 0 {
            start.settings = start.settings.with_window_scale(choice >> 4);
        }
        if choice & 64 != 0 {
            start.medium = Medium::Ethernet;
        }
        if choice & 16 != 0 {
            start.sequence = (0u32.wrapping_sub(3000), 0u32.wrapping_sub(100));
        }
        if choice & 128 != 0 {
            start.ring = Some(1 + usize::from(choice & 3));
        }
        let mut world = World::new(start);
        let (gate, peer) = if choice & 1 == 0 {
            world.connect(PORTS)
        } else {
            world.accept(PORTS)
        };
        if choice & 32 != 0 {
            world.run(Duration::from_secs(1), &mut honest, &mut |_| false);
        }
        Self {
            world,
            gate,
            peer,
            reached: Reached::default(),
            sent: 0,
            losses: 0,
            doubles: 0,
            touched: false,
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0 | 1 => self.send(usize::from(input.byte()) * 150),
            2..=4 => {
                let span = Duration::from_millis(1 + u64::from(input.byte()));
                self.pass(span);
            }
            5 => {
                // Late polls.
                let late = u64::from(input.byte());
                self.world.now += Duration::from_millis(late * late);
                self.turn();
            }
            6 => self.losses = u32::from(input.pair()) << (input.byte() % 16),
            7 => self.doubles = u32::from(input.pair()),
            8 | 9 => self.forge(input),
            10 => {
                let packet = input.bytes(100);
                self.forged(Way::ToGate, &packet);
            }
            11 => self.answer(usize::from(input.byte()) * 100),
            12 => self.flood(input),
            13 => self.application(input.byte()),
            14 => self.replay(input),
            _ => self.pass(Duration::from_secs(u64::from(input.byte()))),
        }
        let socket = self.world.gate_socket(self.gate);
        self.reached.established |= socket.state() == State::Established;
    }

    fn send(&mut self, bytes: usize) {
        let socket = self.world.gate_socket(self.gate);
        self.sent += socket.send_slice(&vec![0x55; bytes]).unwrap_or(0);
        self.turn();
    }

    fn answer(&mut self, bytes: usize) {
        let socket = self.world.peer_socket(self.peer);
        let sent = socket.send_slice(&vec![0xaa; bytes]);
        self.touched |= sent.is_err() && socket.state() == State::Closed;
        self.turn();
    }

    fn read(&mut self) {
        let socket = self.world.peer_socket(self.peer);
        while let Ok(read @ 1..) = socket.recv(|data| (data.len(), data.len())) {
            self.reached.delivered += read;
        }
        let socket = self.world.gate_socket(self.gate);
        while let Ok(1..) = socket.recv(|data| (data.len(), data.len())) {}
    }

    fn turn(&mut self) {
        let (losses, doubles) = (&mut self.losses, &mut self.doubles);
        self.world
            .turn(&mut |way, frame| path(losses, doubles, way, frame));
    }

    fn pass(&mut self, span: Duration) {
        let end = self.world.now + span;
        loop {
            self.turn();
            self.read();
            if !self.world.advance(end) {
                break;
            }
        }
    }

    fn forged(&mut self, way: Way, packet: &[u8]) {
        let frame = self.world.frame(way, packet);
        self.touched = true;
        self.reached.forged += 1;
        self.world.deliver(way, frame);
        self.turn();
    }

    /// A segment near what the connection expects, from its own ends.
    fn forge(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let (way, newest) = if choice & 1 == 0 {
            (Way::ToGate, self.world.seen[0])
        } else {
            (Way::ToPeer, self.world.seen[1])
        };
        let Some(newest) = newest else {
            return;
        };
        let control = match choice >> 1 & 7 {
            0 => TcpControl::Syn,
            1 => TcpControl::Fin,
            2 => TcpControl::Rst,
            3 => TcpControl::Psh,
            _ => TcpControl::None,
        };
        let near = |number: TcpSeqNumber, by: i32| TcpSeqNumber(number.0.wrapping_add(by));
        let mut segment = Forged::ack(&newest, way);
        segment.control = control;
        segment.sequence = near(newest.acknowledgement, input.difference());
        let acknowledged = near(newest.end(), input.difference());
        segment.acknowledgement = (choice & 16 == 0).then_some(acknowledged);
        segment.window = input.pair();
        if choice & 32 != 0 {
            for block in &mut segment.sack {
                let first = near(acknowledged, input.difference());
                let end = near(first, input.difference());
                *block = Some((first.0.cast_unsigned(), end.0.cast_unsigned()));
            }
        } else if choice & 64 != 0 && control == TcpControl::Syn {
            segment.scale = Some(input.byte());
        }
        let payload = vec![0x33; usize::from(input.byte()) * usize::from(choice >> 7) * 6];
        segment.payload = &payload;
        self.forged(way, &segment.packet());
    }

    /// SYNs from ports that nobody has, to the port of the connection.
    fn flood(&mut self, input: &mut Input<'_>) {
        let first = input.pair();
        for number in 0..input.byte() % 16 {
            let port = first.wrapping_add(u16::from(number)).max(1);
            let syn = Forged {
                source: IpEndpoint::new(self.world.remote(port).addr, port),
                destination: self.world.local(PORTS.0),
                control: TcpControl::Syn,
                sequence: TcpSeqNumber(i32::from(first)),
                acknowledgement: None,
                window: 1000,
                sack: [None; 3],
                scale: Some(number),
                payload: &[],
            };
            self.forged(Way::ToGate, &syn.packet());
        }
    }

    /// What applications do to their sockets.
    fn application(&mut self, choice: u8) {
        let (local, remote) = (PORTS.0, self.world.remote(PORTS.1));
        self.touched = true;
        match choice % 8 {
            0 => self.world.gate_socket(self.gate).close(),
            1 => self.world.gate_socket(self.gate).abort(),
            2 => self.world.peer_socket(self.peer).close(),
            3 => self.world.peer_socket(self.peer).abort(),
            4 => {
                let keep_alive = Some(Duration::from_millis(u64::from(choice) + 1));
                self.world.gate_socket(self.gate).set_keep_alive(keep_alive);
            }
            5 => {
                let timeout = Some(Duration::from_secs(u64::from(choice)));
                self.world.gate_socket(self.gate).set_timeout(timeout);
            }
            6 => {
                // The same ports again.
                let host = &mut self.world.gate;
                let socket = host
                    .sockets
                    .get_mut::<smoltcp::socket::tcp::Socket<'_>>(self.gate);
                let connected = socket.connect(host.interface.context(), remote, local);
                self.touched |= connected.is_ok();
            }
            _ => {
                let tuple = self.world.seen[0].map(|segment| segment.tuple);
                tuple.map(|tuple| self.world.gate.device.release(tuple));
            }
        }
        self.turn();
    }

    /// The newest frame's segment again, later.
    fn replay(&mut self, input: &mut Input<'_>) {
        let Some(newest) = self.world.seen[1] else {
            return;
        };
        let mut segment = Forged::ack(&newest, Way::ToGate);
        segment.window = input.pair();
        let packet = segment.packet();
        for _ in 0..input.byte() % 5 {
            self.forged(Way::ToGate, &packet);
        }
    }

    /// Honest times again: what was sent arrives; then the sockets go, and the gate falls silent.
    fn finish(mut self) -> Reached {
        (self.losses, self.doubles) = (0, 0);
        let sent = self.sent;
        if !self.touched && sent > 0 {
            self.pass(PATIENCE);
            let socket = self.world.gate_socket(self.gate);
            let (state, queued) = (socket.state(), socket.send_queue());
            assert_eq!(
                self.reached.delivered, sent,
                "{state}, {queued} bytes queued"
            );
            assert_eq!(queued, 0, "what arrived is acknowledged");
        }
        self.world.gate_socket(self.gate).abort();
        self.world.peer_socket(self.peer).abort();
        self.pass(PATIENCE);
        // Aborted sockets are silent at once; a frame in flight may still find the gate.
        let device = &self.world.gate.device;
        assert_eq!(device.poll_at(), None, "timers without a socket");
        assert!(!device.is_shut(), "shut without a socket");
        self.reached
    }
}

/// A path that loses and doubles frames by the bits of two words.
fn path(losses: &mut u32, doubles: &mut u32, way: Way, frame: &[u8]) -> Frames {
    let (lost, doubled) = (*losses & 1 == 1, *doubles & 1 == 1);
    *losses >>= 1;
    *doubles >>= 1;
    let mut frames = honest(way, frame);
    if doubled {
        frames.extend(honest(way, frame));
    }
    if lost {
        frames.clear();
    }
    frames
}
