//! Event logs per flow in the qlog format (draft-ietf-quic-qlog-main-schema-13 and
//! draft-ietf-quic-qlog-quic-events-12), as JSON text sequences (RFC 7464).
//!
//! The crate `qlog` gives the types of both drafts; its streamer takes times from the clock of the
//! machine, so records are framed here.

use core::time::Duration;
use std::collections::BTreeMap;
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
use crate::transport::{Ack, Direction, Ecn, Packet};

/// Writes what the sending end of each flow sees: packets sent, packets received, packets declared
/// lost, and the figures of its recovery whenever one of them changes.
///
/// Times are milliseconds since the start of the run. Datagrams of real stacks have a length but no
/// packet number, which is encrypted in QUIC and which TCP does not have.
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
    /// What reached the receiver so far.
    marks: Marks,
    /// What had reached it when it sent the acknowledgements that are on their way, by number.
    reported: BTreeMap<u64, Marks>,
}

/// Packets that arrived with each codepoint (RFC 9000 §19.3.2), counted from the start. The
/// transport's own acknowledgements count marks modulo 2¹⁶ only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    ect0: u64,
    ect1: u64,
    ce: u64,
}

impl Marks {
    fn count(&mut self, ecn: Ecn) {
        match ecn {
            Ecn::NotEct => {}
            Ecn::Ect0 => self.ect0 += 1,
            Ecn::Ect1 => self.ect1 += 1,
            Ecn::Ce => self.ce += 1,
        }
    }
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
                marks: Marks::default(),
                reported: BTreeMap::new(),
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
            // What is not logged, such as the end of pacing, may be all that changed.
            if changed != RecoveryMetricsUpdated::default() {
                self.write(flow, now_ns, EventData::QuicMetricsUpdated(changed));
            }
        }
    }

    /// Notes what the acknowledgement `packet` reports as it leaves.
    fn report(&mut self, packet: &Packet) {
        if let Some(log) = self.logs.get_mut(packet.flow as usize)
            && log.marks != Marks::default()
        {
            log.reported.insert(packet.number, log.marks);
        }
    }

    /// What the acknowledgement `packet` reports, as it arrives or is lost; none where no packet
    /// that can be marked had arrived.
    fn take_report(&mut self, packet: &Packet) -> Option<Marks> {
        let log = self.logs.get_mut(packet.flow as usize)?;
        log.reported.remove(&packet.number)
    }
}

