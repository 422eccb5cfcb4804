//! What holds in every scenario: nothing appears, vanishes, overtakes or arrives before its time.

use proptest::prelude::*;
use tautline_core::controller::{Controller as _, Event};
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::scenario::{CapacitySpec, Limit, LossSpec};

use crate::random::{controllers, outcome, scenario};

proptest! {
    #[test]
    fn every_packet_is_somewhere(scenario in scenario(), seed: u64) {
        let outcome = outcome(&scenario, seed);
        let mut sent = 0;
        for flow in &outcome.flows {
            let packets = &flow.packets;
            let accounted =
                packets.delivered + packets.dropped + packets.random_lost + packets.in_network;
            prop_assert_eq!(packets.sent, accounted, "{:?}", flow);
            sent += packets.sent;
        }
        prop_assert_eq!(outcome.data_packets, sent);
        prop_assert_eq!(outcome.link.packets.sent, sent);
        if scenario.link().loss == LossSpec::default() {
            prop_assert_eq!(outcome.link.packets.random_lost, 0);
        }
    }

    #[test]
    fn only_missing_packets_are_declared_lost(scenario in scenario(), seed: u64) {
        let whole = scenario.with_warmup(core::time::Duration::ZERO).unwrap();
        for flow in &outcome(&whole, seed).flows {
            let missing = flow.packets.dropped + flow.packets.random_lost;
            prop_assert!(flow.sender.lost_packets <= missing, "{:?}", flow);
            prop_assert!(flow.sender.acked_packets <= flow.packets.delivered, "{:?}", flow);
        }
    }

    #[test]
    fn a_limited_flow_delivers_each_byte_once(scenario in scenario(), seed: u64) {
        let whole = scenario.with_warmup(core::time::Duration::ZERO).unwrap();
        for (flow, spec) in outcome(&whole, seed).flows.iter().zip(whole.flows()) {
            prop_assert!(flow.delivered_bytes <= spec.limit.as_u64(), "{:?}", flow);
            if flow.completed_s.is_some() {
                prop_assert_eq!(flow.delivered_bytes, spec.limit.as_u64());
            }
        }
    }

    #[test]
    fn acknowledgements_keep_order_and_take_at_least_the_propagation_time(
        scenario in scenario(),
        seed: u64,
    ) {
        let (forward, backward) = scenario.one_way_delays(&scenario.flows()[0]);
        let mut last_number = None;
        let mut last_time = Timestamp::ZERO;
        for (now, event) in outcome(&scenario, seed).log.unwrap() {
            prop_assert!(now >= last_time);
            last_time = now;
            if let Event::PacketAcked(packet) = event {
                prop_assert!(last_number < Some(packet.number), "{:?}", packet);
                last_number = Some(packet.number);
                let rtt = now.saturating_since(packet.time_sent);
                prop_assert!(rtt > forward + backward, "{:?}", rtt);
            }
        }
    }

    #[test]
    fn only_probes_exceed_the_window(scenario in scenario(), seed: u64) {
        let whole = scenario.with_warmup(core::time::Duration::ZERO).unwrap();
        let mut replayed = controllers(&whole).swap_remove(0);
        let outcome = outcome(&whole, seed);
        let mut beyond = 0;
        for (now, event) in outcome.log.unwrap() {
            if let Event::PacketSent(packet) = event {
                let window = replayed.decision().congestion_window;
                beyond += u64::from(packet.bytes_in_flight > window);
            }
            event.replay(now, &mut replayed);
        }
        prop_assert!(beyond <= outcome.flows[0].sender.probe_packets, "{}", beyond);
        prop_assert_eq!(replayed.decision(), outcome.controllers[0].decision());
    }

    #[test]
    fn the_link_never_carries_more_than_its_capacity(scenario in scenario(), seed: u64) {
        let link = outcome(&scenario, seed).link;
        let one_packet = 1500.0 * 8e-6 / (link.capacity_mbps * 1.7);
        prop_assert!(link.utilisation <= 1.0 + one_packet, "{:?}", link);
        let CapacitySpec::Rates(rates) = &scenario.link().capacity else {
            return Err(TestCaseError::fail("a schedule of rates"));
        };
        let slowest = rates.iter().map(|step| step.rate).min().unwrap();
        let Limit::Bytes(buffer) = scenario.link().limit() else {
            return Err(TestCaseError::fail("a limit in bytes"));
        };
        let longest = slowest.time_for(Bytes::new(buffer)).as_secs_f64() * 1e3;
        // One more packet may be in transmission.
        let longest = longest + 1500.0 * 8e3 / slowest.as_bits_per_sec() as f64;
        prop_assert!(link.queue_delay_p99_ms <= longest * 1.02, "{:?}, {}", link, longest);
    }
}
