//! The same events lead to the same decisions, inside quinn or out of it.

use std::sync::Arc;
use std::time::Duration;

use tautline_core::controller::{Controller, Event, NewReno};
use tautline_core::units::Bytes;
use tautline_quic_integration::{AdapterFactory, EventLog, Record, Recorder};

use crate::pair::{Departures, Link, MTU, Pair};

/// Uploads 3 MB over a lossy link and returns what the controller saw and decided.
fn record<C, F>(controller: F, link: Link) -> Vec<Record>
where
    C: Controller + Clone + Send + Sync + 'static,
    F: Fn(Bytes) -> C + Send + Sync + 'static,
{
    let log = EventLog::default();
    let shared = log.clone();
    let factory = AdapterFactory::new(move |mtu| Recorder::new(controller(mtu), shared.clone()));
    let mut pair = Pair::new(link, Arc::new(factory), Departures::Together);
    let outcome = pair.upload(3_000_000, Duration::from_mins(2));
    assert!(outcome.finished, "{outcome:?}");
    log.records()
}

fn assert_replays<C: Controller>(records: &[Record], mut fresh: C) {
    for (index, record) in records.iter().enumerate() {
        record.event.replay(record.at, &mut fresh);
        assert_eq!(
            fresh.decision(),
            record.decision,
            "event {index}: {record:?}"
        );
    }
}

#[test]
fn new_reno_decides_the_same_from_its_event_log() {
    let records = record(NewReno::new, Link::ten_megabits());
    let losses = records
        .iter()
        .filter(|record| matches!(record.event, Event::Congestion(_)))
        .count();
    assert!(losses > 0, "the log covers losses");
    assert_replays(&records, NewReno::new(Bytes::new(MTU.into())));
}

#[test]
fn new_reno_decides_the_same_across_an_outage() {
    let link = Link {
        outage: Some((Duration::from_millis(700), Duration::from_secs(2))),
        ..Link::ten_megabits()
    };
    let records = record(NewReno::new, link);
    let timeouts = records
        .iter()
        .filter(|record| matches!(record.event, Event::Timeout(_)))
        .count();
    assert!(timeouts > 0, "the log covers timeouts");
    assert_replays(&records, NewReno::new(Bytes::new(MTU.into())));
}

#[test]
fn two_uploads_with_the_same_seed_see_the_same_events() {
    let first = record(NewReno::new, Link::ten_megabits());
    let second = record(NewReno::new, Link::ten_megabits());
    assert_eq!(first.len(), second.len());
    assert!(first.iter().zip(&second).all(|(a, b)| a == b));
}
