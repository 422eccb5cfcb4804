//! Simulated quinn endpoints carry what their applications write.

use proptest::prelude::*;
use quinn_proto::{AckFrequencyConfig, VarInt};
use tautline_core::controller::NewReno;
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::baseline;
use tautline_netsim::endpoint::{Endpoint as _, Request, StackEndpoint as _};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::GuardedFactory;
use tautline_quic_integration::sim::{FlowError, QuinnController, QuinnFlow, connection};

use crate::learned::{envelope, policy};
use crate::sim_path::{Network, Path};

const MTU: Bytes = Bytes::new(1472);
const TEN_MB: u64 = 10_000_000;

fn ours() -> QuinnController {
    QuinnController::Ours(Box::new(NewReno::new(MTU)))
}

fn network(controller: QuinnController, path: Path, seed: u64) -> Network {
    let flow = QuinnFlow {
        controller,
        ..QuinnFlow::default()
    };
    let connection = connection(flow, Timestamp::ZERO, seed).unwrap();
    Network::new(connection, path)
}

fn upload(network: &mut Network, bytes: u64, limit_ms: u64) -> bool {
    network.sender.write_up_to(Timestamp::ZERO, bytes);
    network.run_until(limit_ms, |network| network.receiver.read_total() >= bytes)
}

#[test]
fn every_controller_uploads_ten_megabytes_near_the_line_rate() {
    let controllers = [
        QuinnController::Cubic,
        QuinnController::NewReno,
        QuinnController::Bbr,
        ours(),
    ];
    for controller in controllers {
        let name = format!("{controller:?}");
        let mut network = network(controller, Path::TEN_MEGABITS, 1);
        assert!(upload(&mut network, TEN_MB, 12_000), "{name}");
        // 8.4 s at line rate with headers.
        assert!(
            network.now.as_nanos() < 9_500_000_000,
            "{name} {}",
            network.now.as_nanos()
        );
        assert_eq!(network.receiver.read_total(), TEN_MB);
        assert_eq!(network.largest, 1472);
        let status = network.sender.status();
        assert!(status.sent_packets > TEN_MB / 1472);
        assert!(status.window.as_u64() > 20_000, "{name} {status:?}");
        assert!(status.smoothed_rtt.as_millis() >= 40, "{name} {status:?}");
        assert_eq!(network.sender.failure(), None);
        assert_eq!(network.receiver.failure(), None);
    }
}

#[test]
fn equal_seeds_give_equal_datagrams_and_other_seeds_others() {
    let run = |seed| {
        let mut network = network(ours(), Path::TEN_MEGABITS, seed);
        assert!(upload(&mut network, 3_000_000, 12_000));
        (network.digest, network.datagrams, network.now)
    };
    let (first, again, other) = (run(7), run(7), run(8));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
}

