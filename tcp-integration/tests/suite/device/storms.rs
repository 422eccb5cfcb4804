//! Several streams at once over a cable that loses frames in both directions, to peers that read
//! when they please and close in any order.

use std::fmt::Write as _;

use proptest::prelude::*;
use smoltcp::iface::SocketHandle;
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::hosts::{CONNECTIONS, Cable, Family, Host, file};

/// Virtual time that any of these takes at most: repeated losses of SYNs and FINs wait for the
/// stack's timer, which doubles up to a minute.
const LIMIT: Duration = Duration::from_secs(1200);

/// What one stream does.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Bytes that the client and the server send.
    bytes: [usize; 2],
    /// Time between two reads on each side.
    read_every: [Duration; 2],
    /// Whether the side closes its direction as soon as it has written all, or once it has heard
    /// the other's end.
    close: [Close; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    AtOnce,
    WhenTheOtherDid,
}

/// One side of a stream under way.
struct Side {
    handle: SocketHandle,
    data: Vec<u8>,
    written: usize,
    received: Vec<u8>,
    read_at: Instant,
    read_every: Duration,
    close: Close,
}

impl Side {
    fn serve(&mut self, host: &mut Host, now: Instant) {
        self.written += host.write(self.handle, &self.data[self.written..]);
        if now >= self.read_at {
            self.received.extend(host.read(self.handle));
            self.read_at = now + self.read_every;
        }
        let all_written = self.written == self.data.len();
        let socket = host.tcp(self.handle);
        if all_written && (self.close == Close::AtOnce || !socket.may_recv()) {
            socket.close();
        }
    }

    fn is_over(&self, host: &mut Host) -> bool {
        let state = host.tcp(self.handle).state();
        let closed = matches!(state, tcp::State::Closed | tcp::State::TimeWait);
        closed && !host.tcp(self.handle).can_recv()
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let bytes = prop_oneof![Just(0), 1_usize..3000, 1_usize..150_000];
    let pause = prop_oneof![
        3 => Just(Duration::ZERO),
        1 => (1_u64..400).prop_map(Duration::from_millis)
    ];
    let close = prop_oneof![
        Just([Close::AtOnce; 2]),
        Just([Close::AtOnce, Close::WhenTheOtherDid]),
        Just([Close::WhenTheOtherDid, Close::AtOnce]),
    ];
    ([bytes.clone(), bytes], [pause.clone(), pause], close).prop_map(
        |(bytes, read_every, close)| Plan {
            bytes,
            read_every,
            close,
        },
    )
}

fn start(cable: &mut Cable, number: u16, plan: &Plan) -> [Side; 2] {
    let handles = cable.open(4000 + number, 80 + number);
    let now = cable.now;
    let side = |side: usize| Side {
        handle: handles[side],
        data: file(plan.bytes[side]),
        written: 0,
        received: Vec::new(),
        read_at: now,
        read_every: plan.read_every[side],
        close: plan.close[side],
    };
    [side(0), side(1)]
}

/// The weather on the cable.
#[derive(Clone, Copy, Debug)]
struct Weather {
    seed: u64,
    /// Of the frames that the client and the server send.
    loss_percent: [u64; 2],
    /// Frames that fit into either card.
    room: usize,
    medium: Medium,
    family: Family,
}

/// Runs all streams to their end and checks what arrived.
fn storm(weather: Weather, plans: &[Plan]) {
    let mut cable = Cable::new(weather.medium, weather.family);
    for host in &mut cable.hosts {
        host.device.inner_mut().room = weather.room;
    }
    let mut state = weather.seed;
    cable.lose = Box::new(move |_, from, _| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % 100 < weather.loss_percent[from]
    });
    let mut streams: Vec<[Side; 2]> = Vec::new();
    for (number, plan) in (0..).zip(plans) {
        streams.push(start(&mut cable, number, plan));
    }
    let end = cable.now + LIMIT;
    cable.run(LIMIT + LIMIT, |hosts, now| {
        for stream in &mut streams {
            for (side, host) in stream.iter_mut().zip(hosts.iter_mut()) {
                side.serve(host, now);
            }
        }
        let mut over = true;
        for (number, host) in hosts.iter_mut().enumerate() {
            host.device.for_each_status(|tuple, status| {
                assert_eq!(status.violations, 0, "{now}: {tuple:?} {status:?}");
            });
            over &= streams.iter().all(|stream| stream[number].is_over(host));
        }
        assert!(over || now < end, "{now}: {}", state_of(hosts, &streams));
        over
    });
    for [client, server] in &streams {
        assert!(client.received == server.data, "what the client received");
        assert!(server.received == client.data, "what the server received");
    }
    for host in &cable.hosts {
        let drops = host.device.tally().drops;
        assert_eq!(drops.malformed + drops.unacceptable, 0, "{drops:?}");
    }
}

#[test]
fn a_loss_after_both_sides_closed_is_repaired() {
    let weather = Weather {
        seed: 8_806_244_376_584_010_154,
        loss_percent: [0, 1],
        room: 4096,
        medium: Medium::Ip,
        family: Family::V4,
    };
    let plan = Plan {
        bytes: [0, 99_869],
        read_every: [Duration::ZERO; 2],
        close: [Close::AtOnce; 2],
    };
    storm(weather, &[plan]);
}

/// Where all streams are.
fn state_of(hosts: &mut [Host; 2], streams: &[[Side; 2]]) -> String {
    let mut state = String::new();
    for (number, host) in hosts.iter_mut().enumerate() {
        for stream in streams {
            let side = &stream[number];
            let socket = host.tcp(side.handle);
            let (phase, queued) = (socket.state(), socket.send_queue());
            let (written, received) = (side.written, side.received.len());
            writeln!(
                state,
                "{phase}: {written} written, {queued} queued, {received} received"
            )
            .unwrap();
        }
        host.device
            .for_each_status(|_, status| writeln!(state, "{status:?}").unwrap());
        let (shut, poll_at) = (host.device.is_shut(), host.device.poll_at());
        writeln!(state, "gate shut: {shut}, device polls at {poll_at:?}").unwrap();
    }
    state
}

proptest! {
    #[test]
    fn what_arrives_is_what_was_sent_whatever_is_lost(
        seed in any::<u64>(),
        loss_percent in [0_u64..15, 0_u64..15],
        plans in proptest::collection::vec(plan(), 1..=CONNECTIONS),
        room in prop_oneof![Just(4096_usize), 1_usize..8],
        medium in prop_oneof![Just(Medium::Ip), Just(Medium::Ethernet)],
        family in prop_oneof![Just(Family::V4), Just(Family::V6)],
    ) {
        storm(Weather { seed, loss_percent, room, medium, family }, &plans);
    }
}
