//! Many sockets on one interface: whoever is held back holds back nobody else.

use smoltcp::iface::SocketHandle;
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::socket::{icmp, udp};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress};
use tautline_core::controller::Decision;
use tautline_core::units::{Bandwidth, Bytes};

use crate::oracle::app::App;
use crate::oracle::path::Way;
use crate::oracle::plan::{Gated, Plan, Transfer};
use crate::oracle::port::{Port, Tap as _};
use crate::oracle::recorder::Choice;
use crate::oracle::sniffer::Reference;
use crate::oracle::world::{Family, SocketPlan, World};

/// Controllers that hold their connections back: windows of two segments, slow paces, and windows
/// that are cut at any event.
fn held_back() -> Vec<Choice> {
    let slow = |bits| {
        Choice::Steady(Decision {
            pacing_rate: Bandwidth::from_bits_per_sec(bits),
            send_quantum: Bytes::new(1),
            ..Decision::unpaced(Bytes::new(100_000))
        })
    };
    vec![
        Choice::Fixed(1),
        slow(64_000),
        Choice::Adversary,
        Choice::LawlessAdversary,
        slow(256_000),
        // Whose peer does not read.
        Choice::Fixed(100_000),
    ]
}

fn plan(medium: Medium, family: Family) -> Plan {
    let ways = [
        Way::clean(10_000, Some(25_000_000), 500_000),
        Way::clean(10_000, None, 0),
    ];
    let mut plan = Plan::simple(3, Choice::Fixed(60_000), ways, 0);
    plan.medium = medium;
    plan.family = family;
    plan.mtu = if medium == Medium::Ethernet {
        1514
    } else {
        1500
    };
    plan.transfers.clear();
    plan
}

fn transfer(bytes: u64, pauses: Vec<(i64, i64)>) -> Transfer {
    let socket = SocketPlan::with_buffers(100_000);
    Transfer {
        there: bytes,
        back: 0,
        pauses,
        near: socket,
        far: socket,
    }
}

/// What the free connections and the bystanders got.
#[derive(Debug)]
struct Outcome {
    /// When the free connections were done (µs).
    done: Vec<i64>,
    /// Bytes that each of the others got through.
    others: Vec<u64>,
    datagrams: u64,
    pings: u64,
    latest_datagram: i64,
}

/// Six connections that are held back where `company`, two that are not, datagrams and pings.
fn run(medium: Medium, family: Family, company: bool) -> Outcome {
    let mut plan = plan(medium, family);
    let mut choices = Vec::new();
    if company {
        choices = held_back();
        let held = choices.len();
        plan.transfers = vec![transfer(100_000_000, Vec::new()); held];
        plan.transfers[held - 1].pauses = vec![(0, i64::MAX)];
    }
    let others = choices.len();
    choices.push(Choice::Fixed(60_000));
    for _ in 0..2 {
        plan.transfers.push(transfer(10_000_000, Vec::new()));
    }
    let near = plan.gated(choices);
    let mut world: World<Gated, Port> = plan.world(near, plan.plain(Reference::Nothing));
    let mut bystanders = Bystanders::new(&mut world, family);
    while world.a.apps[others..]
        .iter()
        .any(|app| app.done_at.is_none())
    {
        assert!(world.now < 60_000_000, "{:?}", bystanders.outcome);
        bystanders.step(&mut world);
        let until = world.now + 1000;
        world.run(until);
    }
    let verdict = world.a.device.port().sniffer().verdict();
    assert_eq!(verdict.violations, 0, "{verdict:#?}");
    let mut outcome = bystanders.outcome;
    let free = &world.a.apps[others..];
    outcome.done = free.iter().filter_map(|app| app.done_at).collect();
    let held = &world.b.apps[..others];
    outcome.others = held.iter().map(App::received).collect();
    outcome
}

/// A datagram and a ping every five milliseconds.
struct Bystanders {
    family: Family,
    sender: SocketHandle,
    receiver: SocketHandle,
    pinger: SocketHandle,
    next_at: i64,
    sent: u64,
    outcome: Outcome,
}

