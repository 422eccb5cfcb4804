//! Captures and logs, read back by other code than that which wrote them.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::time::Duration;

use pcap_parser::pcapng::{Block, parse_block_le};
use qlog::events::quic::{PacketType, QuicFrame};
use qlog::events::{EventData, QUIC_URI};
use qlog::reader::{Event, QlogSeqReader};
use serde_json::Value;
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::record::{Capture, FlowLogs, Observers};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, Outcome, RunOptions, run_carriers};

/// Two flows with losses of both kinds.
fn scenario() -> ValidScenario {
    let rate = Bandwidth::from_bits_per_sec(10_000_000);
    let link = LinkSpec::new(rate, Duration::from_millis(40), Buffer::Packets(20)).with_loss(0.002);
    let flows = vec![FlowSpec::new("cubic"), FlowSpec::new("newreno")];
    let scenario = ValidScenario::new(link, flows, Duration::from_secs(5)).unwrap();
    scenario.named("lossy")
}

/// The outcome, the capture and the logs.
fn recorded(scenario: &ValidScenario) -> (Outcome<BoxedController>, Vec<u8>, Vec<Vec<u8>>) {
    let mut capture = Capture::new(Vec::new()).unwrap();
    let outputs = vec![Vec::new(); scenario.flows().len()];
    let mut logs = FlowLogs::new(scenario, 1, outputs).unwrap();
    let carriers = scenario.flows().iter().map(|flow| {
        let made = by_name(&flow.controller, Bytes::new(1500), 1).unwrap();
        Carrier::Model(made.into())
    });
    let carriers = carriers.collect();
    let mut observers = Observers::default().with(&mut capture).with(&mut logs);
    let options = RunOptions::default();
    let outcome = run_carriers(scenario, 1, carriers, &options, Some(&mut observers)).unwrap();
    (outcome, capture.finish().unwrap(), logs.finish().unwrap())
}

/// RFC 1071: the sum over a range that contains its own checksum.
fn ones_complement_sum(words: impl Iterator<Item = u16>) -> u16 {
    words.fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
}

