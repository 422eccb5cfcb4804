//! Every event of a controller, with arguments that no optimiser knows.

use core::hint::black_box;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RoundTrip,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

/// Gives `controller` the event that `unknown` stands for.
#[inline(never)]
pub fn event<C: Controller>(controller: &mut C, unknown: u64) -> Decision {
    let now = Timestamp::from_nanos(black_box(unknown));
    let number = PacketNumber::new(black_box(unknown));
    let bytes = Bytes::new(black_box(unknown));
    let time_sent = Timestamp::from_nanos(black_box(unknown));
    match unknown % 8 {
        0 => controller.on_packet_sent(
            now,
            SentPacket {
                number,
                bytes,
                bytes_in_flight: bytes,
            },
        ),
        1 => {
            let round_trip = if black_box(unknown) > 99 {
                RoundTrip::Measured
            } else {
                RoundTrip::Ambiguous
            };
            controller.on_packet_acked(
                now,
                AckedPacket {
                    number,
                    bytes,
                    time_sent,
                    round_trip,
                },
            );
        }
        2 => {
            let ecn_ce_count = black_box(unknown);
            controller.on_ack_end(
                now,
                AckBatch {
                    bytes_in_flight: bytes,
                    ecn_ce_count,
                },
            );
        }
        6 => {
            let count = black_box(unknown) as u32;
            controller.on_timeout(
                now,
                Timeout {
                    count,
                    bytes_in_flight: bytes,
                },
            );
        }
        7 => controller.on_mtu_update(now, bytes),
        other => controller.on_congestion_event(now, congestion(other, unknown)),
    }
    controller.decision()
}

/// A loss, a mark or persistent congestion, as `kind` is 3, 4 or another.
fn congestion(kind: u64, unknown: u64) -> CongestionEvent {
    let bytes = Bytes::new(black_box(unknown));
    let trigger = match kind {
        3 => CongestionTrigger::Loss {
            packets: black_box(unknown),
            bytes,
        },
        4 => CongestionTrigger::EcnCe,
        _ => CongestionTrigger::Persistent,
    };
    CongestionEvent {
        trigger,
        number: PacketNumber::new(black_box(unknown)),
        time_sent: Timestamp::from_nanos(black_box(unknown)),
        bytes_in_flight: bytes,
    }
}
