//! The device that smoltcp polls instead of its own.

use core::cell::RefCell;

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta};
use smoltcp::socket::{AnySocket as _, tcp};
use smoltcp::time::Instant;
use tautline_core::controller::Controller as _;
use tautline_core::units::Bytes;

mod clock;
mod half_open;
mod released;
mod station;
mod table;
mod tally;
mod tokens;

pub use tally::{Drops, Tally};
pub use tokens::{GatedRxToken, GatedTxToken};

use crate::connection::{Closing, ControllerSource, Settings, Status};
use crate::segment::Tuple;
use table::{Table, Wire};
use tokens::{Arriving, Room};

/// A device whose TCP connections keep to the congestion windows of our controllers.
///
/// It wraps the device that frames really leave through and is polled by an unmodified smoltcp.
/// What passes is parsed; the window in arriving acknowledgements is replaced by the smaller one
/// of peer and controller, so that smoltcp never wants to send more than it may. Sockets keep
/// [`CongestionControl::None`](smoltcp::socket::tcp::CongestionControl), their default.
///
/// Up to `CONNECTIONS` connections are tracked, each with up to `SEGMENTS` separate segments in
/// flight (more are tracked in bursts). `FRAME` is the longest frame that can be edited, in bytes;
/// one such buffer lies on the stack while a frame is received.
///
/// Poll it with [`poll`] and wait until [`next_poll`]: between acknowledgements the device has
/// timers of its own.
pub struct GatedDevice<
    D,
    S: ControllerSource,
    const CONNECTIONS: usize = 8,
    const SEGMENTS: usize = 128,
    const FRAME: usize = 1536,
> {
    inner: D,
    capabilities: DeviceCapabilities,
    /// `buffer_cap` of a controller that has seen nothing yet.
    first_backlog_cap: Bytes,
    /// Tokens borrow it for the moments in which no closure of the stack runs.
    table: RefCell<Table<S, CONNECTIONS, SEGMENTS>>,
}

/// Why a device cannot be gated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Frames can be longer than the device can edit.
    #[error("the device sends frames of up to {frame_bytes} bytes, FRAME is {capacity_bytes}")]
    Frame {
        /// The inner device's maximum transmission unit.
        frame_bytes: usize,
        /// `FRAME`.
        capacity_bytes: usize,
    },
    /// Nothing could ever be tracked: every connection needs a slot, and a record of what is in
    /// flight.
    #[error("room for {connections} connections with {segments} segments each, both need one")]
    NoRoom {
        /// `CONNECTIONS`.
        connections: usize,
        /// `SEGMENTS`.
        segments: usize,
    },
}

impl<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize>
    GatedDevice<D, S, CONNECTIONS, SEGMENTS, FRAME>