#[test]
fn a_capture_has_every_packet_in_valid_datagrams() {
    let (outcome, bytes, _) = recorded(&scenario());
    let mut rest = &bytes[..];
    let (mut names, mut counts, mut last_ns) = (Vec::new(), [[0_u64; 2]; 3], 0);
    let mut comments = BTreeSet::new();
    while !rest.is_empty() {
        let (after, block) = parse_block_le(rest).unwrap();
        rest = after;
        match block {
            Block::SectionHeader(header) => assert_eq!(header.major_version, 1),
            Block::InterfaceDescription(interface) => {
                assert_eq!((interface.linktype.0, interface.if_tsresol), (101, 9));
                names.push(interface.if_name().unwrap().unwrap().to_owned());
            }
            Block::EnhancedPacket(packet) => {
                let at_ns = (u64::from(packet.ts_high) << 32) | u64::from(packet.ts_low);
                assert!(at_ns >= last_ns && at_ns <= 5_000_000_000);
                last_ns = at_ns;
                let data = &packet.data[..packet.caplen as usize];
                let forward = check_datagram(data, packet.origlen);
                counts[packet.if_id as usize][usize::from(forward)] += 1;
                let comment = packet.options.iter().find(|option| option.code.0 == 1);
                comments.extend(comment.map(|it| it.as_str().unwrap().to_owned()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, ["sender", "receiver", "drops"]);
    let packets = outcome.link.packets;
    let [
        [acks_in, data_out],
        [acks_out, data_in],
        [acks_lost, data_lost],
    ] = counts;
    assert_eq!((data_out, data_in), (packets.sent, packets.delivered));
    assert_eq!(data_lost, packets.dropped + packets.random_lost);
    assert!(
        packets.dropped > 0 && packets.random_lost > 0,
        "{packets:?}"
    );
    assert!(acks_in > 100 && acks_out >= acks_in && acks_lost == 0);
    let expected = ["link 0: dropped by the queue", "link 0: lost on the path"];
    assert_eq!(comments.iter().collect::<Vec<_>>(), expected);
}

/// Checks both checksums; true for packets of a sender.
fn check_datagram(data: &[u8], length: u32) -> bool {
    assert_eq!(data[0], 0x45);
    assert_eq!(u32::from(u16::from_be_bytes([data[2], data[3]])), length);
    assert_eq!(ones_complement_sum(words(&data[..20])), 0xFFFF);
    let pseudo = [17, length as u16 - 20];
    let sum = ones_complement_sum(words(&data[12..]).chain(pseudo));
    assert_eq!(sum, 0xFFFF);
    assert_eq!(data[28], 0x43, "fixed bit, packet number of four bytes");
    let from = u16::from_be_bytes([data[20], data[21]]);
    let forward = from == 443;
    assert!(forward || from == 50_000);
    // 10.0/9 to 10.128/9 or back, the same flow on both sides.
    assert_eq!((data[12], data[16]), (10, 10));
    assert_eq!(
        (data[13] ^ data[17], data[14..16] == data[18..20]),
        (128, true)
    );
    assert_eq!(data[13] < 128, forward);
    forward
}

#[test]
fn a_log_has_what_its_sender_saw_in_the_order_of_time() {
    let scenario = scenario();
    let (outcome, _, logs) = recorded(&scenario);
    assert_eq!(logs.len(), 2);
    for (report, log) in outcome.flows.iter().zip(&logs) {
        let reader = QlogSeqReader::new(Box::new(Cursor::new(log))).unwrap();
        assert!(
            reader
                .qlog
                .title
                .as_ref()
                .unwrap()
                .starts_with("lossy, seed 1, flow")
        );
        assert_eq!(reader.qlog.trace.event_schemas, [QUIC_URI]);
        let (mut sent, mut lost, mut last_ms) = (BTreeSet::new(), 0, 0.0);
        let (mut acks, mut windows) = (0, 0);
        let mut events = 0;
        for event in reader {
            let Event::Qlog(event) = event else {
                panic!("unknown event {event:?}");
            };
            events += 1;
            assert!(event.time >= last_ms && event.time <= 5000.0, "{event:?}");
            last_ms = event.time;
            match event.data {
                EventData::QuicPacketSent(packet) => {
                    assert_eq!(packet.header.packet_type, PacketType::OneRtt);
                    assert!(sent.insert(packet.header.packet_number.unwrap()));
                    let frame = &packet.frames.unwrap()[0];
                    assert!(matches!(
                        frame,
                        QuicFrame::Stream { .. } | QuicFrame::Ping { .. }
                    ));
                }
                EventData::QuicPacketReceived(packet) => {
                    let QuicFrame::Ack { acked_ranges, .. } = &packet.frames.unwrap()[0] else {
                        panic!("no acknowledgement");
                    };
                    let ranges = acked_ranges.as_ref().unwrap();
                    let largest = ranges.iter().map(|range| range.end).max().unwrap();
                    assert!(sent.contains(&largest));
                    acks += 1;
                }
                EventData::QuicPacketLost(packet) => {
                    let number = packet.header.unwrap().packet_number.unwrap();
                    assert!(sent.contains(&number), "{number} was not sent");
                    lost += 1;
                }
                EventData::QuicMetricsUpdated(metrics) => {
                    windows += u64::from(metrics.congestion_window.is_some());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(events, log.split(|&byte| byte == 0x1E).count() - 2);
        assert_eq!(sent.len() as u64, report.packets.sent);
        assert_eq!(lost, report.sender.lost_packets);
        assert!(acks > 100 && windows > 100 && lost > 0);
    }
}

#[test]
fn every_record_of_a_log_keeps_to_the_schema() {
    let (_, _, logs) = recorded(&scenario());
    for log in &logs {
        let mut records = log.split(|&byte| byte == 0x1E);
        assert_eq!(records.next().unwrap(), b"");
        let header: Value = serde_json::from_slice(records.next().unwrap()).unwrap();
        check_header(&header);
        for record in records {
            assert_eq!(record.last(), Some(&b'\n'));
            let event: Value = serde_json::from_slice(record).unwrap();
            check_event(&event);
        }
    }
}

/// QlogFileSeq, TraceSeq, VantagePoint and CommonFields of draft-ietf-quic-qlog-main-schema-13.
fn check_header(header: &Value) {
    assert_eq!(
        header["file_schema"],
        "urn:ietf:params:qlog:file:sequential"
    );
    assert_eq!(header["serialization_format"], "JSON-SEQ");
    let trace = &header["trace"];
    assert_eq!(
        trace["event_schemas"][0],
        "urn:ietf:params:qlog:events:quic-12"
    );
    assert_eq!(trace["vantage_point"]["type"], "server");
    assert_eq!(trace["common_fields"]["time_format"], "relative_to_epoch");
    let reference = &trace["common_fields"]["reference_time"];
    assert_eq!(
        (&reference["clock_type"], &reference["epoch"]),
        (&"monotonic".into(), &"unknown".into())
    );
}

/// A field with its CDDL type, and whether it must be there.
type Field = (&'static str, Kind, bool);

#[derive(Clone, Copy)]
enum Kind {
    Uint,
    Float,
    Text,
    Object(&'static [Field]),
    Frames,
}

/// PacketHeader of draft-ietf-quic-qlog-quic-events-12, and RawInfo of the main schema; the fields
/// that we write.
const HEADER: Kind = Kind::Object(&[
    ("packet_type", Kind::Text, true),
    ("packet_number", Kind::Uint, false),
]);
const RAW: Kind = Kind::Object(&[
    ("length", Kind::Uint, false),
    ("payload_length", Kind::Uint, false),
]);
/// QUICPacketSent and QUICPacketReceived.
const PACKET: &[Field] = &[
    ("header", HEADER, true),
    ("raw", RAW, false),
    ("frames", Kind::Frames, false),
];
/// QUICRecoveryMetricsUpdated.
const METRICS: &[Field] = &[
    ("smoothed_rtt", Kind::Float, false),
    ("min_rtt", Kind::Float, false),
    ("latest_rtt", Kind::Float, false),
    ("rtt_variance", Kind::Float, false),
    ("pto_count", Kind::Uint, false),
    ("congestion_window", Kind::Uint, false),
    ("bytes_in_flight", Kind::Uint, false),
    ("pacing_rate", Kind::Uint, false),
];
/// QUICPacketLost.
const LOST: &[Field] = &[("header", HEADER, false)];
/// AckFrame and StreamFrame.
const ACK: &[Field] = &[
    ("frame_type", Kind::Text, true),
    ("ack_delay", Kind::Float, false),
    ("acked_ranges", Kind::Frames, false),
    ("ect1", Kind::Uint, false),
    ("ect0", Kind::Uint, false),
    ("ce", Kind::Uint, false),
];
const STREAM: &[Field] = &[
    ("frame_type", Kind::Text, true),
    ("stream_id", Kind::Uint, true),
    ("offset", Kind::Uint, false),
    ("raw", RAW, false),
];

fn check_event(event: &Value) {
    let fields = event.as_object().unwrap();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert!(
        names
            .iter()
            .all(|name| ["time", "name", "data"].contains(name)),
        "{event}"
    );
    assert!(event["time"].is_number());
    let data = match event["name"].as_str().unwrap() {
        "quic:packet_sent" | "quic:packet_received" => PACKET,
        "quic:recovery_metrics_updated" => METRICS,
        "quic:packet_lost" => LOST,
        other => panic!("{other}"),
    };
    check_object(&event["data"], data);
}

fn check_object(value: &Value, fields: &[Field]) {
    let object = value.as_object().unwrap();
    for &(name, _, required) in fields {
        assert!(
            !required || object.contains_key(name),
            "no {name} in {value}"
        );
    }
    for (name, value) in object {
        let field = fields.iter().find(|field| field.0 == name);
        let &(_, kind, _) = field.unwrap_or_else(|| panic!("{name} is not in the schema"));
        match kind {
            Kind::Uint => assert!(value.is_u64(), "{name}: {value}"),
            Kind::Float => assert!(value.is_number(), "{name}: {value}"),
            Kind::Text => assert!(value.is_string(), "{name}: {value}"),
            Kind::Object(inner) => check_object(value, inner),
            Kind::Frames if name == "acked_ranges" => {
                for range in value.as_array().unwrap() {
                    let ends: Vec<u64> = serde_json::from_value(range.clone()).unwrap();
                    assert!(ends.len() == 1 || (ends.len() == 2 && ends[0] < ends[1]));
                }
            }
            Kind::Frames => {
                for frame in value.as_array().unwrap() {
                    match frame["frame_type"].as_str().unwrap() {
                        "ack" => check_object(frame, ACK),
                        "stream" => check_object(frame, STREAM),
                        "ping" => check_object(frame, &ACK[..1]),
                        other => panic!("{other}"),
                    }
                }
            }
        }
    }
}

/// Takes so many bytes and then fails.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if buf.len() > self.0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= buf.len();
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_reported_at_the_end_and_does_not_stop_the_run() {
    let scenario = scenario();
    let mut capture = Capture::new(Full(10_000)).unwrap();
    let mut logs = FlowLogs::new(&scenario, 1, vec![Full(10_000), Full(10_000)]).unwrap();
    let carriers = scenario.flows().iter().map(|flow| {
        let made = by_name(&flow.controller, Bytes::new(1500), 1).unwrap();
        Carrier::Model(BoxedController::from(made))
    });
    let carriers = carriers.collect();
    let mut observers = Observers::default().with(&mut capture).with(&mut logs);
    let options = RunOptions::default();
    let outcome = run_carriers(&scenario, 1, carriers, &options, Some(&mut observers)).unwrap();
    assert!(outcome.data_packets > 1000);
    for error in [capture.finish().err(), logs.finish().err()] {
        assert_eq!(error.unwrap().kind(), std::io::ErrorKind::StorageFull);
    }
    assert!(Capture::new(Full(10)).is_err());
}
