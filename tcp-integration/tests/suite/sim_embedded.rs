//! What a microcontroller has in its flash decides as the simulator's controller does.
//!
//! The certified controller is recorded where its model and certificate are files, in the
//! simulator's own transport and over smoltcp, event by event and with every decision. The logs are
//! told again to the program of `tautline embed`, which shares nothing with the recorded one but
//! the code: its weights are a static, and its envelope is a constant.

#[path = "../../../models/demo/policy.rs"]
#[expect(
    unreachable_pub,
    reason = "a module of the program that it is written for"
)]
mod demo_policy;

use std::time::Duration;

use tautline_core::controller::{Controller as _, Counters, Event, Learned};
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::Policy;
use tautline_netsim::scenario::LinkSpec;
use tautline_tcp_integration::{ControllerSource as _, GuardedSource};

use crate::sim_replay::{
    Record, assert_replays, count, links, record_in_model, record_over_smoltcp,
};
use crate::sim_setup::{SEGMENT, certified};

type Embedded = Learned<Policy<&'static [i16]>, UncheckedEnvelope>;

/// As the program of docs/embedded.md makes one per connection.
fn embedded() -> Embedded {
    let policy = demo_policy::policy().unwrap();
    GuardedSource::new(policy, demo_policy::ENVELOPE)
        .unwrap()
        .controller(SEGMENT)
}

/// Replays `records` into both programs: what they counted.
fn replay(what: &str, records: &[Record]) -> Counters {
    let (mut flash, mut shared) = (embedded(), certified());
    assert_replays(&format!("embedded, {what}"), records, &mut flash);
    assert_replays(&format!("shared, {what}"), records, &mut shared);
    assert_eq!(flash.counters(), shared.counters(), "{what}");
    assert_eq!(
        flash.policy_in_charge(),
        shared.policy_in_charge(),
        "{what}"
    );
    flash.counters()
}

/// Replays what `record` makes of a minute over each link, and holds the logs to having everything
/// in them that a controller can be told or decide.
fn assert_same_decisions(stack: &str, record: impl Fn(LinkSpec) -> Vec<Record>) {
    let (mut events, mut windows, mut losses, mut timeouts) = (0, 0, 0, 0);
    let (mut certified_decisions, mut fallbacks) = (0, 0);
    for (path, link) in links() {
        let records = record(link);
        let counters = replay(&format!("{stack}, {path}"), &records);
        events += records.len();
        let window = |record: &Record| record.decision.congestion_window;
        windows += records
            .windows(2)
            .filter(|pair| window(&pair[0]) != window(&pair[1]))
            .count();
        losses += count(&records, |event| matches!(event, Event::Congestion(_)));
        timeouts += count(&records, |event| matches!(event, Event::Timeout(_)));
        certified_decisions += counters.certified_decisions;
        fallbacks += counters.fallbacks;
    }
    let what = format!(
        "{stack}: {events} events, {windows} other windows, {losses} losses, {timeouts} timeouts, \
         {certified_decisions} decisions of the policy, {fallbacks} fallbacks"
    );
    println!("{what}");
    assert!(events > 100_000 && windows > 2000, "{what}");
    assert!(losses > 100 && timeouts > 0 && fallbacks > 0, "{what}");
    assert!(certified_decisions > 2000, "{what}");
}

#[test]
fn the_embedded_program_decides_as_the_controller_in_the_simulators_transport_did() {
    assert_same_decisions("the model", |link| {
        record_in_model(certified(), link, MINUTE)
    });
}

#[test]
fn the_embedded_program_decides_as_the_controller_over_smoltcp_did() {
    assert_same_decisions("smoltcp", |link| {
        record_over_smoltcp(certified(), link, MINUTE)
    });
}

const MINUTE: Duration = Duration::from_mins(1);
