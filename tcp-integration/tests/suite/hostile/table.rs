//! More connections than the gate has room for, floods of SYNs, and ports that are used again.

use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::{IpEndpoint, TcpControl, TcpSeqNumber};

use super::{MEGABYTE, PORTS, Random, Transfer};
use crate::world::{CONNECTIONS, Forged, Start, Way, World, honest};

const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn connections_beyond_the_table_wait_and_complete() {
    let mut world = World::new(Start::default());
    let mut transfers: Vec<_> = (0..2 * CONNECTIONS as u16)
        .map(|number| {
            let handles = world.connect((PORTS.0 + number, 1000 + number));
            Transfer::new(handles, Way::ToPeer, MEGABYTE / 4)
        })
        .collect();
    let done = world.run(LIMIT, &mut honest, &mut |world| {
        let finished = transfers
            .iter_mut()
            .filter_map(|it| it.work(world).then_some(()));
        finished.count() == 2 * CONNECTIONS
    });
    let received: Vec<_> = transfers.iter().map(|it| it.received).collect();
    let tally = world.gate.device.tally();
    assert!(done, "{received:?}, {tally:?}");
    assert!(tally.drops.departing_syn > 0, "{tally:?}");
    assert_eq!(tally.connections, 2 * CONNECTIONS as u64);
}

#[test]
fn arriving_connections_beyond_the_table_wait_and_complete() {
    let mut world = World::new(Start::default());
    let mut transfers: Vec<_> = (0..2 * CONNECTIONS as u16)
        .map(|number| {
            let handles = world.accept((1000 + number, PORTS.0 + number));
            Transfer::new(handles, Way::ToPeer, MEGABYTE / 4)
        })
        .collect();
    let done = world.run(LIMIT, &mut honest, &mut |world| {
        let finished = transfers
            .iter_mut()
            .filter_map(|it| it.work(world).then_some(()));
        finished.count() == 2 * CONNECTIONS
    });
    let received: Vec<_> = transfers.iter().map(|it| it.received).collect();
    let tally = world.gate.device.tally();
    assert!(done, "{received:?}, {tally:?}");
    assert!(
        tally.drops.arriving_syn + tally.drops.departing_syn > 0,
        "{tally:?}"
    );
}

#[test]
fn a_flood_of_syns_does_not_disturb_a_transfer() {
    let mut world = World::new(Start::default());
    let mut transfer = Transfer::new(world.connect(PORTS), Way::ToPeer, 2 * MEGABYTE);
    for _ in 0..2 * CONNECTIONS {
        let mut listener = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; 1000]),
            tcp::SocketBuffer::new(vec![0; 1000]),
        );
        listener.listen(443).unwrap();
        world.gate.sockets.add(listener);
    }
    let (local, remote) = (world.local(443), world.remote(1));
    let mut random = Random(1);
    let mut count = 0;
    transfer.complete(&mut world, LIMIT, |way, frame| {
        let mut frames = honest(way, frame);
        if way == Way::ToGate && count < 2000 {
            for _ in 0..20 {
                count += 1;
                let port = 1 + random.below(65_535) as u16;
                let syn = Forged {
                    source: IpEndpoint::new(remote.addr, port),
                    destination: local,
                    control: TcpControl::Syn,
                    sequence: TcpSeqNumber(random.next().cast_signed()),
                    acknowledgement: None,
                    window: random.below(65_536) as u16,
                    sack: [None; 3],
                    scale: Some(random.below(256) as u8),
                    payload: &[],
                };
                frames.push((way, syn.packet()));
            }
        }
        frames
    });
    assert_eq!(count, 2000);
    let tally = world.gate.device.tally();
    assert!(tally.connections < 2000, "{tally:?}");
}

#[test]
fn a_pair_of_ports_is_used_again_and_again() {
    for (ending, name) in [
        tcp::Socket::abort as fn(&mut tcp::Socket<'static>),
        tcp::Socket::close,
    ]
    .into_iter()
    .zip(["abort", "close"])
    {
        let mut world = World::new(Start::default());
        for round in 0..6 {
            println!("{name}, round {round}");
            let (gate, peer) = world.connect(PORTS);
            let mut transfer = Transfer::new((gate, peer), Way::ToPeer, MEGABYTE / 8);
            // The transfer's own end, or one in its midst.
            let done = world.run(LIMIT, &mut honest, &mut |world| {
                transfer.work(world) || (round % 2 == 0 && transfer.received > MEGABYTE / 16)
            });
            assert!(
                done,
                "stuck in round {round}, {:?}",
                world.gate.device.tally()
            );
            ending(world.gate_socket(gate));
            ending(world.peer_socket(peer));
            // The RST arrives, or the rest and both FINs.
            let pause = Duration::from_millis(if round < 3 { 50 } else { 20_000 });
            world.run(pause, &mut honest, &mut |_| false);
            world.gate_socket(gate).abort();
            world.peer_socket(peer).abort();
            world.run(Duration::from_millis(100), &mut honest, &mut |_| false);
            world.gate.sockets.remove(gate);
            world.peer.sockets.remove(peer);
        }
        let tally = world.gate.device.tally();
        assert_eq!(tally.connections, 6, "{tally:?}");
        assert_eq!(tally.drops.departing_syn, 0, "{tally:?}");
    }
}

#[test]
fn the_ports_of_a_silent_peer_are_used_again() {
    // The peer forgets the connection without a word; the same ports connect again.
    let mut world = World::new(Start::default());
    let (gate, peer) = world.connect(PORTS);
    let mut transfer = Transfer::new((gate, peer), Way::ToPeer, MEGABYTE);
    let begun = world.run(LIMIT, &mut honest, &mut |world| {
        transfer.work(world);
        transfer.received > MEGABYTE / 2
    });
    assert!(begun);
    world.peer.sockets.remove(peer);
    let mut none = |_: Way, _: &[u8]| vec![];
    world.run(Duration::from_secs(5), &mut none, &mut |_| false);
    world.gate_socket(gate).abort();
    world.run(Duration::from_secs(1), &mut none, &mut |_| false);
    world.gate.sockets.remove(gate);
    let handles = world.connect(PORTS);
    Transfer::new(handles, Way::ToPeer, MEGABYTE).complete(&mut world, LIMIT, honest);
}
