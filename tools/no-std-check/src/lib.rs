//! A static library with its own panic handler and no allocator that runs the controller core.
//!
//! It builds only if nothing below it links std (its panic handler would be a second one, E0152)
//! or uses `alloc` (no global memory allocator would be found). `cargo xtask no-std` builds it.
#![no_std]

pub mod drive;
pub mod model;
pub mod room;
pub mod sequence;

#[cfg(not(feature = "hosted"))]
use core::panic::PanicInfo;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Learned, RoundTrip,
    SentPacket, Timeout,
};
use tautline_core::features::TABLE_1;
use tautline_core::fixed::Q16;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

/// Two hidden units over twelve features, and one head: 2·13 + 1·3 parameters.
static WEIGHTS: [i16; 29] = [-7; 29];

/// Runs a short connection and returns its congestion window in bytes; 0 if the model is refused.
#[unsafe(no_mangle)]
pub extern "C" fn tautline_no_std_check(rounds: u32) -> u64 {
    let weights: &'static [i16] = &WEIGHTS;
    let Ok(policy) = Policy::new(header(), weights) else {
        return 0;
    };
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    let Ok(mut controller) = Learned::new(policy, envelope, Bytes::new(1200)) else {
        return 0;
    };
    let mut now = Timestamp::ZERO;
    for round in 0..rounds {
        now = one_round(&mut controller, round, now);
    }
    controller.decision().congestion_window.as_u64()
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

fn header() -> ModelHeader {
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    if let Some(first) = hidden.first_mut() {
        *first = Hidden { width: 2, shift: 4 };
    }
    ModelHeader {
        feature_table: TABLE_1.version,
        inputs: 12,
        hidden_count: 1,
        hidden,
        output_shift: 8,
        skip: Skip::None,
        head_count: 1,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    }
}

#[cfg(not(feature = "hosted"))]
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}
