//! What an envelope's type decides about the watch, and what it does not.

use tautline_core::controller::{
    CongestionEvent, CongestionTrigger, Controller as _, Counters, Decision, Learned,
};
use tautline_core::features::TABLE_1;
use tautline_core::guard::{
    LoopAssumptions, NoAssumptions, PathAssumptions, UncheckedEnvelope, Watch,
};
use tautline_core::policy::{Digest, Policy};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use crate::assumptions::{ASSUMED, MS, law};
use crate::model::learned;
use crate::path::{MTU, Path};

/// The decisions every 50 ms of a connection whose path gets longer, then slower, then drops, and
/// is persistently congested in between.
fn run<A: PathAssumptions>(assumptions: A) -> (Vec<Decision>, Counters) {
    let envelope = UncheckedEnvelope::dangerously_unchecked(Digest::default(), &TABLE_1)
        .with_loop_assumptions(assumptions);
    let proposer = learned(law).into_proposer();
    let mut controller = Learned::new(proposer, envelope, Bytes::new(MTU)).unwrap();
    let mut path = Path::new(500_000, 40 * MS - 500_000, 400);
    let mut decisions = Vec::new();
    for tick in 1..=1200 {
        match tick {
            200 => path.rtt_nanos += 60 * MS,
            600 => path.service_nanos *= 2,
            900 => path.buffer_packets = 8,
            700 => {
                let event = CongestionEvent {
                    trigger: CongestionTrigger::Persistent,
                    number: PacketNumber::new(1),
                    time_sent: Timestamp::from_nanos(path.now),
                    bytes_in_flight: Bytes::ZERO,
                };
                controller.on_congestion_event(Timestamp::from_nanos(path.now), event);
            }
            _ => {}
        }
        path.run(&mut controller, tick * 50 * MS);
        decisions.push(controller.decision());
    }
    (decisions, controller.counters())
}

#[test]
fn loading_no_assumptions_is_having_none_and_loading_some_is_having_them() {
    let (without, with) = (run(NoAssumptions), run(ASSUMED));
    assert_eq!(run(None), without);
    assert_eq!(run(Some(ASSUMED)), with);
    // And the run is one in which it matters.
    let (unwatched, watched) = (without.1, with.1);
    assert_ne!(without.0, with.0);
    assert_eq!(
        (unwatched.evidence_rounds, unwatched.broken_assumptions),
        (0, 0)
    );
    assert!(watched.broken_assumptions > 0, "{watched:?}");
    for counters in [unwatched, watched] {
        assert!(counters.drains > 0, "{counters:?}");
        assert!(counters.returns > 0, "{counters:?}");
    }
}

#[test]
fn a_controller_without_assumptions_has_no_room_for_a_watch() {
    type Under<A> = Learned<Policy<&'static [i16]>, UncheckedEnvelope<A>>;
    let unwatched = size_of::<Under<NoAssumptions>>();
    let assumed = size_of::<LoopAssumptions>() + size_of::<Watch>();
    assert!(size_of::<Under<LoopAssumptions>>() >= unwatched + assumed);
}
