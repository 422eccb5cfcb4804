//! A controller with its weights in read-only memory, as a kernel or a microcontroller has it: no
//! heap, no float, no clock. It drives a bottleneck of one packet per 500 µs for six seconds.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::VecDeque;
use std::error::Error;

use tautline_core::controller::{
    AckBatch, AckedPacket, Controller as _, Learned, RoundTrip, SentPacket,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

// Written by `tautline embed` after it had checked the model's certificate.
#[path = "../../models/demo/policy.rs"]
pub mod policy;

const DATAGRAM: Bytes = Bytes::new(1200);
const SERVICE_NANOS: u64 = 500_000;
const PROPAGATION_NANOS: u64 = 40_000_000;
const END_NANOS: u64 = 6_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let policy = policy::policy()?;
    println!("model {}", policy.digest());
    let mut controller = Learned::new(policy, policy::ENVELOPE, DATAGRAM)?;

    let mut in_flight: VecDeque<(u64, u64, u64)> = VecDeque::new();
    let (mut now, mut link_free_at, mut next_number, mut next_report) = (0, 0, 0, 0);
    while now < END_NANOS {
        // Send what the window allows; the link serves one packet after the other.
        let window = controller.decision().congestion_window.as_u64();
        while (in_flight.len() as u64 + 1) * DATAGRAM.as_u64() <= window {
            link_free_at = now.max(link_free_at) + SERVICE_NANOS;
            in_flight.push_back((link_free_at + PROPAGATION_NANOS, next_number, now));
            let packet = SentPacket {
                number: PacketNumber::new(next_number),
                bytes: DATAGRAM,
                bytes_in_flight: DATAGRAM.saturating_mul(in_flight.len() as u64),
            };
            controller.on_packet_sent(Timestamp::from_nanos(now), packet);
            next_number += 1;
        }
        let Some((arrival, number, sent)) = in_flight.pop_front() else {
            break;
        };
        now = arrival;
        let acked = AckedPacket {
            number: PacketNumber::new(number),
            bytes: DATAGRAM,
            time_sent: Timestamp::from_nanos(sent),
            round_trip: RoundTrip::Measured,
        };
        let batch = AckBatch {
            bytes_in_flight: DATAGRAM.saturating_mul(in_flight.len() as u64),
            ecn_ce_count: 0,
        };
        controller.on_packet_acked(Timestamp::from_nanos(now), acked);
        controller.on_ack_end(Timestamp::from_nanos(now), batch);
        if now >= next_report {
            let rtt_us = (now - sent) / 1000;
            println!(
                "{:4} ms: window {window:6} bytes, rtt {rtt_us:6} us",
                now / 1_000_000
            );
            next_report += END_NANOS / 10;
        }
    }
    println!("{:?}", controller.counters());
    Ok(())
}