where
    D: Device,
    S: ControllerSource,
{
    /// Puts a gate before `inner`; every connection gets a controller of its own from `source`.
    ///
    /// # Errors
    /// [`DeviceError`] if a frame of `inner` exceeds `FRAME` or there is no room for a connection.
    pub fn new(inner: D, source: S, settings: Settings) -> Result<Self, DeviceError> {
        let capabilities = known_capabilities(&inner.capabilities());
        if capabilities.max_transmission_unit > FRAME {
            return Err(DeviceError::Frame {
                frame_bytes: capabilities.max_transmission_unit,
                capacity_bytes: FRAME,
            });
        }
        if CONNECTIONS == 0 || SEGMENTS == 0 {
            return Err(DeviceError::NoRoom {
                connections: CONNECTIONS,
                segments: SEGMENTS,
            });
        }
        let wire = Wire {
            medium: capabilities.medium,
            checksums: capabilities.checksum.clone(),
        };
        let first = source.controller(max_segment(&capabilities));
        Ok(Self {
            inner,
            capabilities,
            first_backlog_cap: first.decision().buffer_cap,
            table: RefCell::new(Table::new(source, settings, wire)),
        })
    }

    /// The device behind the gate.
    pub const fn inner(&self) -> &D {
        &self.inner
    }

    /// The device behind the gate. Frames that are sent or received through it directly are not
    /// tracked.
    pub const fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Gives the device behind the gate back.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// When the device must be polled next, whatever the interface says; none for not before a
    /// frame arrives. The earliest instant stands for "now", as in smoltcp.
    pub fn poll_at(&self) -> Option<Instant> {
        clock::instant(self.table.borrow().poll_at())
    }

    /// The state of the connection between these two ends, if it is tracked.
    pub fn status(&self, tuple: Tuple) -> Option<Status> {
        self.table.borrow().status(tuple)
    }

    /// Visits the states of all tracked connections.
    pub fn for_each_status(&self, mut visit: impl FnMut(Tuple, Status)) {
        for (tuple, status) in self.table.borrow().statuses() {
            visit(tuple, status);
        }
    }

    /// Lets `read` look at the controller of a connection, if it is tracked.
    pub fn with_controller<T>(
        &self,
        tuple: Tuple,
        read: impl FnOnce(&S::Controller) -> T,
    ) -> Option<T> {
        self.table.borrow().controller(tuple).map(read)
    }

    /// What the device has done so far.
    pub fn tally(&self) -> Tally {
        self.table.borrow().tally
    }

    /// Forgets a connection, for instance after its socket was aborted without a last poll; true
    /// if it was tracked.
    ///
    /// If it still sends data, it is tracked anew from there. How smoltcp reads its windows is
    /// remembered for the last `CONNECTIONS` that were released or gave way; an older one that still
    /// sends may take the peer's window for another than it is.
    pub fn release(&mut self, tuple: Tuple) -> bool {
        self.table.get_mut().release(tuple)
    }

    /// Looks at the states of the sockets: in LAST-ACK smoltcp ignores the windows that it is told
    /// between acknowledgements, and no segment shows that a connection is there. [`poll`] does
    /// this; a driver that polls the interface itself may do it before a poll, with the same time, or
    /// never: in polls before which it did not, every connection is taken for one in LAST-ACK from
    /// the peer's FIN on.
    pub fn observe(&mut self, timestamp: Instant, sockets: &SocketSet<'_>) {
        let now = clock::timestamp(timestamp);
        let table = self.table.get_mut();
        for (_, socket) in sockets.iter() {
            let Some(socket) = tcp::Socket::downcast(socket) else {
                continue;
            };
            let (Some(local), Some(remote)) = (socket.local_endpoint(), socket.remote_endpoint())
            else {
                continue;
            };
            let closing = match socket.state() {
                tcp::State::LastAck => Closing::LastAck,
                _ => Closing::Other,
            };
            table.on_state(now, Tuple { local, remote }, closing);
        }
    }

    /// True while the stack would overrun a window if it could send now; it is told so in the
    /// next poll.
    pub fn is_shut(&self) -> bool {
        self.table.borrow().is_shut()
    }

    /// `buffer_cap` of a connection's controller; of a new one where it is not tracked.
    pub(crate) fn backlog_cap(&self, tuple: Option<Tuple>) -> Bytes {
        let table = self.table.borrow();
        tuple
            .and_then(|tuple| table.decision(tuple))
            .map_or(self.first_backlog_cap, |decision| decision.buffer_cap)
    }

    /// Twice the largest segment that fits into a frame.
    pub(crate) fn two_segments(&self) -> Bytes {
        max_segment(&self.capabilities).saturating_mul(2)
    }
}

impl<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize> Device
    for GatedDevice<D, S, CONNECTIONS, SEGMENTS, FRAME>
