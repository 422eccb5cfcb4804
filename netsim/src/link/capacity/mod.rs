//! How fast a transmitter is, over time.

mod cellular;
mod gate;
mod leo;
mod opportunities;
mod pieces;
mod random;
mod schedule;
mod spec;
mod trace;
mod wifi;

#[cfg(test)]
mod tests;

pub use schedule::RateSchedule;
pub use spec::{CapacitySpec, CellularSpec, LeoSpec, RateStep, WifiSpec};
pub use trace::{TraceError, TraceSpec};

use self::cellular::CellularInstants;
use self::gate::Gate;
use self::leo::LeoPieces;
use self::opportunities::Opportunities;
use self::pieces::Piecewise;
use self::trace::TraceInstants;
use self::wifi::WifiPieces;
use crate::link::impair::{Blacked, Blackout, Pauses};
use crate::rng::Stream;

/// Capacity over time.
pub trait Capacity {
    /// When a transmission of `bytes` ends that begins at `start_ns`; `u64::MAX` for never. Calls
    /// do not go back in time, and no transmission begins before the one before ended.
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64;

    /// As [`Capacity::finish_ns`] where the transmission ends before `pause_ns`, which is after
    /// `start_ns`; otherwise `u64::MAX`, and the next transmission may begin from `pause_ns` on.
    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64;

    /// Bytes that would pass from each of `times_ns` to the next at full use, rounded down;
    /// independent of what was transmitted. The times do not decrease.
    ///
    /// Random capacities are drawn once more from their start for this, once for all of the times.
    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64>;

    /// Bytes that would pass between two times at full use, as [`Capacity::capacity_between`]
    /// counts them.
    fn capacity_bytes(&self, from_ns: u64, until_ns: u64) -> u64 {
        let between = self.capacity_between(&[from_ns, until_ns]);
        between.first().copied().unwrap_or(0)
    }
}

/// Any capacity, without a pointer in between where the rates are given.
#[derive(Clone, Debug)]
pub struct AnyCapacity(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Rates that hold from given times on.
    Schedule(RateSchedule),
    Trace(Box<Opportunities<TraceInstants>>),
    Cellular(Box<Opportunities<CellularInstants>>),
    Wifi(Box<Piecewise<WifiPieces>>),
    Leo(Box<Piecewise<LeoPieces>>),
    Gated(Box<Gate<AnyCapacity>>),
}

impl AnyCapacity {
    /// The capacity of `spec`; `stream` is for its random parts.
    pub fn new(spec: &CapacitySpec, stream: Stream) -> Self {
        Self(match spec {
            CapacitySpec::Rates(steps) => Kind::Schedule(RateSchedule::new(steps)),
            CapacitySpec::Trace(spec) => {
                Kind::Trace(Box::new(Opportunities::new(TraceInstants::new(spec))))
            }
            CapacitySpec::Cellular(spec) => {
                let instants = CellularInstants::new(spec, stream);
                Kind::Cellular(Box::new(Opportunities::new(instants)))
            }
            CapacitySpec::Wifi(spec) => {
                Kind::Wifi(Box::new(Piecewise::new(WifiPieces::new(spec, stream))))
            }
            CapacitySpec::Leo(spec) => {
                Kind::Leo(Box::new(Piecewise::new(LeoPieces::new(spec, stream))))
            }
        })
    }

    /// The same capacity, standing still in those of `blackouts` that hold packets
    /// ([`Blacked::Held`]).
    #[must_use]
    pub fn with_blackouts(self, blackouts: &[Blackout]) -> Self {
        let pauses = Pauses::new(blackouts, Blacked::Held);
        if pauses.is_empty() {
            return self;
        }
        Self(Kind::Gated(Box::new(Gate::new(self, pauses))))
    }

    /// The same capacity for a run that ends at `end_ns`: for a transmission that ends later,
    /// `u64::MAX` may be answered, and random processes are not drawn further than that. To be
    /// called before the first transmission.
    #[must_use]
    pub fn until(mut self, end_ns: u64) -> Self {
        self.stop_after(end_ns);
        self
    }

    fn stop_after(&mut self, end_ns: u64) {
        match &mut self.0 {
            Kind::Schedule(_) => {}
            Kind::Trace(trace) => trace.stop_after(end_ns),
            Kind::Cellular(cellular) => cellular.stop_after(end_ns),
            Kind::Wifi(wifi) => wifi.stop_after(end_ns),
            Kind::Leo(leo) => leo.stop_after(end_ns),
            Kind::Gated(gate) => gate.capacity_mut().stop_after(end_ns),
        }
    }

    /// Why the capacity ended early: a trace file that could be read when the scenario was checked
    /// and no longer can.
    pub fn failure(&self) -> Option<&str> {
        match &self.0 {
            Kind::Trace(trace) => trace.instants().failure(),
            Kind::Gated(gate) => gate.capacity().failure(),
            Kind::Schedule(_) | Kind::Cellular(_) | Kind::Wifi(_) | Kind::Leo(_) => None,
        }
    }
}

impl From<RateSchedule> for AnyCapacity {
    fn from(schedule: RateSchedule) -> Self {
        Self(Kind::Schedule(schedule))
    }
}

impl Capacity for AnyCapacity {
    #[inline]
    fn finish_ns(&mut self, start_ns: u64, bytes: u32) -> u64 {
        match &mut self.0 {
            Kind::Schedule(schedule) => schedule.finish_ns(start_ns, bytes),
            Kind::Trace(trace) => trace.finish_ns(start_ns, bytes),
            Kind::Cellular(cellular) => cellular.finish_ns(start_ns, bytes),
            Kind::Wifi(wifi) => wifi.finish_ns(start_ns, bytes),
            Kind::Leo(leo) => leo.finish_ns(start_ns, bytes),
            Kind::Gated(gate) => gate.finish_ns(start_ns, bytes),
        }
    }

    fn finish_before_ns(&mut self, start_ns: u64, bytes: u32, pause_ns: u64) -> u64 {
        match &mut self.0 {
            Kind::Schedule(schedule) => schedule.finish_before_ns(start_ns, bytes, pause_ns),
            Kind::Trace(trace) => trace.finish_before_ns(start_ns, bytes, pause_ns),
            Kind::Cellular(cellular) => cellular.finish_before_ns(start_ns, bytes, pause_ns),
            Kind::Wifi(wifi) => wifi.finish_before_ns(start_ns, bytes, pause_ns),
            Kind::Leo(leo) => leo.finish_before_ns(start_ns, bytes, pause_ns),
            Kind::Gated(gate) => gate.finish_before_ns(start_ns, bytes, pause_ns),
        }
    }

    fn capacity_between(&self, times_ns: &[u64]) -> Vec<u64> {
        match &self.0 {
            Kind::Schedule(schedule) => schedule.capacity_between(times_ns),
            Kind::Trace(trace) => trace.capacity_between(times_ns),
            Kind::Cellular(cellular) => cellular.capacity_between(times_ns),
            Kind::Wifi(wifi) => wifi.capacity_between(times_ns),
            Kind::Leo(leo) => leo.capacity_between(times_ns),
            Kind::Gated(gate) => gate.capacity_between(times_ns),
        }
    }
}
