//! Event logs per flow in the qlog format (draft-ietf-quic-qlog-main-schema-13 and
//! draft-ietf-quic-qlog-quic-events-12), as JSON text sequences (RFC 7464).
//!
//! The crate `qlog` gives the types of both drafts; its streamer takes times from the clock of the
//! machine, so records are framed here.

use core::time::Duration;
use std::io::{self, Write};

use ::qlog::events::quic::{
    AckRange, PacketHeader, PacketLost, PacketReceived, PacketSent, PacketType, QuicFrame,
    RecoveryMetricsUpdated,
};
use ::qlog::events::{Event, EventData, QUIC_URI, RawInfo};
use ::qlog::{
    CommonFields, QLOGFILESEQ_URI, QlogSeq, ReferenceTime, TimeFormat, TraceSeq, VantagePoint,
    VantagePointType,
};
use serde::Serialize;
use tautline_core::units::{Bandwidth, Bytes};

use crate::scenario::ValidScenario;
use crate::sim::{Content, Metrics, Observation, Observer};
use crate::transport::{Ack, Direction, Packet};

/// Writes what the sending end of each flow sees: packets sent, packets received, packets declared
/// lost, and the figures of its recovery whenever one of them changes.
///
/// Times are milliseconds since the start of the run. Datagrams of real stacks have a length but no
/// packet number, which is encrypted.
#[derive(Debug)]
pub struct FlowLogs<W> {
    logs: Vec<FlowLog<W>>,
    record: Vec<u8>,
    failure: Option<io::Error>,
}

#[derive(Debug)]
struct FlowLog<W> {
    output: W,
    metrics: Option<Metrics>,
}

impl<W: Write> FlowLogs<W> {
    /// Starts the logs of the first flows of a run of `scenario` with `seed`, as many as there are
    /// `outputs`, which should be buffered.
    ///
    /// # Errors
    /// Those of the outputs.
    pub fn new(scenario: &ValidScenario, seed: u64, outputs: Vec<W>) -> io::Result<Self> {
        let mut logs = Vec::with_capacity(outputs.len());
        let mut record = Vec::new();
        for (flow, (mut output, spec)) in outputs.into_iter().zip(scenario.flows()).enumerate() {
            let title = format!("{}, seed {seed}, flow {flow}", scenario.name());
            let about = format!("controller {}, simulated", spec.controller);
            append(&mut record, &header(title, about, flow))?;
            output.write_all(&record)?;
            logs.push(FlowLog {
                output,
                metrics: None,
            });
        }
        Ok(Self {
            logs,
            record,
            failure: None,
        })
    }

    /// Ends the logs and hands the outputs back.
    ///
    /// # Errors
    /// The first one of any output.
    pub fn finish(self) -> io::Result<Vec<W>> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let finished = self.logs.into_iter().map(|mut log| {
            log.output.flush()?;
            Ok(log.output)
        });
        finished.collect()
    }

    fn write(&mut self, flow: u32, now_ns: u64, data: EventData) {
        if self.failure.is_some() {
            return;
        }
        let Some(log) = self.logs.get_mut(flow as usize) else {
            return;
        };
        let event = Event::with_time(now_ns as f64 / 1e6, data);
        let written =
            append(&mut self.record, &event).and_then(|()| log.output.write_all(&self.record));
        self.failure = written.err();
    }

    fn metrics(&mut self, now_ns: u64, flow: u32, metrics: &Metrics) {
        let Some(log) = self.logs.get_mut(flow as usize) else {
            return;
        };
        let before = log.metrics.replace(*metrics);
        if before != Some(*metrics) {
            let changed = changes(before.as_ref(), metrics);
            self.write(flow, now_ns, EventData::QuicMetricsUpdated(changed));
        }
    }
}

impl<W: Write> Observer for FlowLogs<W> {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        match *observation {
            Observation::Sent(packet, content) if packet.direction == Direction::Forward => {
                let sent = PacketSent {
                    header: packet_header(packet, content),
                    raw: Some(raw(packet, content)),
                    frames: frames(packet, content),
                    ..PacketSent::default()
                };
                self.write(packet.flow, now_ns, EventData::QuicPacketSent(sent));
            }
            Observation::Received(packet, content) if packet.direction == Direction::Backward => {
                let received = PacketReceived {
                    header: packet_header(packet, content),
                    raw: Some(raw(packet, content)),
                    frames: frames(packet, content),
                    ..PacketReceived::default()
                };
                self.write(packet.flow, now_ns, EventData::QuicPacketReceived(received));
            }
            Observation::Lost { flow, number } => {
                let lost = PacketLost {
                    header: Some(one_rtt(number)),
                    ..PacketLost::default()
                };
                self.write(flow, now_ns, EventData::QuicPacketLost(lost));
            }
            Observation::Metrics { flow, metrics } => self.metrics(now_ns, flow, metrics),
            // What the receiving end and the links see.
            Observation::Sent(..) | Observation::Received(..) | Observation::Dropped { .. } => {}
        }
    }
}

