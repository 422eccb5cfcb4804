//! Two smoltcp hosts over a simulated path, the sender behind the gate.

use std::collections::VecDeque;
use std::vec::Vec;
use std::{format, vec};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tautline_core::controller::{FixedWindow, NewReno};
use tautline_core::units::Bytes;

use super::super::{ControllerSource, EcnSupport, Settings, Status};
use crate::GatedDevice;

/// One direction of the path.
#[derive(Debug)]
struct Pipe {
    queue: VecDeque<(Instant, Vec<u8>)>,
    free_at: Instant,
    rate: u64,
    delay: Duration,
    limit: Duration,
    loss_per_mille: u64,
    random: u64,
    dropped: u64,
}

impl Pipe {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn push(&mut self, now: Instant, packet: Vec<u8>) {
        let lost = self.random() % 1000 < self.loss_per_mille;
        let start = self.free_at.max(now);
        if lost || start - now > self.limit {
            self.dropped += 1;
            return;
        }
        self.free_at = start + Duration::from_micros(packet.len() as u64 * 1_000_000 / self.rate);
        self.queue.push_back((self.free_at + self.delay, packet));
    }
}

/// What an interface sends and gets.
#[derive(Debug, Default)]
struct Port {
    arrived: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let packet = self.arrived.pop_front()?;
        Some((Rx(packet), Tx(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

fn host(device: &mut impl Device, address: u8, seed: u64) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut iface = Interface::new(config, device, Instant::ZERO);
    iface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(IpAddress::v4(10, 0, 0, address), 24))
            .unwrap();
    });
    iface
}

fn socket(rx: usize, tx: usize) -> tcp::Socket<'static> {
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(vec![0; rx]),
        tcp::SocketBuffer::new(vec![0; tx]),
    );
    // With the features of the tests, smoltcp's default is its own Cubic.
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket
}

#[derive(Clone, Copy, Debug)]
struct Path {
    seed: u64,
    rate: u64,
    delay_ms: u64,
    queue_ms: u64,
    loss_per_mille: u64,
    bytes: usize,
    buffer: usize,
    nagle: bool,
    /// The receiver closes its end at once: the sender ends in LAST-ACK.
    half_closed: bool,
}

const PATH: Path = Path {
    seed: 1,
    rate: 1_250_000,
    delay_ms: 20,
    queue_ms: 60,
    loss_per_mille: 0,
    bytes: 1_000_000,
    buffer: 1 << 18,
    nagle: true,
    half_closed: false,
};

#[derive(Debug)]
struct Outcome {
    status: Status,
    elapsed: Duration,
    polls: u64,
}