#[test]
fn quinns_controllers_are_deterministic_too() {
    let controllers: [fn() -> QuinnController; 3] = [
        || QuinnController::Cubic,
        || QuinnController::NewReno,
        || QuinnController::Bbr,
    ];
    for controller in controllers {
        let run = || {
            let mut network = network(controller(), Path::TEN_MEGABITS, 3);
            assert!(upload(&mut network, 2_000_000, 12_000));
            network.digest
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn losses_delay_an_upload_and_lose_nothing_of_it() {
    for lose_every in [11, 50, 100] {
        let path = Path {
            lose_every,
            ..Path::TEN_MEGABITS
        };
        for controller in [QuinnController::Cubic, ours()] {
            let mut network = network(controller, path, 1);
            assert!(upload(&mut network, 2_000_000, 120_000), "{lose_every}");
            assert_eq!(network.receiver.read_total(), 2_000_000);
            assert!(network.sender.status().lost_packets > 2_000_000 / 1472 / lose_every / 2);
        }
    }
}

#[test]
fn a_large_overshoot_does_not_end_the_connection() {
    // 100 Mbit/s, 160 ms: slow start overshoots by thousands of packets, which kills a connection
    // with a single stream.
    let path = Path {
        rate_bits_per_sec: 100_000_000,
        one_way_ms: 80,
        buffer_bytes: 2_000_000,
        ..Path::TEN_MEGABITS
    };
    for controller in [QuinnController::Cubic, QuinnController::NewReno] {
        let mut network = network(controller, path, 1);
        network.recording = false;
        let finished = upload(&mut network, 60_000_000, 60_000);
        assert_eq!(network.receiver.failure(), None);
        assert!(finished);
        assert!(network.dropped > 1_000, "{}", network.dropped);
    }
}

#[test]
fn requests_arrive_whole_and_in_order() {
    for lose_every in [0, 7] {
        let path = Path {
            lose_every,
            ..Path::TEN_MEGABITS
        };
        let mut network = network(ours(), path, 5);
        let requests: Vec<Request> = (0..60)
            .map(|id| Request {
                id: id * 3,
                bytes: (id * 97 % 5_000) as u32,
            })
            .collect();
        // The first before there is a connection, some while it is set up, the rest beside an
        // upload.
        let mut unsent = requests.clone().into_iter();
        let mut send = |network: &mut Network, count: usize| {
            for request in unsent.by_ref().take(count) {
                network.receiver.send_request(network.now, request);
            }
        };
        send(&mut network, 2);
        network.sender.write_up_to(Timestamp::ZERO, 500_000);
        let mut arrived = Vec::new();
        let all = network.run_until(60_000, |network| {
            send(network, 1);
            arrived.extend(network.sender.next_request());
            arrived.len() == requests.len()
        });
        assert!(all, "{} of {}", arrived.len(), requests.len());
        assert_eq!(arrived, requests);
    }
}

#[test]
fn an_upload_that_grows_piece_by_piece_is_read_piece_by_piece() {
    let mut network = network(ours(), Path::TEN_MEGABITS, 2);
    let mut total = 0;
    for piece in [1, 100, 1_448, 1_000_000, 1, 48_576, 2_000_000, 3] {
        total += piece;
        network.sender.write_up_to(network.now, total);
        let limit_ms = network.now.as_nanos() / 1_000_000 + 5_000;
        assert!(
            network.run_until(limit_ms, |network| network.receiver.read_total() >= total),
            "{total}"
        );
        assert_eq!(network.receiver.read_total(), total);
        assert_eq!(network.sender.taken_total(), total);
    }
}

#[test]
fn only_a_little_more_than_what_left_is_taken_from_an_endless_source() {
    let mut network = network(ours(), Path::TEN_MEGABITS, 1);
    network.sender.write_up_to(Timestamp::ZERO, u64::MAX);
    assert_eq!(network.sender.taken_total(), 0);
    for second in 1..=10 {
        assert!(!network.run_until(second * 1_000, |_| false));
        let beyond = network.sender.taken_total() - network.receiver.read_total();
        assert!(
            (500_000..4_000_000).contains(&beyond),
            "{second} s: {beyond}"
        );
    }
    // 9.55 Mbit/s of payload would be the most.
    assert!(network.receiver.read_total() > 11_000_000);
}

#[test]
fn losses_neither_stop_an_endless_source_nor_let_it_run_far_ahead() {
    let path = Path {
        rate_bits_per_sec: 40_000_000,
        buffer_bytes: 200_000,
        lose_every: 4,
        ..Path::TEN_MEGABITS
    };
    let fixed = baseline::by_name("fixed:240000", MTU, 1).unwrap();
    let mut network = network(QuinnController::Ours(fixed), path, 1);
    network.recording = false;
    network.sender.write_up_to(Timestamp::ZERO, u64::MAX);
    let mut read = 0;
    for second in (12..=120).step_by(12) {
        assert!(!network.run_until(second * 1_000, |_| false));
        let total = network.receiver.read_total();
        assert!(
            total > read + 20_000_000,
            "{second} s: {total} after {read}"
        );
        read = total;
        let beyond = network.sender.taken_total() - total;
        assert!(
            (500_000..8_000_000).contains(&beyond),
            "{second} s: {beyond}"
        );
    }
}

#[test]
fn marks_reach_the_controller_and_keep_the_queue_short() {
    let path = Path {
        buffer_bytes: 1_000_000,
        mark_from_bytes: 25_000,
        ..Path::TEN_MEGABITS
    };
    for (ecn, marks) in [(Ecn::Ect0, true), (Ecn::Ect1, true), (Ecn::NotEct, false)] {
        let flow = QuinnFlow {
            controller: ours(),
            ecn,
            ..QuinnFlow::default()
        };
        let mut network = Network::new(connection(flow, Timestamp::ZERO, 1).unwrap(), path);
        assert!(upload(&mut network, 5_000_000, 30_000));
        let events = network.sender.stats().unwrap().path.congestion_events;
        assert_eq!(network.marked > 0, marks, "{ecn:?}");
        assert!(events > 0, "{ecn:?}");
        // Without marks only the end of the buffer stops slow start.
        assert_eq!(network.dropped == 0, marks, "{ecn:?}");
        assert_eq!(network.sender.status().lost_packets == 0, marks);
    }
}

#[test]
fn packets_leave_with_the_label_of_their_flow() {
    for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1] {
        let flow = QuinnFlow {
            ecn,
            ..QuinnFlow::default()
        };
        let mut sender = connection(flow, Timestamp::ZERO, 1).unwrap().sender;
        sender.wake(Timestamp::ZERO);
        assert_eq!(sender.transmit(Timestamp::ZERO).unwrap().ecn, ecn);
        assert_eq!(sender.transmit(Timestamp::ZERO), None);
    }
}

#[test]
fn fewer_acknowledgements_come_back_where_the_sender_asks_for_fewer() {
    let sent_back = |ack_frequency| {
        let flow = QuinnFlow {
            controller: ours(),
            ack_frequency,
            ..QuinnFlow::default()
        };
        let connection = connection(flow, Timestamp::ZERO, 1).unwrap();
        let mut network = Network::new(connection, Path::TEN_MEGABITS);
        assert!(upload(&mut network, 2_000_000, 5_000));
        network.receiver.status().sent_packets
    };
    let every_second = sent_back(None);
    let mut every_tenth = AckFrequencyConfig::default();
    every_tenth.ack_eliciting_threshold(VarInt::from_u32(9));
    let every_tenth = sent_back(Some(every_tenth));
    // 1,400 packets.
    assert!((650..850).contains(&every_second), "{every_second}");
    assert!(every_tenth < 300, "{every_tenth}");
}

#[test]
fn an_outage_ends_and_the_upload_goes_on() {
    for outage_ms in [(0, 1_000), (500, 5_000)] {
        let path = Path {
            outage_ms,
            ..Path::TEN_MEGABITS
        };
        let mut network = network(ours(), path, 1);
        assert!(upload(&mut network, 2_000_000, 30_000), "{outage_ms:?}");
        assert!(network.now.as_nanos() > outage_ms.1 * 1_000_000);
    }
}

#[test]
fn counters_of_a_learned_controller_are_seen_while_quinn_drives_it() {
    let policy = policy();
    let envelope = envelope(policy.digest());
    let learned = GuardedFactory::new(policy, envelope)
        .unwrap()
        .controller(MTU)
        .unwrap();
    let controller = QuinnController::Ours(Box::new(learned));
    let mut network = network(controller, Path::TEN_MEGABITS, 1);
    assert_eq!(network.sender.status().counters.decisions, 0);
    assert!(upload(&mut network, 5_000_000, 10_000));
    let counters = network.sender.status().counters;
    assert!(counters.decisions > 50, "{counters:?}");
    assert_eq!(network.receiver.status().counters.decisions, 0);
}

#[test]
fn ends_may_be_simulated_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&connection(QuinnFlow::default(), Timestamp::ZERO, 1).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_path_carries_an_upload_the_same_way_twice(
        rate_bits_per_sec in 200_000_u64..200_000_000,
        one_way_ms in 0_u64..150,
        buffer_packets in 3_u64..400,
        lose_every in prop_oneof![Just(0_u64), 5..200_u64],
        seed in any::<u64>(),
        bytes in 1_u64..300_000,
    ) {
        let path = Path {
            rate_bits_per_sec,
            one_way_ms,
            buffer_bytes: buffer_packets * 1_500,
            lose_every,
            ..Path::TEN_MEGABITS
        };
        let run = |controller| {
            let mut network = network(controller, path, seed);
            let request = Request { id: seed, bytes: 3_000 };
            network.receiver.send_request(Timestamp::ZERO, request);
            network.sender.write_up_to(Timestamp::ZERO, bytes);
            let mut asked = None;
            let done = network.run_until(600_000, |network| {
                asked = asked.or_else(|| network.sender.next_request());
                asked == Some(request) && network.receiver.read_total() == bytes
            });
            (done, network.digest)
        };
        let first = run(ours());
        prop_assert!(first.0);
        prop_assert_eq!(first, run(ours()));
        prop_assert!(run(QuinnController::Cubic).0);
    }
}

#[test]
fn nothing_leaves_before_the_start() {
    let start = Timestamp::from_nanos(3_000_000_000);
    let connection = connection(QuinnFlow::default(), start, 1).unwrap();
    let mut network = Network::new(connection, Path::TEN_MEGABITS);
    network.sender.write_up_to(Timestamp::ZERO, 1_000);
    assert_eq!(network.sender.next_wake(), start);
    assert!(!network.run_until(2_999, |network| network.datagrams > 0));
    assert!(network.run_until(4_000, |network| network.receiver.read_total() == 1_000));
    // Two round trips of handshake and upload.
    assert!(network.now.as_nanos() < 3_090_000_000, "{:?}", network.now);
}

#[test]
fn an_idle_connection_lives_on() {
    let mut network = network(ours(), Path::TEN_MEGABITS, 1);
    assert!(upload(&mut network, 10_000, 1_000));
    // An hour later.
    assert!(!network.run_until(3_600_000, |_| false));
    network.now = Timestamp::from_nanos(3_600_000_000_000);
    network.sender.write_up_to(network.now, 20_000);
    assert!(network.run_until(3_601_000, |network| network.receiver.read_total() == 20_000));
}

#[test]
fn every_baseline_drives_quinn() {
    for name in baseline::NAMES {
        let name = name.replace("BYTES", "60000");
        let controller = baseline::by_name(&name, MTU, 1).unwrap();
        let mut network = network(QuinnController::Ours(controller), Path::TEN_MEGABITS, 1);
        assert!(upload(&mut network, 2_000_000, 5_000), "{name}");
    }
}

#[test]
fn flows_out_of_range_are_refused() {
    for got in [0, 1199, 65_528] {
        let flow = QuinnFlow {
            mtu: got,
            ..QuinnFlow::default()
        };
        let refused = connection(flow, Timestamp::ZERO, 1).err();
        assert_eq!(refused, Some(FlowError::Mtu { got }));
    }
    let marked = QuinnFlow {
        ecn: Ecn::Ce,
        ..QuinnFlow::default()
    };
    let refused = connection(marked, Timestamp::ZERO, 1).err();
    assert_eq!(refused, Some(FlowError::Ecn));
}

#[test]
fn other_packet_sizes_fill_their_packets() {
    for mtu in [1200, 1452, 8972] {
        let flow = QuinnFlow {
            controller: QuinnController::Ours(Box::new(NewReno::new(Bytes::new(mtu.into())))),
            mtu,
            ..QuinnFlow::default()
        };
        let connection = connection(flow, Timestamp::ZERO, 1).unwrap();
        let mut network = Network::new(connection, Path::TEN_MEGABITS);
        let finished = upload(&mut network, 1_000_000, 5_000);
        assert!(finished, "{mtu}");
        assert_eq!(network.largest, usize::from(mtu));
    }
}
