//! The end of a path as a device of smoltcp, with the sniffer in it.

use std::collections::VecDeque;

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::sniffer::Sniffer;

/// A device under test, and the port inside it.
pub(crate) trait Tap: Device + Sized {
    /// Polls `interface` as a driver of this device does.
    fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> PollResult {
        interface.poll(now, self, sockets)
    }

    /// The port that carries its frames.
    fn port(&mut self) -> &mut Port;

    /// When it wants the interface to be polled.
    fn due(&self) -> Option<Instant>;

    /// How much the application may hold in its socket.
    fn backlog_cap(&self) -> usize {
        usize::MAX
    }
}

/// The end of a path.
#[derive(Debug)]
pub(crate) struct Port {
    medium: Medium,
    mtu: usize,
    /// Frames that may leave before the driver collects them.
    ring: usize,
    arrived: VecDeque<Vec<u8>>,
    departed: VecDeque<Vec<u8>>,
    sniffer: Sniffer,
    instant: (i64, u64),
}

impl Port {
    /// A port for frames of up to `mtu` bytes (Ethernet header included) with room for `ring`.
    pub(crate) fn new(medium: Medium, mtu: usize, ring: usize, sniffer: Sniffer) -> Self {
        Self {
            medium,
            mtu,
            ring,
            arrived: VecDeque::new(),
            departed: VecDeque::new(),
            sniffer,
            instant: (0, 0),
        }
    }

    /// The judge of this port.
    pub(crate) const fn sniffer(&self) -> &Sniffer {
        &self.sniffer
    }

    /// `frame` has arrived.
    pub(crate) fn push(&mut self, frame: Vec<u8>) {
        self.arrived.push_back(frame);
    }

    /// The oldest frame that left.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        self.departed.pop_front()
    }

    /// A device that sends without end at one instant would hang the test.
    fn check_progress(&mut self, now: i64) {
        if self.instant.0 != now {
            self.instant = (now, 0);
        }
        self.instant.1 += 1;
        assert!(
            self.instant.1 < 1_000_000,
            "a million frames asked for at {now} µs: the stack sends without end"
        );
    }
}

impl Tap for Port {
    fn port(&mut self) -> &mut Port {
        self
    }

    fn due(&self) -> Option<Instant> {
        None
    }
}

impl Device for Port {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing<'a>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Arrived, Departing<'_>)> {
        let now = timestamp.total_micros();
        let frame = self.arrived.pop_front()?;
        self.sniffer.on_arrival(now, &frame);
        Some((Arrived(frame), Departing { port: self, now }))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Departing<'_>> {
        let now = timestamp.total_micros();
        self.check_progress(now);
        (self.departed.len() < self.ring).then_some(Departing { port: self, now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// A frame that arrived.
#[derive(Debug)]
pub(crate) struct Arrived(Vec<u8>);

impl Arrived {
    /// Its bytes.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.0
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a frame to leave.
#[derive(Debug)]
pub(crate) struct Departing<'a> {
    port: &'a mut Port,
    now: i64,
}

impl<'a> Departing<'a> {
    /// Room in `port`, however full it is.
    pub(crate) const fn new(port: &'a mut Port, now: i64) -> Self {
        Self { port, now }
    }
}

impl TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.port.sniffer.on_departure(self.now, &frame);
        self.port.departed.push_back(frame);
        result
    }
}
