//! A network path in this process, for real packets in real time.
//!
//! A client talks to [`Emulator::client_address`] and reaches the server behind it. One direction
//! passes a bottleneck (a rate schedule with a drop-tail queue in bytes), both have propagation
//! delay. Every datagram counts with [`IP_UDP_HEADER`] bytes of headers, in the rate, in the
//! queue and in all figures. ECN marks do not survive: standard sockets cannot carry them.

mod bottleneck;
pub(crate) mod record;
mod relay;
pub(crate) mod schedule;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use bottleneck::Bottleneck;
use record::PathRecord;
use relay::{Clock, Exit, Lateness, deliver, receive};
pub(crate) use schedule::RateSchedule;

/// Bytes that IPv4 and UDP add to a datagram (RFC 791, RFC 768).
pub(crate) const IP_UDP_HEADER: u64 = 28;

/// Which way the bulk data flows, and so which way the bottleneck is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Server to client.
    Download,
    /// Client to server.
    Upload,
}

/// A path to emulate.
#[derive(Clone, Debug)]
pub(crate) struct PathSpec {
    /// Rate of the bottleneck over time, from the moment the emulator starts.
    pub(crate) schedule: RateSchedule,
    /// Propagation delay of each direction; the base round-trip time is twice this.
    pub(crate) one_way_delay: Duration,
    /// Capacity of the bottleneck's queue, the packet in transmission included.
    pub(crate) buffer_bytes: u64,
    /// The direction that passes the bottleneck.
    pub(crate) direction: Direction,
}

/// A running path.
#[derive(Debug)]
pub(crate) struct Emulator {
    client_address: SocketAddr,
    started: Instant,
    schedule: RateSchedule,
    stop: Arc<AtomicBool>,
    receivers: Vec<JoinHandle<Option<Bottleneck>>>,
    deliverers: Vec<JoinHandle<Lateness>>,
}

impl Emulator {
    /// Starts four threads that carry datagrams between a client and `server`.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub(crate) fn start(spec: &PathSpec, server: SocketAddr) -> anyhow::Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = || UdpSocket::bind(loopback).context("cannot open a loopback UDP socket");
        let client_side = Arc::new(bind()?);
        let server_side = Arc::new(bind()?);
        server_side
            .connect(server)
            .with_context(|| format!("cannot reach {server}"))?;
        for socket in [&client_side, &server_side] {
            socket.set_read_timeout(Some(STOP_POLL))?;
        }
        let clock = Clock::start();
        let mut emulator = Self {
            client_address: client_side.local_addr()?,
            started: clock.started(),
            schedule: spec.schedule.clone(),
            stop: Arc::default(),
            receivers: Vec::new(),
            deliverers: Vec::new(),
        };
        let client = Arc::new(Mutex::new(None));
        for direction in [Direction::Download, Direction::Upload] {
            let bottleneck = (direction == spec.direction)
                .then(|| Bottleneck::new(spec.schedule.clone(), spec.buffer_bytes));
            let (entry, exit) = match direction {
                Direction::Upload => (&client_side, Exit::Server(Arc::clone(&server_side))),
                Direction::Download => (
                    &server_side,
                    Exit::Client(Arc::clone(&client_side), Arc::clone(&client)),
                ),
            };
            let seen = (direction == Direction::Upload).then(|| Arc::clone(&client));
            emulator.spawn(clock, spec.one_way_delay, bottleneck, (entry, seen), exit)?;
        }
        Ok(emulator)
    }

    fn spawn(
        &mut self,
        clock: Clock,
        delay: Duration,
        mut bottleneck: Option<Bottleneck>,
        entry: (&Arc<UdpSocket>, Option<relay::ClientAddress>),
        exit: Exit,
    ) -> anyhow::Result<()> {
        let (sender, queue) = std::sync::mpsc::channel();
        let socket = Arc::clone(entry.0);
        let stop = Arc::clone(&self.stop);
        let seen = entry.1;
        let receiver = Builder::new().name("path-entry".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                receive(&socket, seen.as_ref(), clock, |at, datagram| {
                    let leaves = match &mut bottleneck {
                        Some(bottleneck) => bottleneck.admit(at, datagram.len() as u64),
                        None => Some(at),
                    };
                    leaves.is_none_or(|at| sender.send((at + delay, datagram.into())).is_ok())
                });
            }
            bottleneck
        });
        self.receivers
            .push(receiver.context("cannot start a thread")?);
        let deliverer = Builder::new()
            .name("path-exit".into())
            .spawn(move || deliver(&queue, clock, &exit));
        self.deliverers
            .push(deliverer.context("cannot start a thread")?);
        Ok(())
    }

    /// Where the client must connect to.
    pub(crate) const fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// Time since the start, the time axis of the record.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Stops the path and returns what happened on it.
    ///
    /// # Errors
    /// When one of its threads panicked.
    pub(crate) fn finish(mut self) -> anyhow::Result<PathRecord> {
        let elapsed = self.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        let mut record = PathRecord::new(self.schedule.clone(), elapsed);
        for thread in self.receivers.drain(..) {
            if let Some(bottleneck) = join(thread)? {
                record.packets = bottleneck.into_packets();
            }
        }
        for thread in self.deliverers.drain(..) {
            record.lateness.extend(join(thread)?.0);
        }
        record.lateness.sort_unstable();
        Ok(record)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn join<T>(thread: JoinHandle<T>) -> anyhow::Result<T> {
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("a thread of the emulated path panicked"))
}