impl<W: Write> Observer for FlowLogs<W> {
    fn observe(&mut self, now_ns: u64, observation: &Observation<'_>) {
        match *observation {
            Observation::Sent(packet, content) if packet.direction == Direction::Forward => {
                let sent = PacketSent {
                    header: packet_header(packet, content),
                    raw: Some(raw(packet, content)),
                    frames: frames(packet, content, None),
                    ..PacketSent::default()
                };
                self.write(packet.flow, now_ns, EventData::QuicPacketSent(sent));
            }
            Observation::Received(packet, content) if packet.direction == Direction::Backward => {
                let marks = self.take_report(packet);
                let received = PacketReceived {
                    header: packet_header(packet, content),
                    raw: Some(raw(packet, content)),
                    frames: frames(packet, content, marks),
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
            // What the receiving end and the links see is not logged.
            Observation::Sent(packet, Content::Ack(_)) => self.report(packet),
            Observation::Received(packet, Content::Data { .. }) => {
                if let Some(log) = self.logs.get_mut(packet.flow as usize) {
                    log.marks.count(packet.ecn);
                }
            }
            Observation::Dropped { packet, .. } if packet.direction == Direction::Backward => {
                let _lost = self.take_report(packet);
            }
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
        Content::Datagram(_) | Content::IpPacket(_) => {
            PacketHeader::with_type(PacketType::Unknown, None, None, None, None)
        }
        Content::Data { .. } | Content::Ack(_) | Content::Request => one_rtt(packet.number),
    }
}

/// The length of the UDP payload, or of the IP packet where a stack makes such.
fn raw(packet: &Packet, content: Content<'_>) -> RawInfo {
    let length = match content {
        Content::Datagram(payload) | Content::IpPacket(payload) => payload.len() as u64,
        Content::Data { .. } | Content::Ack(_) | Content::Request => {
            u64::from(packet.bytes.saturating_sub(IP_AND_UDP))
        }
    };
    RawInfo {
        length: Some(length),
        ..RawInfo::default()
    }
}

fn frames(packet: &Packet, content: Content<'_>, marks: Option<Marks>) -> Option<Vec<QuicFrame>> {
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
        Content::Ack(ack) => ack_frame(ack, marks),
        Content::Request | Content::Datagram(_) | Content::IpPacket(_) => return None,
    };
    Some(vec![frame])
}

/// With all three counts or none.
fn ack_frame(ack: &Ack, marks: Option<Marks>) -> QuicFrame {
    let ranges = ack
        .ascending()
        .map(|range| AckRange::new(range.start, range.end));
    QuicFrame::Ack {
        ack_delay: Some(ack.delay_ns as f32 / 1e6),
        acked_ranges: Some(ranges.collect()),
        ect1: marks.map(|marks| marks.ect1),
        ect0: marks.map(|marks| marks.ect0),
        ce: marks.map(|marks| marks.ce),
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
/// Headers of IPv4 and UDP in bytes.
const IP_AND_UDP: u32 = 28;
/// The first unidirectional stream of a server (RFC 9000 §2.1).
const DATA_STREAM: u64 = 3;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::scenario::{Buffer, FlowSpec, LinkSpec};
    use crate::sim::DropCause;
    use crate::transport::Range;

    fn logs() -> FlowLogs<Vec<u8>> {
        let rate = Bandwidth::from_bits_per_sec(10_000_000);
        let link = LinkSpec::new(rate, Duration::from_millis(40), Buffer::Packets(20));
        let flows = vec![FlowSpec::new("cubic")];
        let scenario = ValidScenario::new(link, flows, Duration::from_secs(5)).unwrap();
        FlowLogs::new(&scenario, 1, vec![Vec::new()]).unwrap()
    }

    /// The `data` of every event.
    fn events(logs: FlowLogs<Vec<u8>>) -> Vec<Value> {
        let logs = logs.finish().unwrap();
        let records = logs[0].split(|&byte| byte == RECORD_SEPARATOR).skip(2);
        let events = records.map(|record| serde_json::from_slice::<Value>(record).unwrap());
        events.map(|event| event["data"].clone()).collect()
    }

    #[test]
    fn counts_of_marks_do_not_wrap_and_are_those_of_when_the_acknowledgement_was_sent() {
        let mut logs = logs();
        let arrive = |logs: &mut FlowLogs<_>, ecn| {
            let packet = Packet {
                ecn,
                ..Packet::new(0, Direction::Forward, 0, 1500)
            };
            let content = Content::Data { payload: 1448 };
            logs.observe(0, &Observation::Received(&packet, content));
        };
        let back = |number| Packet::new(0, Direction::Backward, number, 60);
        let ack = Ack::new(&[Range { start: 0, end: 9 }], 0);
        let content = Content::Ack(&ack);
        logs.observe(0, &Observation::Sent(&back(0), content));
        for _ in 0..70_000 {
            arrive(&mut logs, Ecn::Ce);
        }
        arrive(&mut logs, Ecn::Ect1);
        logs.observe(0, &Observation::Sent(&back(1), content));
        logs.observe(0, &Observation::Sent(&back(2), content));
        arrive(&mut logs, Ecn::Ect0);
        logs.observe(0, &Observation::Sent(&back(3), content));
        let cause = DropCause::Queue;
        let (link, packet) = (0, &back(2));
        logs.observe(
            0,
            &Observation::Dropped {
                link,
                packet,
                cause,
                content: None,
            },
        );
        // Overtaken on the way.
        for number in [3, 1, 0] {
            logs.observe(0, &Observation::Received(&back(number), content));
        }
        assert!(logs.logs[0].reported.is_empty());
        let counts = events(logs).into_iter().map(|data| {
            let frame = &data["frames"][0];
            ["ect0", "ect1", "ce"].map(|name| frame.get(name).and_then(Value::as_u64))
        });
        let expected = [
            [Some(1), Some(1), Some(70_000)],
            [Some(0), Some(1), Some(70_000)],
            [None; 3],
        ];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_length_of_a_packet_is_that_of_its_udp_payload_or_of_what_the_stack_wrote() {
        let mut logs = logs();
        let payload = [0; 100];
        for (bytes, content) in [
            (128, Content::Datagram(&payload)),
            (128, Content::IpPacket(&payload)),
            (128, Content::Data { payload: 48 }),
            (20, Content::Data { payload: 0 }),
        ] {
            let packet = Packet::new(0, Direction::Forward, 0, bytes);
            logs.observe(0, &Observation::Sent(&packet, content));
        }
        let lengths = events(logs)
            .into_iter()
            .map(|data| data["raw"]["length"].clone());
        assert_eq!(lengths.collect::<Vec<_>>(), [100, 100, 100, 0]);
    }

    #[test]
    fn figures_that_did_not_change_make_no_event() {
        let mut logs = logs();
        let paced = Metrics {
            window: Bytes::new(15_000),
            pacing_rate: Bandwidth::from_bits_per_sec(1_000_000),
            ..Metrics::default()
        };
        let free = Metrics {
            pacing_rate: Bandwidth::MAX,
            ..paced
        };
        for metrics in [&paced, &paced, &free, &paced] {
            logs.observe(0, &Observation::Metrics { flow: 0, metrics });
        }
        let events = events(logs);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(
            events
                .iter()
                .all(|data| !data.as_object().unwrap().is_empty())
        );
    }
}
