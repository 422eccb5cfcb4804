//! Scenarios in which watched and unwatched runs once differed, at equal times.

use tautline_netsim::scenario::{
    CapacitySpec, CellularSpec, FlowSpec, LinkSpec, LossSpec, TransportSpec, ValidScenario,
};

use super::network::{at, millis};
use super::witness::Witness;
use super::{outcome, watched};
use crate::paths::{hop, mbps};

fn over(links: Vec<LinkSpec>, flow: FlowSpec, transport: TransportSpec) -> ValidScenario {
    ValidScenario::over(links, vec![flow], millis(2000))
        .and_then(|scenario| scenario.with_transport(transport))
        .unwrap()
}

fn assert_watching_changes_nothing(scenario: &ValidScenario) {
    for seed in 0..40 {
        let mut witness = Witness::new(scenario);
        let seen = watched(scenario, seed, &mut witness);
        let plain = outcome(scenario, seed);
        assert_eq!(plain.flows, seen.flows, "seed {seed}");
        assert_eq!(plain.digest, seen.digest, "seed {seed}");
    }
}

#[test]
fn acknowledgements_are_called_the_same_before_and_after_their_way_gets_links() {
    let link = LinkSpec {
        loss: LossSpec::Bernoulli(0.05),
        ..hop("both-ways", 0.4, 0, 2674)
    };
    let flow = FlowSpec::new("newreno").along(&["both-ways"], &[]);
    let flow = flow.rerouted_at(at(700), &["both-ways"], &["both-ways"]);
    let transport = TransportSpec {
        ack_every: 1,
        ack_bytes: 1,
        ..TransportSpec::default()
    };
    assert_watching_changes_nothing(&over(vec![link], flow, transport));
}

/// Packets of a random link come out together every 10 ms.
fn together() -> LinkSpec {
    LinkSpec {
        aggregation: Some(millis(10)),
        ..hop("together", 15.0, 0, 36_000).with_capacity(CapacitySpec::Cellular(CellularSpec {
            mean: mbps(15.0),
            volatility: 0.3,
            outage_every: millis(315),
            outage: millis(150),
        }))
    }
}

#[test]
fn an_arrival_does_not_let_the_sender_act_before_what_arrives_at_the_same_time() {
    let transport = TransportSpec {
        ack_every: 3,
        max_ack_delay: millis(10),
        ..TransportSpec::default()
    };
    for name in ["newreno", "bbr", "copa"] {
        let flow = FlowSpec::new(name)
            .along(&["together"], &[])
            .with_extra_one_way_delay(millis(25));
        assert_watching_changes_nothing(&over(vec![together()], flow, transport));
    }
}

#[test]
fn acknowledgements_keep_their_place_where_their_way_loses_its_links() {
    let there = LinkSpec {
        delay: millis(10),
        ..together()
    };
    let back = LinkSpec {
        name: "back".to_owned(),
        ..together()
    };
    // Every tenth of a second the way back gets its link or loses it.
    let flow = FlowSpec::new("cubic").along(&["together"], &["back"]);
    let flow = (1..20).fold(flow, |flow, tenth| {
        let links: &[&str] = if tenth % 2 == 0 { &["back"] } else { &[] };
        flow.rerouted_at(at(100 * tenth), &["together"], links)
    });
    let transport = TransportSpec {
        ack_every: 1,
        ..TransportSpec::default()
    };
    assert_watching_changes_nothing(&over(vec![there, back], flow, transport));
}
