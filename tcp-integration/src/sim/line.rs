//! What an interface is polled with: the wire itself, or the wire behind a gate.

use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::Socket;
use smoltcp::time::Instant;
use tautline_core::controller::{Controller as _, Counters};
use tautline_core::units::Bytes;

use super::FlowError;
use super::controller::{Only, SharedController};
use super::wire::Wire;
use crate::connection::{Settings, Status};
use crate::device::{GatedDevice, Tally, next_poll, poll};
use crate::segment::Tuple;

/// Room for one connection, for [`SEGMENTS`] segments of it, and for packets of [`LARGEST_MTU`].
type Gated = GatedDevice<Wire, Only, 1, SEGMENTS, { LARGEST_MTU as usize }>;

/// A device and, where it is gated, the controller behind.
pub(super) enum Line {
    Plain(Wire),
    Gated {
        device: Box<Gated>,
        ours: SharedController,
    },
}

impl core::fmt::Debug for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Plain(wire) => f.debug_tuple("Plain").field(wire).finish(),
            Self::Gated { device, ours } => f
                .debug_struct("Gated")
                .field("wire", device.inner())
                .field("ours", ours)
                .finish(),
        }
    }
}

impl Line {
    /// For packets of at most `mtu` bytes; gated where there is a controller of ours.
    ///
    /// # Errors
    /// [`FlowError::Mtu`] beyond what a gated device edits.
    pub(super) fn new(
        mtu: u16,
        ours: Option<SharedController>,
        settings: Settings,
    ) -> Result<Self, FlowError> {
        let wire = Wire::new(mtu);
        let Some(ours) = ours else {
            return Ok(Self::Plain(wire));
        };
        let device = Gated::new(wire, Only(ours.clone()), settings)
            .map_err(|_| FlowError::Mtu { got: mtu })?;
        Ok(Self::Gated {
            device: Box::new(device),
            ours,
        })
    }

    pub(super) fn wire(&mut self) -> &mut Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Gated { device, .. } => device.inner_mut(),
        }
    }

    /// An interface over this device.
    pub(super) fn interface(&mut self, config: smoltcp::iface::Config) -> Interface {
        match self {
            Self::Plain(wire) => Interface::new(config, wire, Instant::ZERO),
            Self::Gated { device, .. } => Interface::new(config, &mut **device, Instant::ZERO),
        }
    }

    /// Takes in what has arrived, without an answer yet.
    pub(super) fn take_in(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) {
        use smoltcp::iface::PollIngressSingleResult::None;
        if let Self::Gated { device, .. } = self {
            device.observe(now, sockets);
        }
        let mut one = |interface: &mut Interface| match self {
            Self::Plain(wire) => interface.poll_ingress_single(now, wire, sockets),
            Self::Gated { device, .. } => {
                interface.poll_ingress_single(now, &mut **device, sockets)
            }
        };
        while !matches!(one(interface), None) {}
    }

    /// Everything that can happen now.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) {
        match self {
            Self::Plain(wire) => interface.poll(now, wire, sockets),
            Self::Gated { device, .. } => poll(now, interface, device, sockets),
        };
    }

    /// When something can happen next without an arrival.
    pub(super) fn next_poll(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        match self {
            Self::Plain(_) => interface.poll_at(now, sockets),
            Self::Gated { device, .. } => next_poll(now, interface, device, sockets),
        }
    }

    /// Bytes that the application may hand to its socket now.
    pub(super) fn room(&self, socket: &Socket<'_>) -> usize {
        match self {
            Self::Plain(_) => usize::MAX,
            Self::Gated { device, .. } => device.backlog_room(socket),
        }
    }

    /// Unsent bytes that a socket with `in_flight` bytes on their way may hold, at least `least`.
    ///
    /// Behind a gate it is a window: after a loss the controller's cap on the socket's buffer counts
    /// what waits there for the gap to be filled, and nothing is given meanwhile.
    pub(super) fn ahead(&self, least: usize, in_flight: Bytes) -> usize {
        match self {
            Self::Plain(_) => least,
            Self::Gated { .. } => {
                let window = usize::try_from(in_flight.as_u64()).unwrap_or(usize::MAX);
                least.max(window)
            }
        }
    }

    /// Of the connection that the gate tracks.
    pub(super) fn status(&self, sockets: &SocketSet<'_>, handle: SocketHandle) -> Option<Status> {
        let Self::Gated { device, .. } = self else {
            return None;
        };
        let socket = sockets.get::<Socket<'_>>(handle);
        device.status(Tuple {
            local: socket.local_endpoint()?,
            remote: socket.remote_endpoint()?,
        })
    }

    /// Of a controller of ours; all zero without one.
    pub(super) fn counters(&self) -> Counters {
        match self {
            Self::Plain(_) => Counters::default(),
            Self::Gated { ours, .. } => ours.counters(),
        }
    }

    /// What the gate has done; none without one.
    pub(super) fn tally(&self) -> Option<Tally> {
        match self {
            Self::Plain(_) => None,
            Self::Gated { device, .. } => Some(device.tally()),
        }
    }
}

/// Segments in flight that are told apart: a window of 1.4 MiB of 1460 bytes.
const SEGMENTS: usize = 1024;
/// Longest IP packet of a simulated interface.
pub(super) const LARGEST_MTU: u16 = 9216;
