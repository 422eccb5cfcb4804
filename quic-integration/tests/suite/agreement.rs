//! The simulator and quinn drive one and the same controller: an event log of either, fed to a fresh
//! controller, leads to the decisions that were made there.

use std::sync::Arc;
use std::time::Duration;

use tautline_core::controller::{Controller, Counters, Decision, Event, NewReno};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};
use tautline_quic_integration::{Adapter, AdapterFactory, EventLog, GuardedFactory, Recorder};

use crate::learned::{envelope, policy};
use crate::pair::{Departures, Link, MTU, Pair};

/// What one stack told a controller, and what that decided each time.
struct Run {
    log: Vec<(Timestamp, Event)>,
    decisions: Vec<Decision>,
    counters: Counters,
}

/// 10 Mbit/s, 40 ms round trip, one BDP of buffer and one packet in a thousand lost: 20 s.
fn in_the_simulator<C: Controller>(controller: C) -> Run {
    let link = LinkSpec::new(
        Bandwidth::from_bits_per_sec(10_000_000),
        Duration::from_millis(40),
        Buffer::BandwidthDelayProducts(1.0),
    )
    .with_loss(0.001);
    let flows = vec![FlowSpec::new("logged")];
    let scenario = ValidScenario::new(link, flows, Duration::from_secs(20)).unwrap();
    let witness = EventLog::default();
    let controllers = vec![Recorder::new(controller, witness.clone())];
    let options = RunOptions::default().with_log(0);
    let outcome = run(&scenario, 1, controllers, &options).unwrap();
    let records = witness.records();
    let log = outcome.log.unwrap();
    let witnessed: Vec<_> = records.iter().map(|r| (r.at, r.event)).collect();
    assert_eq!(log, witnessed, "the simulator logs what it tells");
    Run {
        log,
        decisions: records.iter().map(|record| record.decision).collect(),
        counters: outcome.controllers[0].counters(),
    }
}

/// The same link with an outage of half a second instead of random loss, 6 MB.
fn in_quinn<C, F>(controller: F) -> Run
where
    C: Controller + Clone + Send + Sync + 'static,
    F: Fn(Bytes) -> C + Send + Sync + 'static,
{
    let witness = EventLog::default();
    let shared = witness.clone();
    let factory = AdapterFactory::new(move |mtu| Recorder::new(controller(mtu), shared.clone()));
    let link = Link {
        outage: Some((Duration::from_secs(3), Duration::from_millis(3_500))),
        ..Link::ten_megabits()
    };
    let mut pair = Pair::new(link, Arc::new(factory), Departures::Together);
    assert!(pair.upload(6_000_000, Duration::from_mins(1)).finished);
    let state = pair.sender().congestion_state().clone_box().into_any();
    let adapter = state.downcast::<Adapter<Recorder<C>>>();
    let records = witness.records();
    Run {
        log: records.iter().map(|r| (r.at, r.event)).collect(),
        decisions: records.iter().map(|record| record.decision).collect(),
        counters: adapter.unwrap().counters(),
    }
}

fn assert_agrees<C: Controller>(run: &Run, mut fresh: C) {
    assert!(run.log.len() > 5_000, "{} events", run.log.len());
    let losses = run
        .log
        .iter()
        .filter(|(_, event)| matches!(event, Event::Congestion(_)));
    assert!(losses.count() > 0, "the log covers losses");
    for (index, ((at, event), decision)) in run.log.iter().zip(&run.decisions).enumerate() {
        event.replay(*at, &mut fresh);
        assert_eq!(fresh.decision(), *decision, "event {index}: {event:?}");
    }
    assert_eq!(fresh.counters(), run.counters);
}

#[test]
fn new_reno_decides_the_same_from_the_logs_of_both() {
    let mtu = Bytes::new(MTU.into());
    assert_agrees(&in_the_simulator(NewReno::new(mtu)), NewReno::new(mtu));
    assert_agrees(&in_quinn(NewReno::new), NewReno::new(mtu));
}

#[test]
fn the_guarded_policy_decides_the_same_from_the_logs_of_both() {
    let mtu = Bytes::new(MTU.into());
    let policy = policy();
    let envelope = envelope(policy.digest());
    let factory = Arc::new(GuardedFactory::new(policy, envelope).unwrap());
    let builder = Arc::clone(&factory);
    let simulated = in_the_simulator(factory.controller(mtu).unwrap());
    let inside = in_quinn(move |mtu| builder.controller(mtu).unwrap());
    for run in [simulated, inside] {
        assert!(run.counters.certified_decisions > 25, "{:?}", run.counters);
        assert_agrees(&run, factory.controller(mtu).unwrap());
    }
}

#[test]
fn a_shift_of_the_clock_changes_no_decision() {
    // quinn's connections start at an hour, the simulator's at zero.
    let mtu = Bytes::new(MTU.into());
    let policy = policy();
    let factory = GuardedFactory::new(policy.clone(), envelope(policy.digest())).unwrap();
    let mut run = in_the_simulator(factory.controller(mtu).unwrap());
    let shift = |at: Timestamp| at.saturating_add(Duration::from_hours(1));
    for (at, event) in &mut run.log {
        *at = shift(*at);
        match event {
            Event::PacketAcked(packet) => packet.time_sent = shift(packet.time_sent),
            Event::Congestion(congestion) => congestion.time_sent = shift(congestion.time_sent),
            _ => {}
        }
    }
    assert_agrees(&run, factory.controller(mtu).unwrap());
}
