//! Simulated smoltcp connections carry what their applications write.

use std::time::Duration;

use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::baseline::by_name;
use tautline_netsim::endpoint::{Endpoint as _, Request, StackEndpoint as _};
use tautline_netsim::scenario::{FlowSpec, RetrySpec, SizeSpec, ValidScenario, WorkloadSpec};
use tautline_netsim::sim::{Carrier, RunOptions, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_tcp_integration::sim::{Connection, SmoltcpFlow, connection};

use crate::sim_setup::{SEGMENT, carrier, controller, link, lossy, outcome, scenario};

/// What carries every test: smoltcp's own, and ours behind the gate.
const NAMES: [&str; 6] = [
    "smoltcp-reno",
    "smoltcp-cubic",
    "smoltcp-none",
    "newreno",
    "cubic",
    "certified",
];

#[test]
fn every_controller_carries_a_transfer_whole() {
    const TOTAL: u64 = 5_000_000;
    // Without any control a window of 4 MiB meets a queue of 50 kB, and hardly anything arrives.
    let names = NAMES.iter().filter(|name| **name != "smoltcp-none");
    for (name, link) in names.flat_map(|name| [(name, link()), (name, lossy())]) {
        let case = format!("{name} over {link:?}, seed 1");
        let flow = FlowSpec::new("smoltcp").limited_to(Bytes::new(TOTAL));
        let scenario = ValidScenario::new(link, vec![flow], Duration::from_mins(1)).unwrap();
        let outcome = outcome(&scenario, &[name], 1);
        let flow = &outcome.flows[0];
        // A changed byte or a connection that ends is a failure.
        assert_eq!(flow.failure, None, "{case}");
        assert_eq!(flow.delivered_bytes, TOTAL, "{case}");
        assert!(flow.completed_s.is_some(), "{case}");
    }
}

#[test]
fn equal_seeds_give_equal_runs_and_other_seeds_others() {
    for name in NAMES {
        let run = |seed| {
            let outcome = outcome(&scenario(lossy(), 2, 8), &[name, name], seed);
            let goodputs: Vec<u64> = outcome
                .flows
                .iter()
                .map(|flow| flow.goodput_mbps.to_bits())
                .collect();
            (outcome.digest, outcome.data_packets, goodputs)
        };
        assert_eq!(run(1), run(1), "{name}");
        assert_ne!(run(1), run(2), "{name}");
    }
}

/// Every byte of every packet of a transfer over 20 ms each way, with one packet in 50 lost.
fn bytes_of_a_transfer(name: &str, seed: u64) -> Vec<u8> {
    let flow = SmoltcpFlow {
        controller: controller(name),
        ..SmoltcpFlow::default()
    };
    let Connection {
        mut sender,
        mut receiver,
    } = connection(flow, Timestamp::ZERO, seed).unwrap();
    sender.write_up_to(Timestamp::ZERO, 400_000);
    let mut bytes = Vec::new();
    let mut packets = 0_u64;
    for step in 0..1000_u64 {
        let now = Timestamp::from_nanos(step * 40_000_000);
        let late = Timestamp::from_nanos(step * 40_000_000 + 20_000_000);
        sender.wake(now);
        while let Some(packet) = sender.transmit(now) {
            packets += 1;
            bytes.extend_from_slice(&packet.payload);
            if !packets.is_multiple_of(50) {
                receiver.receive(late, packet);
            }
        }
        receiver.wake(late);
        let back = Timestamp::from_nanos((step + 1) * 40_000_000);
        while let Some(packet) = receiver.transmit(late) {
            bytes.extend_from_slice(&packet.payload);
            sender.receive(back, packet);
        }
        if receiver.read_total() == 400_000 {
            return bytes;
        }
    }
    panic!(
        "{name}, seed {seed}: {} bytes arrived",
        receiver.read_total()
    );
}

#[test]
fn equal_seeds_give_equal_bytes_on_the_wire() {
    for name in NAMES {
        let first = bytes_of_a_transfer(name, 7);
        assert!(first == bytes_of_a_transfer(name, 7), "{name}");
        assert!(first != bytes_of_a_transfer(name, 8), "{name}");
    }
}

#[test]
fn requests_come_back_over_the_same_connection_whole_and_in_order() {
    for name in ["smoltcp-reno", "newreno"] {
        let flow = SmoltcpFlow {
            controller: controller(name),
            ..SmoltcpFlow::default()
        };
        let Connection {
            mut sender,
            mut receiver,
        } = connection(flow, Timestamp::ZERO, 3).unwrap();
        let requests: Vec<Request> = (0..40)
            .map(|id| Request {
                id: id * 3,
                bytes: (id * 97 % 5_000) as u32,
            })
            .collect();
        let mut unsent = requests.iter();
        let mut arrived = Vec::new();
        sender.write_up_to(Timestamp::ZERO, 300_000);
        for step in 0..400_u64 {
            let now = Timestamp::from_nanos(step * 20_000_000);
            let late = Timestamp::from_nanos(step * 20_000_000 + 10_000_000);
            // The first before there is a connection, the rest beside an upload.
            for &request in unsent.by_ref().take(2) {
                receiver.send_request(now, request);
            }
            sender.wake(now);
            while let Some(packet) = sender.transmit(now) {
                receiver.receive(late, packet);
            }
            receiver.wake(late);
            let back = Timestamp::from_nanos((step + 1) * 20_000_000);
            while let Some(packet) = receiver.transmit(late) {
                sender.receive(back, packet);
            }
            arrived.extend(core::iter::from_fn(|| sender.next_request()));
        }
        assert_eq!(arrived, requests, "{name}");
        assert_eq!(receiver.read_total(), 300_000, "{name}");
    }
}

#[test]
fn a_conversation_of_requests_and_answers_runs_over_tcp() {
    let workload = WorkloadSpec::RequestResponse {
        request: Bytes::new(200),
        response: SizeSpec::Fixed(Bytes::new(50_000)),
        think: Duration::from_millis(100),
        deadline: Duration::from_secs(2),
        retry: RetrySpec {
            timeout: Duration::from_secs(2),
            backoff: 2.0,
            jitter: 0.5,
            attempts: 3,
            budget: 0.1,
        },
    };
    for name in ["smoltcp-cubic", "newreno"] {
        let flow = FlowSpec::new("smoltcp").with_workload(workload.clone());
        let scenario = ValidScenario::new(link(), vec![flow], Duration::from_secs(10)).unwrap();
        let carriers = vec![carrier(controller(name), 1)];
        let options = RunOptions::default();
        let outcome = run_carriers(&scenario, 1, carriers, &options, None).unwrap();
        let flow = &outcome.flows[0];
        assert_eq!(flow.failure, None, "{name}");
        // Each exchange takes a round trip, 50 kB at 10 Mbit/s and the pause: five a second.
        assert!(flow.delivered_bytes > 20 * 50_000, "{name}: {flow:?}");
    }
}

#[test]
fn packets_are_counted_as_they_are_on_the_wire() {
    for name in NAMES {
        let outcome = outcome(&scenario(lossy(), 1, 10), &[name], 1);
        let packets = outcome.flows[0].packets;
        assert_eq!(
            packets.sent,
            packets.delivered + packets.dropped + packets.random_lost + packets.in_network,
            "{name}: {packets:?}"
        );
        assert!(packets.random_lost > 0, "{name}");
    }
    // A full packet is 1500 bytes of which 1460 are payload, and nothing more is counted.
    let outcome = outcome(&scenario(link(), 1, 12), &["certified"], 1);
    let link = &outcome.link;
    assert!(
        link.utilisation > 0.97 && link.utilisation < 1.001,
        "{link:?}"
    );
    let ratio = link.goodput_mbps / (10.0 * link.utilisation);
    assert!((ratio - 1460.0 / 1500.0).abs() < 0.01, "{link:?}");
}

#[test]
fn packets_are_as_large_as_the_flow_says() {
    for (mtu, name) in [(576, "newreno"), (1500, "smoltcp-reno"), (9000, "newreno")] {
        let mut flow = SmoltcpFlow {
            mtu,
            ..SmoltcpFlow::default()
        };
        assert_eq!(flow.max_segment(), Bytes::new(u64::from(mtu) - 40));
        flow.controller = controller(name);
        let Connection {
            mut sender,
            mut receiver,
        } = connection(flow, Timestamp::ZERO, 1).unwrap();
        sender.write_up_to(Timestamp::ZERO, 200_000);
        let mut largest = 0;
        for step in 0..200_u64 {
            let now = Timestamp::from_nanos(step * 20_000_000);
            sender.wake(now);
            while let Some(packet) = sender.transmit(now) {
                largest = largest.max(packet.payload.len());
                assert_eq!(packet.ecn, Ecn::NotEct);
                receiver.receive(now, packet);
            }
            receiver.wake(now);
            while let Some(packet) = receiver.transmit(now) {
                sender.receive(now, packet);
            }
        }
        assert_eq!(receiver.read_total(), 200_000, "{mtu}");
        assert_eq!(largest, usize::from(mtu));
    }
}

#[test]
fn smoltcp_falls_silent_when_the_application_of_the_model_does() {
    let second = Duration::from_secs(1);
    let on_off = WorkloadSpec::OnOff {
        on: second,
        off: second,
    };
    // A window of one bandwidth-delay product: what loss recovery costs each does not matter.
    let name = "fixed:50000";
    for flow in [
        FlowSpec::new(name).with_workload(on_off),
        FlowSpec::new(name).stopping_at(Timestamp::from_nanos(5_000_000_000)),
    ] {
        let scenario = ValidScenario::new(link(), vec![flow], 20 * second).unwrap();
        let share = |carrier| {
            let (carriers, options) = (vec![carrier], RunOptions::default());
            let outcome = run_carriers(&scenario, 1, carriers, &options, None).unwrap();
            assert_eq!(outcome.flows[0].failure, None);
            outcome.link.utilisation
        };
        let model = share(Carrier::Model(by_name(name, SEGMENT, 1).unwrap().into()));
        let smoltcp = share(carrier(controller(name), 1));
        assert!((0.1..0.8).contains(&model), "{model}");
        assert!(
            (smoltcp - model).abs() < 0.05,
            "{smoltcp} over smoltcp, {model} over the model, seed 1"
        );
    }
}

#[test]
fn the_end_of_a_request_or_an_answer_does_not_wait_for_an_acknowledgement() {
    for name in NAMES {
        let flow = SmoltcpFlow {
            controller: controller(name),
            ..SmoltcpFlow::default()
        };
        let Connection {
            mut sender,
            mut receiver,
        } = connection(flow, Timestamp::ZERO, 1).unwrap();
        let request = Request { id: 7, bytes: 2000 };
        let mut sent = 0;
        for step in 0..4_u64 {
            let now = Timestamp::from_nanos(step * 40_000_000);
            let late = Timestamp::from_nanos(step * 40_000_000 + 20_000_000);
            sender.wake(now);
            while let Some(packet) = sender.transmit(now) {
                receiver.receive(late, packet);
            }
            if step == 1 {
                receiver.send_request(late, request);
            }
            receiver.wake(late);
            let back = Timestamp::from_nanos((step + 1) * 40_000_000);
            while let Some(packet) = receiver.transmit(late) {
                sender.receive(back, packet);
            }
            if sender.next_request() == Some(request) {
                sent = step;
                sender.write_up_to(back, 2_000);
            }
        }
        // Half a round trip each: a full segment and the rest, which is not held back.
        assert_eq!((sent, receiver.read_total()), (1, 2_000), "{name}");
    }
}
