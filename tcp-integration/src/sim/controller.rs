//! Which controller a simulated connection uses, and a way to look at it from outside.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;

use smoltcp::socket::tcp::CongestionControl;
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, SentPacket, Timeout,
};
use tautline_core::units::{Bytes, Timestamp};

use crate::connection::ControllerSource;

/// The congestion controller of a sending end.
#[derive(Default)]
pub enum SmoltcpController {
    /// smoltcp's Reno (RFC 5681 with whole-segment growth).
    Reno,
    /// smoltcp's CUBIC, its default where it is compiled in.
    #[default]
    Cubic,
    /// None: the peer's window alone limits, as in smoltcp without either.
    None,
    /// One of ours behind a [`GatedDevice`](crate::GatedDevice); build it for segments of
    /// [`SmoltcpFlow::max_segment`](super::SmoltcpFlow::max_segment).
    Ours(Box<dyn Controller + Send>),
}

impl SmoltcpController {
    /// What the socket is set to: beside one of ours it must have none of its own.
    pub(super) const fn built_in(&self) -> CongestionControl {
        match self {
            Self::Reno => CongestionControl::Reno,
            Self::Cubic => CongestionControl::Cubic,
            Self::None | Self::Ours(_) => CongestionControl::None,
        }
    }

    /// The shared view on a controller of ours.
    pub(super) fn into_ours(self) -> Option<SharedController> {
        match self {
            Self::Ours(controller) => Some(SharedController(Rc::new(RefCell::new(controller)))),
            Self::Reno | Self::Cubic | Self::None => None,
        }
    }
}

impl fmt::Debug for SmoltcpController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reno => f.write_str("Reno"),
            Self::Cubic => f.write_str("Cubic"),
            Self::None => f.write_str("None"),
            Self::Ours(controller) => f.debug_tuple("Ours").field(&controller.decision()).finish(),
        }
    }
}

/// A controller that a device drives and the simulation looks at; clones are the same controller.
#[derive(Clone)]
pub(super) struct SharedController(Rc<RefCell<Box<dyn Controller + Send>>>);

impl SharedController {
    fn inner(&self) -> Ref<'_, Box<dyn Controller + Send>> {
        self.0.borrow()
    }
}

impl fmt::Debug for SharedController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedController")
            .field(&self.decision())
            .finish()
    }
}

impl Controller for SharedController {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.0.borrow_mut().on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.0.borrow_mut().on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.0.borrow_mut().on_ack_end(now, batch);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.0.borrow_mut().on_congestion_event(now, event);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.0.borrow_mut().on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.0.borrow_mut().on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        self.inner().decision()
    }

    fn counters(&self) -> Counters {
        self.inner().counters()
    }
}

/// The one controller of the one connection of an end.
#[derive(Clone, Debug)]
pub(super) struct Only(pub(super) SharedController);

impl ControllerSource for Only {
    type Controller = SharedController;

    fn controller(&self, _max_segment: Bytes) -> SharedController {
        self.0.clone()
    }
}
