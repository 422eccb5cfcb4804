//! What quinn tells a controller and nobody else.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};
use tautline_core::units::Bytes;

use super::controller::Factory;

/// Any controller of quinn, looked at from outside.
pub(super) struct Watched {
    controller: Box<dyn Controller>,
    watch: Arc<Watch>,
    /// Least time from departure to acknowledgement within the acknowledgement in progress, and
    /// when that packet left.
    in_batch: Option<(Duration, Instant)>,
    /// When the newest acknowledged packet left.
    newest_acked: Option<Instant>,
}

impl Watched {
    /// The same factory with a view on what it builds: one controller per connection.
    pub(super) fn factory(factory: Factory) -> (Factory, Arc<Watch>) {
        let watch = Arc::new(Watch::default());
        let watching = WatchingFactory(factory, watch.clone());
        (Arc::new(watching), watch)
    }
}

struct WatchingFactory(Factory, Arc<Watch>);

impl ControllerFactory for WatchingFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Watched {
            controller: self.0.clone().build(now, current_mtu),
            watch: self.1.clone(),
            in_batch: None,
            newest_acked: None,
        })
    }
}

/// Figures of one end.
#[derive(Debug, Default)]
pub(super) struct Watch {
    window_asked: AtomicU64,
    in_flight: AtomicU64,
    round_trips: Mutex<RoundTrips>,
}

/// Round-trip time samples since the start, delays of acknowledgements included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrips {
    pub(super) samples: u64,
    pub(super) sum: Duration,
    /// Zero before the first.
    pub(super) least: Duration,
}

impl Watch {
    /// How often the window was looked at: whenever something else than bare acknowledgements and
    /// probes was about to leave.
    pub(super) fn window_asked(&self) -> u64 {
        self.window_asked.load(Relaxed)
    }

    /// quinn's at the last acknowledgement, plus what left and less what was lost since.
    pub(super) fn bytes_in_flight(&self) -> Bytes {
        Bytes::new(self.in_flight.load(Relaxed))
    }

    pub(super) fn round_trips(&self) -> RoundTrips {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, RoundTrips> {
        self.round_trips
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sample(&self, rtt: Duration) {
        let mut round_trips = self.lock();
        round_trips.least = match round_trips.samples {
            0 => rtt,
            _ => round_trips.least.min(rtt),
        };
        round_trips.samples += 1;
        round_trips.sum = round_trips.sum.saturating_add(rtt);
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

impl Controller for Watched {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.watch.in_flight.fetch_add(bytes, Relaxed);
        self.controller.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let took = now.saturating_duration_since(sent);
        if self.in_batch.is_none_or(|(least, _)| took < least) {
            self.in_batch = Some((took, sent));
        }
        self.controller.on_ack(now, sent, bytes, app_limited, rtt);
    }

    /// An acknowledgement is a sample if the newest packet in it is the newest so far
    /// (RFC 9002 §5.1).
    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.watch.in_flight.store(in_flight, Relaxed);
        if let Some((took, sent)) = self.in_batch.take()
            && self.newest_acked.is_none_or(|newest| newest <= sent)
        {
            self.newest_acked = Some(sent);
            self.watch.sample(took);
        }
        self.controller
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        let in_flight = self.watch.in_flight.load(Relaxed);
        self.watch
            .in_flight
            .store(in_flight.saturating_sub(lost_bytes), Relaxed);
        self.controller
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.controller.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.watch.window_asked.fetch_add(1, Relaxed);
        self.controller.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.controller.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            controller: self.controller.clone_box(),
            watch: self.watch.clone(),
            in_batch: self.in_batch,
            newest_acked: self.newest_acked,
        })
    }

    fn initial_window(&self) -> u64 {
        self.controller.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.controller.into_any()
    }
}