where
    D: Device,
    S: ControllerSource,
{
    type RxToken<'a>
        = GatedRxToken<'a, D::RxToken<'a>, S, CONNECTIONS, SEGMENTS, FRAME>
    where
        Self: 'a;
    type TxToken<'a>
        = GatedTxToken<'a, D, S, CONNECTIONS, SEGMENTS, FRAME>
    where
        Self: 'a;

    fn receive(&mut self, timestamp: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let now = clock::timestamp(timestamp);
        let table = self.table.get_mut();
        table.forget_states(now);
        // What is made may start a fast retransmission, which smoltcp forgets if it finds no room.
        let made = if table.poll_at() <= now && self.inner.transmit(timestamp).is_some() {
            table.next_made(now)
        } else {
            None
        };
        let (arriving, room) = if let Some(made) = made {
            (Arriving::Made(made), Room::Ask(&mut self.inner, timestamp))
        } else {
            let (rx, tx) = self.inner.receive(timestamp)?;
            (Arriving::Frame(rx), Room::Token(tx))
        };
        let table = &self.table;
        let rx = GatedRxToken {
            arriving,
            table,
            now,
        };
        let tx = GatedTxToken {
            room,
            meta: PacketMeta::default(),
            table,
            now,
        };
        Some((rx, tx))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Self::TxToken<'_>> {
        let now = clock::timestamp(timestamp);
        let table = self.table.get_mut();
        table.forget_states(now);
        if table.refuses_to_send() {
            return None;
        }
        Some(GatedTxToken {
            room: Room::Token(self.inner.transmit(timestamp)?),
            meta: PacketMeta::default(),
            table: &self.table,
            now,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// Polls the interface until neither it nor the gate has anything more to do `now`.
///
/// [`Interface::poll`] receives first and sends afterwards; when the gate shuts while it sends, the
/// reason can only be received in another poll.
///
/// Where a SYN found the table full, connections that no socket in `sockets` has are forgotten, for
/// the SYN's repetition.
pub fn poll<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize>(
    now: Instant,
    interface: &mut Interface,
    device: &mut GatedDevice<D, S, CONNECTIONS, SEGMENTS, FRAME>,
    sockets: &mut SocketSet<'_>,
) -> PollResult
where
    D: Device,
    S: ControllerSource,
{
    device.observe(now, sockets);
    let mut result = interface.poll(now, device, sockets);
    for _ in 0..MAX_POLLS {
        if device.poll_at().is_none_or(|at| at > now) {
            break;
        }
        let before = device.tally().passed();
        if interface.poll(now, device, sockets) == PollResult::SocketStateChanged {
            result = PollResult::SocketStateChanged;
        }
        if device.tally().passed() == before {
            // The inner device has no room.
            break;
        }
    }
    device.table.get_mut().forget_unused(|tuple| {
        sockets.iter().any(|(_, socket)| {
            tcp::Socket::downcast(socket).is_some_and(|socket| {
                socket.local_endpoint() == Some(tuple.local)
                    && socket.remote_endpoint() == Some(tuple.remote)
            })
        })
    });
    result
}

/// When to [`poll`] next unless a frame arrives before; none for not at all.
pub fn next_poll<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize>(
    now: Instant,
    interface: &mut Interface,
    device: &GatedDevice<D, S, CONNECTIONS, SEGMENTS, FRAME>,
    sockets: &SocketSet<'_>,
) -> Option<Instant>
where
    D: Device,
    S: ControllerSource,
{
    let interface_at = interface.poll_at(now, sockets);
    if device.is_shut() && interface_at.is_some_and(|at| at <= now) {
        // What the interface wants to do now is to send, and it cannot.
        return device.poll_at();
    }
    match (interface_at, device.poll_at()) {
        (Some(interface_at), Some(device_at)) => Some(interface_at.min(device_at)),
        (at, None) | (None, at) => at,
    }
}

/// The capabilities that are known here: offloading of segmentation would let the stack send
/// what has not been divided into segments yet.
fn known_capabilities(inner: &DeviceCapabilities) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = inner.medium;
    capabilities.max_transmission_unit = inner.max_transmission_unit;
    capabilities.max_burst_size = inner.max_burst_size;
    capabilities.checksum = inner.checksum.clone();
    capabilities
}

/// The largest segment that fits into a frame.
fn max_segment(capabilities: &DeviceCapabilities) -> Bytes {
    let packet = u64::try_from(capabilities.ip_mtu()).unwrap_or(u64::MAX);
    Bytes::new(packet).saturating_sub(IPV4_AND_TCP_HEADERS)
}

/// Polls at one instant after the first; each can shut the gate once per connection at most.
const MAX_POLLS: usize = 64;
/// The shortest headers around a segment.
const IPV4_AND_TCP_HEADERS: Bytes = Bytes::new(40);
