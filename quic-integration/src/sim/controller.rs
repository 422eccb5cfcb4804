//! Which controller a simulated connection uses, and a way to look at it from outside.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use quinn_proto::congestion::{self, ControllerFactory};
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, SentPacket, Timeout,
};
use tautline_core::units::{Bytes, Timestamp};

use crate::adapter::Adapter;

/// The congestion controller of a sending end.
#[derive(Default)]
pub enum QuinnController {
    /// quinn's CUBIC.
    #[default]
    Cubic,
    /// quinn's NewReno.
    NewReno,
    /// quinn's BBR, which its maintainers call experimental.
    Bbr,
    /// One of ours through the [`Adapter`]; build it for datagrams of [`super::QuinnFlow::mtu`].
    Ours(Box<dyn Controller + Send>),
}

impl fmt::Debug for QuinnController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cubic => f.write_str("Cubic"),
            Self::NewReno => f.write_str("NewReno"),
            Self::Bbr => f.write_str("Bbr"),
            Self::Ours(controller) => f.debug_tuple("Ours").field(&controller.decision()).finish(),
        }
    }
}

impl QuinnController {
    /// What quinn builds its controller with, and the view on it if it is one of ours.
    pub(super) fn into_factory(self, mtu: u16) -> (Factory, Option<SharedController>) {
        let window = initial_window(mtu);
        let theirs: Factory = match self {
            Self::Cubic => {
                let mut config = congestion::CubicConfig::default();
                config.initial_window(window);
                Arc::new(config)
            }
            Self::NewReno => {
                let mut config = congestion::NewRenoConfig::default();
                config.initial_window(window);
                Arc::new(config)
            }
            Self::Bbr => Arc::new(congestion::BbrConfig::default()),
            Self::Ours(controller) => {
                let ours = SharedController(Arc::new(Mutex::new(controller)));
                return (Arc::new(OnlyController(ours.clone())), Some(ours));
            }
        };
        (theirs, None)
    }
}

/// quinn's initial window of ten packets of 1,200 bytes; more only where packets are so large
/// that not even two of them would fit, with which a handshake would never end.
fn initial_window(mtu: u16) -> u64 {
    (3 * u64::from(mtu)).max(12_000)
}

pub(super) type Factory = Arc<dyn ControllerFactory + Send + Sync>;

/// Hands out the one controller of a connection.
struct OnlyController(SharedController);

impl ControllerFactory for OnlyController {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn congestion::Controller> {
        let mtu = Bytes::new(current_mtu.into());
        Box::new(Adapter::new(self.0.clone(), now, mtu))
    }
}

/// A controller that quinn drives and the simulation looks at.
///
/// Clones are the same controller. quinn clones or rebuilds one only when a peer changes its
/// address, which simulated peers never do.
#[derive(Clone)]
pub(super) struct SharedController(Arc<Mutex<Box<dyn Controller + Send>>>);

impl SharedController {
    fn inner(&self) -> MutexGuard<'_, Box<dyn Controller + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.inner().on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.inner().on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.inner().on_ack_end(now, batch);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.inner().on_congestion_event(now, event);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.inner().on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.inner().on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        self.inner().decision()
    }

    fn counters(&self) -> Counters {
        self.inner().counters()
    }
}