/// Sends `path.bytes` from a gated client and checks every byte.
#[expect(
    clippy::too_many_lines,
    reason = "one loop moves both hosts and the path"
)]
fn transfer<S: ControllerSource>(path: Path, settings: Settings, source: S) -> Outcome {
    let mut device = GatedDevice::<_, _, 2, 64>::new(Port::default(), source, settings).unwrap();
    let mut peer = Port::default();
    let mut near = host(&mut device, 1, path.seed);
    let mut far = host(&mut peer, 2, path.seed + 1);
    let mut near_sockets = SocketSet::new(vec![]);
    let mut far_sockets = SocketSet::new(vec![]);
    let mut sender = socket(4096, path.buffer);
    sender.set_nagle_enabled(path.nagle);
    let sender = near_sockets.add(sender);
    let mut receiver = socket(path.buffer, 4096);
    receiver.listen(80).unwrap();
    let receiver = far_sockets.add(receiver);
    near_sockets
        .get_mut::<tcp::Socket<'_>>(sender)
        .connect(near.context(), (IpAddress::v4(10, 0, 0, 2), 80), 50_000)
        .unwrap();
    let pipe = |salt: u64| Pipe {
        queue: VecDeque::new(),
        free_at: Instant::ZERO,
        rate: path.rate,
        delay: Duration::from_millis(path.delay_ms),
        limit: Duration::from_millis(path.queue_ms),
        loss_per_mille: path.loss_per_mille,
        random: (path.seed + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        dropped: 0,
    };
    let (mut there, mut back) = (pipe(0), pipe(1));
    let mut now = Instant::ZERO;
    let (mut written, mut read, mut polls) = (0, 0, 0_u64);
    let mut status = Status::default();
    let mut idle_polls = 0;
    while read < path.bytes {
        polls += 1;
        near.poll(now, &mut device, &mut near_sockets);
        far.poll(now, &mut peer, &mut far_sockets);
        written += write(&mut near_sockets, sender, written, path.bytes);
        read += check(&mut far_sockets, receiver, read);
        if path.half_closed {
            let far = far_sockets.get_mut::<tcp::Socket<'_>>(receiver);
            if far.state() == tcp::State::Established {
                far.close();
            }
            let near = near_sockets.get_mut::<tcp::Socket<'_>>(sender);
            if written == path.bytes && near.state() == tcp::State::CloseWait {
                near.close();
            }
        }
        near.poll(now, &mut device, &mut near_sockets);
        far.poll(now, &mut peer, &mut far_sockets);
        device.for_each_status(|_, seen| status = seen);
        for packet in device.inner_mut().sent.drain(..) {
            there.push(now, packet);
        }
        for packet in peer.sent.drain(..) {
            back.push(now, packet);
        }
        let due = [
            crate::next_poll(now, &mut near, &device, &near_sockets),
            far.poll_at(now, &far_sockets),
            there.queue.front().map(|(due, _)| *due),
            back.queue.front().map(|(due, _)| *due),
        ];
        let next = due.into_iter().flatten().min();
        let Some(next) = next else {
            panic!(
                "deadlock at {now} after {read} bytes, SIM_SEED={}: {status:?}",
                path.seed
            )
        };
        idle_polls = if next > now { 0 } else { idle_polls + 1 };
        assert!(idle_polls < 10_000, "spins at {now}, {path:?}: {status:?}");
        now = now.max(next);
        assert!(
            now < Instant::from_secs(600),
            "stuck after {read} bytes, {path:?}: {status:?}"
        );
        while there.queue.front().is_some_and(|(due, _)| *due <= now) {
            peer.arrived
                .extend(there.queue.pop_front().map(|(_, packet)| packet));
        }
        while back.queue.front().is_some_and(|(due, _)| *due <= now) {
            let packet = back.queue.pop_front().map(|(_, packet)| packet);
            device.inner_mut().arrived.extend(packet);
        }
    }
    assert_eq!(status.violations, 0, "{path:?}: {status:?}");
    Outcome {
        status,
        elapsed: now - Instant::ZERO,
        polls,
    }
}

fn pattern(index: usize) -> u8 {
    (index.wrapping_mul(31) >> 3) as u8
}

fn write(sockets: &mut SocketSet<'_>, handle: SocketHandle, from: usize, to: usize) -> usize {
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    if !socket.can_send() || from == to {
        return 0;
    }
    let chunk: Vec<u8> = (from..to.min(from + 100_000)).map(pattern).collect();
    socket.send_slice(&chunk).unwrap()
}

fn check(sockets: &mut SocketSet<'_>, handle: SocketHandle, mut at: usize) -> usize {
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    let start = at;
    while socket.can_recv() {
        socket
            .recv(|data| {
                for byte in &*data {
                    assert_eq!(*byte, pattern(at), "byte {at}");
                    at += 1;
                }
                (data.len(), ())
            })
            .unwrap();
    }
    at - start
}

fn report(name: &str, outcome: &Outcome) -> String {
    format!(
        "{name}: {:?} {} polls {:?}",
        outcome.elapsed, outcome.polls, outcome.status
    )
}

#[test]
fn a_transfer_without_loss_fills_the_path() {
    let outcome = transfer(PATH, Settings::default(), NewReno::new);
    println!("{}", report("reno", &outcome));
    assert!(outcome.elapsed < Duration::from_millis(3500), "{outcome:?}");
}

#[test]
fn a_fixed_window_is_never_exceeded() {
    for seed in 1..6 {
        let path = Path {
            seed,
            loss_per_mille: 10,
            ..PATH
        };
        let outcome = transfer(path, Settings::default(), |segment| {
            FixedWindow::new(Bytes::new(20_000), segment)
        });
        println!("{}", report("fixed", &outcome));
    }
}

#[test]
fn losses_of_all_kinds_are_survived() {
    for seed in 1..40 {
        let path = Path {
            seed,
            loss_per_mille: [0, 5, 20, 100][seed as usize % 4],
            queue_ms: [5, 20, 100][seed as usize % 3],
            nagle: seed % 2 == 0,
            half_closed: seed % 5 == 0,
            bytes: 200_000,
            ..PATH
        };
        let settings = Settings::default().with_ecn(EcnSupport::On);
        let outcome = transfer(path, settings, NewReno::new);
        println!("{path:?}\n {}", report("reno", &outcome));
    }
}
