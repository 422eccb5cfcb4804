//! The threads that move datagrams, and the waiting between them.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the client's datagrams come from; unknown until the first one.
pub(super) type ClientAddress = Arc<Mutex<Option<SocketAddr>>>;

/// Real time since the path started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator forwards real packets in real time"
    )]
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(super) const fn started(self) -> Instant {
        self.started
    }

    pub(super) fn now(self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until `deadline`: asleep until shortly before, because a sleep ends about 50 µs late,
    /// then spinning for what is left. Yielding instead would cost a whole time slice, several
    /// milliseconds, whenever another thread wants the processor.
    fn wait_until(self, deadline: Duration) {
        if let Some(rest) = deadline.checked_sub(self.now() + SLEEP_OVERRUN) {
            #[expect(clippy::disallowed_methods, reason = "real time is the point here")]
            std::thread::sleep(rest);
        }
        while self.now() < deadline {
            std::hint::spin_loop();
        }
    }
}

/// Where a direction of the path ends.
#[derive(Debug)]
pub(super) enum Exit {
    /// At the server, to which the socket is connected.
    Server(Arc<UdpSocket>),
    /// At the client.
    Client(Arc<UdpSocket>, ClientAddress),
}

impl Exit {
    /// Sends one datagram. A failure is a loss, as on any path: the endpoints recover from it.
    fn send(&self, datagram: &[u8]) {
        let sent = match self {
            Self::Server(socket) => socket.send(datagram),
            Self::Client(socket, address) => {
                let address = *address.lock().unwrap_or_else(PoisonError::into_inner);
                match address {
                    Some(address) => socket.send_to(datagram, address),
                    None => return,
                }
            }
        };
        drop(sent);
    }
}

/// How late each datagram left, sorted by nothing.
#[derive(Debug)]
pub(super) struct Lateness(pub(super) Vec<Duration>);

/// Takes datagrams in until the socket is quiet for its read timeout or `accept` returns false.
pub(super) fn receive(
    socket: &UdpSocket,
    client: Option<&ClientAddress>,
    clock: Clock,
    mut accept: impl FnMut(Duration, &[u8]) -> bool,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let now = clock.now();
                if let Some(client) = client {
                    *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
                }
                if !accept(now, &buffer[..length]) {
                    return;
                }
            }
            // A peer that went away answers with ICMP; the other direction may still be alive.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}

/// Sends each datagram at its time until the queue's other end is gone.
pub(super) fn deliver(
    queue: &Receiver<(Duration, Vec<u8>)>,
    clock: Clock,
    exit: &Exit,
) -> Lateness {
    let mut lateness = Vec::new();
    while let Ok((at, datagram)) = queue.recv() {
        clock.wait_until(at);
        exit.send(&datagram);
        lateness.push(clock.now().saturating_sub(at));
    }
    Lateness(lateness)
}

/// How much later than asked Linux ends a sleep (its default timer slack) and wakes the thread.
const SLEEP_OVERRUN: Duration = Duration::from_micros(60);
