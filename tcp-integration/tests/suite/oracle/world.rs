//! Two interfaces over a path, in virtual time.

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv6Address,
};

use super::app::{App, Task};
use super::path::Path;
use super::port::Tap;

/// The family of addresses on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The address of a side.
    pub(crate) fn address(self, side: u8) -> IpAddress {
        let host = side + 1;
        match self {
            Self::V4 => Ipv4Address::new(10, 1, 2, host).into(),
            Self::V6 => Ipv6Address::new(0xFD00, 0, 0, 0, 0, 0, 0, host.into()).into(),
        }
    }
}

/// How a socket is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketPlan {
    /// Receive buffer.
    pub(crate) receive_buffer: usize,
    /// Transmit buffer.
    pub(crate) transmit_buffer: usize,
    /// `Socket::set_timeout`.
    pub(crate) timeout: Option<Duration>,
    /// `Socket::set_keep_alive`.
    pub(crate) keep_alive: Option<Duration>,
    /// `Socket::set_ack_delay`.
    pub(crate) ack_delay: Option<Duration>,
    /// `Socket::set_nagle_enabled`.
    pub(crate) nagle: bool,
}

impl SocketPlan {
    /// Buffers of `bytes` on both sides and smoltcp's defaults.
    pub(crate) const fn with_buffers(bytes: usize) -> Self {
        Self {
            receive_buffer: bytes,
            transmit_buffer: bytes,
            timeout: None,
            keep_alive: None,
            ack_delay: Some(Duration::from_millis(10)),
            nagle: true,
        }
    }

    /// A socket like that.
    pub(crate) fn socket(&self) -> Socket<'static> {
        let mut socket = Socket::new(
            SocketBuffer::new(vec![0; self.receive_buffer]),
            SocketBuffer::new(vec![0; self.transmit_buffer]),
        );
        // Not the default where smoltcp's own controllers are compiled in.
        socket.set_congestion_control(CongestionControl::None);
        socket.set_timeout(self.timeout);
        socket.set_keep_alive(self.keep_alive);
        socket.set_ack_delay(self.ack_delay);
        socket.set_nagle_enabled(self.nagle);
        socket
    }
}

/// The interface of `side` with `device`.
pub(crate) fn interface(
    device: &mut impl Device,
    side: u8,
    family: Family,
    seed: u64,
) -> Interface {
    let hardware = match device.capabilities().medium {
        Medium::Ethernet => HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, side + 1])),
        Medium::Ip => HardwareAddress::Ip,
    };
    let mut config = Config::new(hardware);
    config.random_seed = seed ^ (u64::from(side) << 32);
    let mut interface = Interface::new(config, device, Instant::ZERO);
    let prefix = if family == Family::V4 { 24 } else { 64 };
    interface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(family.address(side), prefix))
            .unwrap();
    });
    interface
}

/// One side.
pub(crate) struct Host<D> {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) device: D,
    pub(crate) apps: Vec<App>,
    side: u8,
    family: Family,
}