/// How long a quiet socket may keep a thread from noticing the end.
const STOP_POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn path(rate_bits_per_sec: u64, buffer_bytes: u64) -> PathSpec {
        PathSpec {
            schedule: RateSchedule::constant(rate_bits_per_sec).unwrap(),
            one_way_delay: Duration::from_millis(5),
            buffer_bytes,
            direction: Direction::Upload,
        }
    }

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        socket
    }

    #[test]
    fn datagrams_cross_in_order_and_answers_come_back() {
        let (client, server) = (socket(), socket());
        let path = path(8_000_000, 100_000);
        let emulator = Emulator::start(&path, server.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 2000];
        for number in 0..20_u8 {
            let sent = client.send_to(&[number; 972], emulator.client_address());
            assert_eq!(sent.unwrap(), 972);
        }
        let mut back = None;
        for number in 0..20_u8 {
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], &[number; 972]);
            back = Some(from);
        }
        server.send_to(b"thanks", back.unwrap()).unwrap();
        let (length, _) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"thanks");
        // 19 ms of transmission behind the first, 5 ms each way.
        assert!(emulator.elapsed() >= Duration::from_millis(30));
        let record = emulator.finish().unwrap();
        let figures = record.summary(Duration::ZERO, record.elapsed());
        assert_eq!(figures.delivered_packets, 20);
        assert_eq!(figures.delivered_bytes, 20_000);
        assert_eq!(figures.dropped_packets, 0);
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let (client, server) = (socket(), socket());
        let path = path(800_000, 3_000);
        let emulator = Emulator::start(&path, server.local_addr().unwrap()).unwrap();
        for number in 0..5_u8 {
            let sent = client.send_to(&[number; 972], emulator.client_address());
            assert_eq!(sent.unwrap(), 972);
        }
        let mut buffer = [0; 2000];
        for number in 0..3_u8 {
            assert_eq!(server.recv_from(&mut buffer).unwrap().0, 972);
            assert_eq!(buffer[0], number);
        }
        let record = emulator.finish().unwrap();
        let figures = record.summary(Duration::ZERO, record.elapsed());
        // A stall of over 10 ms between two sends would let a fourth one in.
        assert!((3..=5).contains(&figures.delivered_packets), "{figures:?}");
        assert_eq!(figures.delivered_packets + figures.dropped_packets, 5);
    }
}
