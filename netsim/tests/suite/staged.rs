//! A run that is watched takes every packet through an event of its own; its outcome is that of
//! the run that computes ahead.

use proptest::prelude::*;
use tautline_netsim::sim::{
    Carrier, Content, Observation, Observer, RunOptions, run, run_carriers,
};
use tautline_netsim::transport::Direction;

use crate::random::{controllers, scenario};

/// Counts what it is told, and checks that time does not run backwards.
#[derive(Default)]
struct Counter {
    now_ns: u64,
    sent: u64,
    received: u64,
    acknowledgements: u64,
    dropped: u64,
    lost: u64,
}

impl Observer for Counter {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        assert!(now_ns >= self.now_ns, "{now_ns} after {}", self.now_ns);
        self.now_ns = now_ns;
        match observation {
            Observation::Sent(packet, _) => {
                self.sent += u64::from(packet.direction == Direction::Forward);
            }
            Observation::Received(_, Content::Ack(_)) => self.acknowledgements += 1,
            Observation::Received(..) => self.received += 1,
            Observation::Dropped { .. } => self.dropped += 1,
            Observation::Lost { .. } => self.lost += 1,
            Observation::Metrics { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn watching_changes_nothing(scenario in scenario(), seed: u64) {
        let options = RunOptions::default();
        let plain = run(&scenario, seed, controllers(&scenario), &options).unwrap();
        let carriers = controllers(&scenario).into_iter().map(Carrier::Model).collect();
        let mut counter = Counter::default();
        let watched =
            run_carriers(&scenario, seed, carriers, &options, Some(&mut counter)).unwrap();
        prop_assert_eq!(&plain.flows, &watched.flows);
        prop_assert_eq!(&plain.link, &watched.link);
        prop_assert_eq!(plain.digest, watched.digest);
        let packets = &watched.link.packets;
        prop_assert_eq!(counter.sent, packets.sent);
        prop_assert_eq!(counter.received, packets.delivered);
        prop_assert_eq!(counter.dropped, packets.dropped + packets.random_lost);
        prop_assert!(counter.lost <= counter.dropped);
    }
}