impl<D: Tap> Host<D> {
    /// The host of `side` (0 or 1) with `device`.
    pub(crate) fn new(side: u8, family: Family, seed: u64, mut device: D) -> Self {
        let interface = interface(&mut device, side, family, seed);
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            device,
            apps: Vec::new(),
            side,
            family,
        }
    }

    /// Waits for a connection on `port`, then does `task`.
    pub(crate) fn listen(&mut self, port: u16, plan: &SocketPlan, task: Task) -> SocketHandle {
        let mut socket = plan.socket();
        socket.listen(port).unwrap();
        self.add(socket, task)
    }

    /// Connects to `port` of the other side, then does `task`.
    pub(crate) fn connect(&mut self, port: u16, plan: &SocketPlan, task: Task) -> SocketHandle {
        let mut socket = plan.socket();
        let remote = (self.family.address(1 - self.side), port);
        let context = self.interface.context();
        socket.connect(context, remote, 40_000 + port).unwrap();
        self.add(socket, task)
    }

    fn add(&mut self, socket: Socket<'static>, task: Task) -> SocketHandle {
        let handle = self.sockets.add(socket);
        self.apps.push(App::new(handle, task));
        handle
    }

    /// Runs until nothing more happens at `now`.
    fn settle(&mut self, now: i64, path: &mut Path) {
        let side = usize::from(self.side);
        for round in 0.. {
            assert!(round < 100_000, "side {side} never settles at {now} µs");
            let instant = Instant::from_micros(now);
            let (interface, sockets) = (&mut self.interface, &mut self.sockets);
            let result = self.device.poll(instant, interface, sockets);
            let mut moved = result == PollResult::SocketStateChanged;
            let cap = self.device.backlog_cap();
            for app in &mut self.apps {
                moved |= app.step(now, &mut self.sockets, cap);
            }
            while let Some(frame) = self.device.port().pop() {
                path.send(now, side, frame);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    /// When something can happen here after `now`. The interface asks for "now" as long as a gate
    /// or a full device holds a segment back; then only the device knows.
    fn next_at(&mut self, now: i64, blocked: &mut u64) -> Option<i64> {
        let instant = Instant::from_micros(now);
        let interface = self.interface.poll_at(instant, &self.sockets);
        let interface = interface.map(|at| at.total_micros());
        let device = self.device.due().map(|at| at.total_micros());
        let mut at = None;
        for candidate in [interface, device].into_iter().flatten() {
            let candidate = if candidate <= now {
                *blocked += 1;
                now + BLOCKED_RETRY_MICROS
            } else {
                candidate
            };
            at = Some(at.map_or(candidate, |best: i64| best.min(candidate)));
        }
        let wakes = self.apps.iter().filter_map(|app| app.wakes_at(now)).min();
        at.into_iter().chain(wakes).min()
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every application has finished or its socket has given up.
    Over,
    /// Nothing is under way and no timer runs.
    Deadlock,
    /// The time is up.
    OutOfTime,
}

/// Two hosts and the path between them.
pub(crate) struct World<A, B> {
    pub(crate) a: Host<A>,
    pub(crate) b: Host<B>,
    pub(crate) path: Path,
    pub(crate) now: i64,
    /// The driver polls at multiples of this only.
    pub(crate) granularity: i64,
    /// Times an interface or device asked for "now" although nothing could happen.
    pub(crate) blocked: u64,
}

impl<A: Tap, B: Tap> World<A, B> {
    /// A world at time zero.
    pub(crate) const fn new(a: Host<A>, b: Host<B>, path: Path) -> Self {
        Self {
            a,
            b,
            path,
            now: 0,
            granularity: 1,
            blocked: 0,
        }
    }

    /// Runs until all applications are over, but no longer than to `until` (µs).
    pub(crate) fn run(&mut self, until: i64) -> End {
        loop {
            while let Some((side, frame)) = self.path.arrival(self.now) {
                match side {
                    0 => self.a.device.port().push(frame),
                    _ => self.b.device.port().push(frame),
                }
            }
            self.a.settle(self.now, &mut self.path);
            self.b.settle(self.now, &mut self.path);
            let mut apps = self.a.apps.iter().chain(&self.b.apps);
            if apps.all(App::is_over) {
                return End::Over;
            }
            let timers = [
                self.a.next_at(self.now, &mut self.blocked),
                self.b.next_at(self.now, &mut self.blocked),
                self.path.next_at(),
            ];
            let Some(next) = timers.into_iter().flatten().min() else {
                return End::Deadlock;
            };
            let next = next.max(self.now + 1);
            self.now = (next + self.granularity - 1) / self.granularity * self.granularity;
            if self.now > until {
                return End::OutOfTime;
            }
        }
    }
}

/// A driver that cannot know better asks again after this time.
const BLOCKED_RETRY_MICROS: i64 = 1000;
