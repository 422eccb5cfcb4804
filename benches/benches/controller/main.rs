//! What a packet costs: the policy's forward pass, and controllers per acknowledged packet.
//!
//! `per_ack/*` sends, acknowledges and ends the acknowledgement of one packet per element, on a
//! path of 40 ms and one packet per 500 µs, after a loss has ended slow start. Every controller
//! sees the same events; those named `quinn/` are called through quinn's trait object, as quinn
//! calls them, and read the window after every packet. `core/learned` is the controller without
//! the adapter; `quinn/learned` is what replaces `quinn/cubic` in a server.
#![expect(
    clippy::disallowed_methods,
    reason = "virtual time needs one instant to start at"
)]

mod rtt_estimator;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use quinn_proto::RttEstimator;
use quinn_proto::congestion::{
    BbrConfig, Controller as QuinnController, ControllerFactory as _, CubicConfig, NewRenoConfig,
};
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller as _, Learned, RoundTrip,
    SentPacket,
};
use tautline_core::features::{FeatureTable, TABLE_1};
use tautline_core::fixed::Q16;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{
    Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Scratch, Skip,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};
use tautline_quic_integration::Adapter;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    forward(&mut criterion)?;
    per_ack(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// 12-32-32-1 over feature table 1 as deployed, and 16-32-32-4 over the generic table.
fn forward(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("forward");
    for (name, table, heads) in [("12-32-32-1", 1, 1), ("16-32-32-4", 0, 4)] {
        let policy = random_policy(table, heads)?;
        let features: Vec<i32> = policy
            .table()
            .features
            .iter()
            .map(|feature| feature.low.units().midpoint(feature.high.units()))
            .collect();
        let mut scratch = Scratch::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| policy.forward(black_box(&features), &mut scratch));
        });
    }
    group.finish();
    Ok(())
}

fn per_ack(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let rtt = rtt_estimator::measured_on_a_real_connection(start)?;
    let mut group = criterion.benchmark_group("per_ack");
    group.throughput(Throughput::Elements(PACKETS));

    let learned: Box<dyn QuinnController> = Box::new(Adapter::new(learned()?, start, DATAGRAM));
    let controllers = [
        ("cubic", Arc::new(CubicConfig::default()).build(start, MTU)),
        (
            "newreno",
            Arc::new(NewRenoConfig::default()).build(start, MTU),
        ),
        ("bbr", Arc::new(BbrConfig::default()).build(start, MTU)),
        ("learned", learned),
    ];
    for (name, mut controller) in controllers {
        let path = QuinnPath { start, rtt };
        path.warm_up(controller.as_mut());
        group.bench_function(format!("quinn/{name}"), |bencher| {
            bencher.iter_batched_ref(
                || controller.clone_box(),
                |controller| path.carry(controller.as_mut(), WARM_UP..WARM_UP + PACKETS),
                BatchSize::SmallInput,
            );
        });
    }

    let mut controller = self::learned()?;
    warm_up_core(&mut controller);
    group.bench_function("core/learned", |bencher| {
        bencher.iter_batched_ref(
            || controller.clone(),
            |controller| carry_core(controller, WARM_UP..WARM_UP + PACKETS),
            BatchSize::SmallInput,
        );
    });
    group.finish();
    // The figure is about the policy, not about its fallback.
    carry_core(&mut controller, WARM_UP..WARM_UP + PACKETS);
    let counters = controller.counters();
    if !controller.policy_in_charge() || counters.fallbacks > 0 {
        return Err(format!("the policy lost control: {counters:?}").into());
    }
    Ok(())
}

/// The path as quinn would report it: packet `n` leaves at `n · GAP` and is acknowledged
/// `IN_FLIGHT` packets later.
struct QuinnPath {
    start: Instant,
    rtt: RttEstimator,
}

impl QuinnPath {
    fn at(&self, packet: u64) -> Instant {
        self.start + nanos(packet)
    }

    fn carry(&self, controller: &mut dyn QuinnController, packets: core::ops::Range<u64>) {
        for number in packets {
            let now = self.at(number);
            if let Some(acked) = number.checked_sub(IN_FLIGHT) {
                let bytes = DATAGRAM.as_u64();
                controller.on_ack(now, self.at(acked), bytes, false, &self.rtt);
                let in_flight = (IN_FLIGHT - 1) * bytes;
                controller.on_end_acks(now, in_flight, false, Some(acked));
            }
            controller.on_sent(now, DATAGRAM.as_u64(), number);
            black_box(controller.window());
        }
    }

