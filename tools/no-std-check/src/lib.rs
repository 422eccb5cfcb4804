//! A static library with its own panic handler and no allocator: the controller core under the
//! model that `tautline embed` wrote, and smoltcp behind its gate.
//!
//! It builds only if nothing below it links std (its panic handler would be a second one, E0152)
//! or uses `alloc` (no global memory allocator would be found). `cargo xtask no-std` builds it,
//! and `cargo xtask size` and `icount` measure its programs.
#![no_std]

#[path = "../../../models/demo/policy.rs"]
pub mod demo;
pub mod drive;
pub mod model;
pub mod room;
pub mod sequence;
pub mod tcp;

#[cfg(not(feature = "hosted"))]
use core::panic::PanicInfo;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Learned, RoundTrip,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

/// Runs a short connection and returns its congestion window in bytes; 0 if the model is refused.
#[unsafe(no_mangle)]
pub extern "C" fn tautline_no_std_check(rounds: u32) -> u64 {
    let Ok(policy) = demo::policy() else {
        return 0;
    };
    let Ok(mut controller) = Learned::new(policy, demo::ENVELOPE, Bytes::new(1200)) else {
        return 0;
    };
    let mut now = Timestamp::ZERO;
    for round in 0..rounds {
        now = one_round(&mut controller, round, now);
    }
    controller.decision().congestion_window.as_u64()
}

/// Runs smoltcp behind the gate; returns only if the model is refused or a socket is closed.
#[unsafe(no_mangle)]
pub extern "C" fn tautline_no_std_tcp() -> bool {
    tcp::gated().is_some()
}

/// One packet there and back, then one of each rarer event.
fn one_round<C: Controller>(controller: &mut C, round: u32, sent: Timestamp) -> Timestamp {
    let number = PacketNumber::new(round.into());
    let bytes = Bytes::new(1200);
    let packet = SentPacket {
        number,
        bytes,
        bytes_in_flight: bytes,
    };
    controller.on_packet_sent(sent, packet);
    let now = sent.saturating_add(core::time::Duration::from_millis(40));
    let acked = AckedPacket {
        number,
        bytes,
        time_sent: sent,
        round_trip: RoundTrip::Measured,
    };
    controller.on_packet_acked(now, acked);
    let batch = AckBatch {
        bytes_in_flight: Bytes::ZERO,
        ecn_ce_count: 0,
    };
    controller.on_ack_end(now, batch);
    let trigger = match round % 8 {
        5 => CongestionTrigger::Loss { packets: 1, bytes },
        6 => CongestionTrigger::EcnCe,
        7 => CongestionTrigger::Persistent,
        _ => return now,
    };
    let event = CongestionEvent {
        trigger,
        number,
        time_sent: sent,
        bytes_in_flight: Bytes::ZERO,
    };
    controller.on_congestion_event(now, event);
    let timeout = Timeout {
        count: 1,
        bytes_in_flight: Bytes::ZERO,
    };
    controller.on_timeout(now, timeout);
    now
}

#[cfg(not(feature = "hosted"))]
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}