/// One record of a JSON text sequence in place of what `to` held (RFC 7464 §2.2).
fn append(to: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    to.clear();
    to.push(RECORD_SEPARATOR);
    serde_json::to_writer(&mut *to, value)?;
    to.push(b'\n');
    Ok(())
}

fn header(title: String, about: String, flow: usize) -> QlogSeq {
    let common = CommonFields {
        group_id: Some(format!("{flow}")),
        reference_time: ReferenceTime::new_monotonic(None),
        time_format: Some(TimeFormat::RelativeToEpoch),
        ..CommonFields::default()
    };
    let sender = VantagePoint {
        name: Some("sender".to_owned()),
        ty: VantagePointType::Server,
        flow: None,
    };
    let schemas = vec![QUIC_URI.to_owned()];
    QlogSeq {
        file_schema: QLOGFILESEQ_URI.to_owned(),
        serialization_format: "JSON-SEQ".to_owned(),
        title: Some(title),
        description: Some(about.clone()),
        trace: TraceSeq::new(None, Some(about), Some(common), Some(sender), schemas),
    }
}

fn one_rtt(number: u64) -> PacketHeader {
    PacketHeader::with_type(PacketType::OneRtt, Some(number), None, None, None)
}

fn packet_header(packet: &Packet, content: Content<'_>) -> PacketHeader {
    match content {
        Content::Datagram(_) => {
            PacketHeader::with_type(PacketType::Unknown, None, None, None, None)
        }
        Content::Data { .. } | Content::Ack(_) | Content::Request => one_rtt(packet.number),
    }
}

fn raw(packet: &Packet, content: Content<'_>) -> RawInfo {
    let length = match content {
        Content::Datagram(payload) => payload.len() as u64,
        Content::Data { .. } | Content::Ack(_) | Content::Request => u64::from(packet.bytes),
    };
    RawInfo {
        length: Some(length),
        ..RawInfo::default()
    }
}

fn frames(packet: &Packet, content: Content<'_>) -> Option<Vec<QuicFrame>> {
    let frame = match content {
        Content::Data { payload: 0 } => QuicFrame::Ping { raw: None },
        Content::Data { payload } => QuicFrame::Stream {
            stream_id: DATA_STREAM,
            offset: Some(packet.offset),
            fin: None,
            raw: Some(Box::new(RawInfo {
                payload_length: Some(payload),
                ..RawInfo::default()
            })),
        },
        Content::Ack(ack) => ack_frame(ack),
        Content::Request | Content::Datagram(_) => return None,
    };
    Some(vec![frame])
}

fn ack_frame(ack: &Ack) -> QuicFrame {
    let ranges = ack
        .ascending()
        .map(|range| AckRange::new(range.start, range.end));
    QuicFrame::Ack {
        ack_delay: Some(ack.delay_ns as f32 / 1e6),
        acked_ranges: Some(ranges.collect()),
        ect1: None,
        ect0: None,
        ce: (ack.ce_count > 0).then_some(u64::from(ack.ce_count)),
        raw: None,
    }
}

/// The figures that differ from those `before`; all of them at first.
fn changes(before: Option<&Metrics>, now: &Metrics) -> RecoveryMetricsUpdated {
    let time = |of: fn(&Metrics) -> Duration| {
        let value = of(now);
        let known = !value.is_zero() && before.map(of) != Some(value);
        known.then(|| (value.as_nanos() as f64 / 1e6) as f32)
    };
    let count = |of: fn(&Metrics) -> Option<u64>| {
        let value = of(now);
        value.filter(|_| before.and_then(of) != value)
    };
    let pacing = count(|metrics| Some(metrics.pacing_rate.as_bits_per_sec()));
    RecoveryMetricsUpdated {
        min_rtt: time(|metrics| metrics.min_rtt),
        smoothed_rtt: time(|metrics| metrics.smoothed_rtt),
        latest_rtt: time(|metrics| metrics.latest_rtt),
        rtt_variance: time(|metrics| metrics.rtt_variation),
        pto_count: count(|metrics| metrics.timeouts.map(u64::from)).map(|count| count as u16),
        congestion_window: count(|metrics| Some(metrics.window.as_u64())),
        bytes_in_flight: count(|metrics| metrics.in_flight.map(Bytes::as_u64)),
        pacing_rate: pacing.filter(|_| now.pacing_rate != Bandwidth::MAX),
        ..RecoveryMetricsUpdated::default()
    }
}

/// RFC 7464: every record starts with it.
const RECORD_SEPARATOR: u8 = 0x1E;
/// The first unidirectional stream of a server (RFC 9000 §2.1).
const DATA_STREAM: u64 = 3;