    fn warm_up(&self, controller: &mut dyn QuinnController) {
        self.carry(controller, 0..LOSS_AT);
        let now = self.at(LOSS_AT);
        controller.on_congestion_event(now, self.at(LOSS_AT - 1), false, DATAGRAM.as_u64());
        self.carry(controller, LOSS_AT..WARM_UP);
    }
}

fn carry_core(controller: &mut LearnedPolicy, packets: core::ops::Range<u64>) {
    for number in packets {
        let now = timestamp(number);
        if let Some(acked) = number.checked_sub(IN_FLIGHT) {
            let packet = AckedPacket {
                number: PacketNumber::new(acked),
                bytes: DATAGRAM,
                time_sent: timestamp(acked),
                round_trip: RoundTrip::Measured,
            };
            controller.on_packet_acked(now, packet);
            let batch = AckBatch {
                bytes_in_flight: DATAGRAM.saturating_mul(IN_FLIGHT - 1),
                ecn_ce_count: 0,
            };
            controller.on_ack_end(now, batch);
        }
        let packet = SentPacket {
            number: PacketNumber::new(number),
            bytes: DATAGRAM,
            bytes_in_flight: DATAGRAM.saturating_mul(IN_FLIGHT),
        };
        controller.on_packet_sent(now, packet);
        black_box(controller.decision().congestion_window);
    }
}

fn warm_up_core(controller: &mut LearnedPolicy) {
    carry_core(controller, 0..LOSS_AT);
    let event = CongestionEvent {
        trigger: CongestionTrigger::Loss {
            packets: 1,
            bytes: DATAGRAM,
        },
        number: PacketNumber::new(LOSS_AT - 1),
        time_sent: timestamp(LOSS_AT - 1),
        bytes_in_flight: DATAGRAM.saturating_mul(IN_FLIGHT),
    };
    controller.on_congestion_event(timestamp(LOSS_AT), event);
    carry_core(controller, LOSS_AT..WARM_UP);
}

type LearnedPolicy = Learned<Policy<Arc<[i16]>>, UncheckedEnvelope>;

/// A controller whose network computes in full and answers close to zero, so that it stays in
/// charge of a path that does not react to it.
fn learned() -> Result<LearnedPolicy, Box<dyn Error>> {
    let policy = random_policy(1, 1)?;
    let envelope = UncheckedEnvelope::dangerously_unchecked(policy.digest(), &TABLE_1);
    Ok(Learned::new(policy, envelope, DATAGRAM)?)
}

fn random_policy(table: u16, heads: u8) -> Result<Policy<Arc<[i16]>>, Box<dyn Error>> {
    let features = FeatureTable::by_version(table).ok_or("no such feature table")?;
    let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
    for layer in hidden.iter_mut().take(2) {
        *layer = Hidden {
            width: 32,
            shift: 12,
        };
    }
    let header = ModelHeader {
        feature_table: table,
        inputs: u16::try_from(features.features.len())?,
        hidden_count: 2,
        hidden,
        output_shift: 22,
        skip: Skip::Linear,
        head_count: heads,
        heads: HeadKind::ALL.map(Head::free),
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let parameters: Arc<[i16]> = small_weights(header.parameter_count()).into();
    Ok(Policy::new(header, parameters)?)
}

/// Weights in [−512, 511] of one fixed seed.
fn small_weights(count: usize) -> Vec<i16> {
    let mut state = 7_u64;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 54) as i16 - 512
        })
        .collect()
}

const fn nanos(packet: u64) -> Duration {
    Duration::from_nanos(packet * GAP_NANOS)
}

const fn timestamp(packet: u64) -> Timestamp {
    Timestamp::from_nanos(packet * GAP_NANOS)
}

const MTU: u16 = 1452;
const DATAGRAM: Bytes = Bytes::new(1452);
/// One packet per 500 µs.
const GAP_NANOS: u64 = 500_000;
/// 40 ms of packets.
const IN_FLIGHT: u64 = 80;
/// Slow start ends here, with a window of more than the packets in flight.
const LOSS_AT: u64 = 400;
/// State before the measured run.
const WARM_UP: u64 = 2000;
/// Packets of the measured run: five seconds of the path, 125 rounds.
const PACKETS: u64 = 10_000;
