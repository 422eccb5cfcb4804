//! A smoltcp host in real time, and what its applications do.

use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, TunTapInterface};
use smoltcp::socket::tcp::{self, CongestionControl};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::http::{File, Reply, Request, Response};
use super::path::Path;

/// What lies between an interface and its [`Path`].
pub(super) trait Middle {
    fn path(&mut self) -> &mut Path<TunTapInterface>;

    fn interface(&mut self, config: Config, now: Instant) -> Interface;

    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>);

    fn next_poll(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant>;

    /// How many bytes the application may give to `socket` now.
    fn room(&self, socket: &tcp::Socket<'_>) -> usize;
}

/// Nothing: the stack as it is published.
impl Middle for Path<TunTapInterface> {
    fn path(&mut self) -> &mut Self {
        self
    }

    fn interface(&mut self, config: Config, now: Instant) -> Interface {
        Interface::new(config, self, now)
    }

    fn poll(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) {
        interface.poll(now, self, sockets);
    }

    fn next_poll(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        interface.poll_at(now, sockets)
    }

    fn room(&self, socket: &tcp::Socket<'_>) -> usize {
        socket.send_capacity().saturating_sub(socket.send_queue())
    }
}

/// An interface with one TCP socket.
pub(super) struct Host<M> {
    clock: Clock,
    tun: RawFd,
    pub(super) middle: M,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl<M: Middle> Host<M> {
    /// A host at [`SMOLTCP_V4`] and [`SMOLTCP_V6`]; `wrap` puts what it likes over the path.
    pub(super) fn new(
        path: Path<TunTapInterface>,
        seed: u64,
        wrap: impl FnOnce(Path<TunTapInterface>) -> M,
    ) -> Self {
        let tun = path.device().as_raw_fd();
        let mut middle = wrap(path);
        let clock = Clock::start();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = middle.interface(config, clock.now());
        interface.update_ip_addrs(|addresses| {
            for (address, prefix) in [(SMOLTCP_V4, 24), (SMOLTCP_V6, 64)] {
                let address: IpAddress = address.parse().unwrap();
                addresses.push(IpCidr::new(address, prefix)).unwrap();
            }
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut sockets = SocketSet::new(Vec::new());
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // Without a word, smoltcp takes Cubic where it is compiled in.
        socket.set_congestion_control(CongestionControl::None);
        let socket = sockets.add(socket);
        Self {
            clock,
            tun,
            middle,
            interface,
            sockets,
            socket,
        }
    }

    pub(super) fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    /// Runs until `finished` says so, at most for [`PATIENCE`].
    fn run(&mut self, what: &str, mut finished: impl FnMut(&mut Self) -> bool) {
        let deadline = self.clock.now() + PATIENCE;
        loop {
            let now = self.clock.now();
            self.middle.path().pump(now);
            self.middle
                .poll(now, &mut self.interface, &mut self.sockets);
            if finished(self) {
                return;
            }
            let state = self.socket().state();
            assert!(now < deadline, "{what} takes too long; socket: {state}");
            self.rest();
        }
    }

    /// Waits for a packet or the earliest of the timers.
    fn rest(&mut self) {
        let now = self.clock.now();
        let timers = [
            self.middle
                .next_poll(now, &mut self.interface, &self.sockets),
            self.middle.path().poll_at(),
        ];
        let due = timers.into_iter().flatten().min();
        let left = due.map_or(LONGEST_REST, |due| {
            Duration::from_micros(
                due.total_micros().saturating_sub(now.total_micros()).max(0) as u64
            )
        });
        let left = left.min(LONGEST_REST);
        if left >= TICK {
            let left = smoltcp::time::Duration::from_micros(left.as_micros() as u64);
            phy::wait(self.tun, Some(left)).expect("a device in use can be waited for");
        } else {
            sleep(left.clamp(SHORTEST_REST, SLICE));
        }
    }

    /// Serves one request of a client that `fetching` says is still busy.
    pub(super) fn serve(&mut self, mut fetching: impl FnMut() -> bool) {
        self.socket().listen(HTTP).unwrap();
        let mut request = Request::default();
        let mut reply: Option<Reply> = None;
        self.run("serving", |host| {
            let socket = host.sockets.get_mut::<tcp::Socket<'_>>(host.socket);
            if reply.is_none() && socket.can_recv() {
                let taken = socket.recv(|bytes| (bytes.len(), request.take(bytes)));
                reply = taken.unwrap().expect("the client speaks HTTP");
            }
            if let Some(reply) = &mut reply
                && socket.may_send()
            {
                let room = host.middle.room(socket);
                let filled = socket.send(|buffer| {
                    let room = room.min(buffer.len());
                    (reply.fill(&mut buffer[..room]), ())
                });
                filled.unwrap();
                if reply.is_finished() {
                    socket.close();
                }
            }
            !fetching()
        });
        assert!(reply.is_some_and(|reply| reply.is_finished()));
    }

    /// Downloads `file` from `server` and compares every byte; how long that took.
    pub(super) fn fetch(&mut self, server: IpAddress, file: File) -> Duration {
        let started = self.clock.now();
        // Another pair of ports for each connection of a host.
        let port = 49_152 + (started.total_micros() % 16_384) as u16;
        let context = self.interface.context();
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        socket.connect(context, (server, HTTP), port).unwrap();
        let mut request = Some(file.request(&server.to_string()));
        let mut response = Response::expecting(file);
        self.run("downloading", |host| {
            let socket = host.socket();
            if let Some(request) = request.take_if(|_| socket.can_send()) {
                assert_eq!(socket.send_slice(&request), Ok(request.len()));
            }
            while socket.can_recv() {
                let taken = socket.recv(|bytes| (bytes.len(), response.take(bytes)));
                taken.unwrap().expect("the file is intact");
            }
            let received = response.received();
            assert!(
                socket.is_active() || response.is_complete(),
                "lost after {received} bytes"
            );
            response.is_complete()
        });
        let took = self.clock.now() - started;
        self.socket().close();
        self.run("closing", |host| {
            !host.socket().is_active() || host.has_closed()
        });
        Duration::from_micros(took.total_micros())
    }

    /// Whether both sides have closed; what is left is to wait for stray segments.
    fn has_closed(&mut self) -> bool {
        matches!(
            self.socket().state(),
            tcp::State::Closed | tcp::State::TimeWait
        )
    }
}

/// Real time since the host started.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started: std::time::Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the kernel lives in real time")]
    fn start() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }

    fn now(self) -> Instant {
        let elapsed = self.started.elapsed().as_micros();
        Instant::from_micros(i64::try_from(elapsed).expect("tests end"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the kernel lives in real time")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Address of the host; the kernel's is beside it.
pub(super) const SMOLTCP_V4: &str = "10.83.0.2";
/// The same for IPv6.
pub(super) const SMOLTCP_V6: &str = "fd54:83::2";

/// Port of every server here.
pub(super) const HTTP: u16 = 80;

/// Five times the bandwidth-delay product of 10 Mbit/s and 40 ms, in each direction.
const BUFFER_BYTES: usize = 256 * 1024;

/// How long a transfer may take; generous, since nobody knows how busy the machine is.
const PATIENCE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(120);

/// smoltcp's wait counts in these.
const TICK: Duration = Duration::from_millis(1);

/// Longest time without a look at the applications.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// Within a tick, how long packets of the kernel may go unnoticed.
const SLICE: Duration = Duration::from_micros(200);

/// Keeps a host that is kept from sending from spinning.
const SHORTEST_REST: Duration = Duration::from_micros(50);