impl Bystanders {
    fn new(world: &mut World<Gated, Port>, family: Family) -> Self {
        let udp = || {
            let buffer =
                || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64_000]);
            udp::Socket::new(buffer(), buffer())
        };
        let mut sender = udp();
        sender.bind(7000).unwrap();
        let mut receiver = udp();
        receiver.bind(7001).unwrap();
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 64], vec![0; 64_000]);
        let mut pinger = icmp::Socket::new(buffer(), buffer());
        pinger.bind(icmp::Endpoint::Ident(IDENT)).unwrap();
        Self {
            family,
            sender: world.a.sockets.add(sender),
            receiver: world.b.sockets.add(receiver),
            pinger: world.a.sockets.add(pinger),
            next_at: 0,
            sent: 0,
            outcome: Outcome {
                done: Vec::new(),
                others: Vec::new(),
                datagrams: 0,
                pings: 0,
                latest_datagram: 0,
            },
        }
    }

    fn step(&mut self, world: &mut World<Gated, Port>) {
        let now = world.now;
        let receiver = world.b.sockets.get_mut::<udp::Socket<'_>>(self.receiver);
        while let Ok((bytes, _)) = receiver.recv() {
            let sent_at = i64::from_le_bytes(bytes[..8].try_into().unwrap());
            self.outcome.datagrams += 1;
            // The first ones wait for the neighbour's address.
            if sent_at > 500_000 {
                self.outcome.latest_datagram = self.outcome.latest_datagram.max(now - sent_at);
            }
        }
        let pinger = world.a.sockets.get_mut::<icmp::Socket<'_>>(self.pinger);
        while pinger.recv().is_ok() {
            self.outcome.pings += 1;
        }
        if now < self.next_at {
            return;
        }
        self.next_at = now + 5000;
        self.ping(world);
        let sender = world.a.sockets.get_mut::<udp::Socket<'_>>(self.sender);
        let to = (self.family.address(1), 7001);
        let mut datagram = [0; 400];
        datagram[..8].copy_from_slice(&now.to_le_bytes());
        sender.send_slice(&datagram, to).unwrap();
    }

    fn ping(&mut self, world: &mut World<Gated, Port>) {
        let (near, far) = (self.family.address(0), self.family.address(1));
        let pinger = world.a.sockets.get_mut::<icmp::Socket<'_>>(self.pinger);
        let seq_no = self.sent as u16;
        self.sent += 1;
        let checksums = ChecksumCapabilities::default();
        match (near, far) {
            (IpAddress::Ipv4(_), _) => {
                let echo = Icmpv4Repr::EchoRequest {
                    ident: IDENT,
                    seq_no,
                    data: b"taut",
                };
                let room = pinger.send(echo.buffer_len(), far).unwrap();
                echo.emit(&mut Icmpv4Packet::new_unchecked(room), &checksums);
            }
            (IpAddress::Ipv6(near), IpAddress::Ipv6(to)) => {
                let echo = Icmpv6Repr::EchoRequest {
                    ident: IDENT,
                    seq_no,
                    data: b"taut",
                };
                let room = pinger.send(echo.buffer_len(), far).unwrap();
                let mut packet = Icmpv6Packet::new_unchecked(room);
                echo.emit(&near, &to, &mut packet, &checksums);
            }
            _ => unreachable!("both sides have one family"),
        }
    }
}

#[test]
fn two_free_connections_are_as_fast_beside_six_that_are_held_back() {
    for (medium, family) in [
        (Medium::Ip, Family::V4),
        (Medium::Ip, Family::V6),
        (Medium::Ethernet, Family::V4),
        (Medium::Ethernet, Family::V6),
    ] {
        let alone = run(medium, family, false);
        let beside = run(medium, family, true);
        println!("{medium:?} {family:?}: {alone:?} {beside:?}");
        for (beside, alone) in beside.done.iter().zip(&alone.done) {
            let late = *beside as f64 / *alone as f64;
            assert!(late < 1.05, "{medium:?} {family:?} {late}");
        }
        // Held back, but not stuck; the last one's peer reads nothing.
        let (unread, held) = beside.others.split_last().unwrap();
        assert!(held.iter().all(|&bytes| bytes > 10_000), "{beside:?}");
        assert_eq!(*unread, 0, "{beside:?}");
        for outcome in [&alone, &beside] {
            let sent = outcome.done.iter().max().unwrap() / 5000;
            assert!(outcome.datagrams as i64 * 10 > sent * 7, "{outcome:?}");
            assert!(outcome.pings as i64 * 10 > sent * 7, "{outcome:?}");
            // One way takes 10 ms, and both ends look once a millisecond.
            assert!(outcome.latest_datagram < 16_000, "{outcome:?}");
        }
    }
}

const IDENT: u16 = 0x7A57;
