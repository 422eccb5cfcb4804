use std::time::Duration;

use tautline_core::controller::{Controller, Learned};
use tautline_core::features::FeatureTable;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{HeadKind, Policy};
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::baseline::Cubic;
use tautline_netsim::report::LinkReport;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};
use tautline_trainer::ReferenceLaw;

use crate::small;

const DATAGRAM: Bytes = Bytes::new(1500);

/// 20 Mbit/s, 40 ms, two bandwidth-delay products of buffer.
fn link(controller: impl Controller) -> LinkReport {
    let link = LinkSpec::new(
        Bandwidth::from_bits_per_sec(20_000_000),
        Duration::from_millis(40),
        Buffer::BandwidthDelayProducts(2.0),
    );
    let flows = vec![FlowSpec::new("policy")];
    let scenario = ValidScenario::new(link, flows, Duration::from_secs(20)).unwrap();
    let scenario = scenario.with_warmup(Duration::from_secs(4)).unwrap();
    run(&scenario, 1, vec![controller], &RunOptions::default()).link
}

fn envelope(digest: tautline_core::policy::Digest) -> UncheckedEnvelope {
    UncheckedEnvelope::dangerously_unchecked(digest, FeatureTable::by_version(1).unwrap())
}

#[test]
fn a_clone_fills_the_link_with_less_queue_than_cubic() {
    let mut params = small::params();
    params.clone.steps = 1500;
    params.evolve.generations = 0;
    let trained = small::trained(params);
    let error = trained.report.clone_error;
    assert!(error < 0.01, "clone error {error}");
    let policy = Policy::new(trained.header, trained.parameters).unwrap();
    let digest = policy.digest();
    let learned = link(Learned::new(policy, envelope(digest), DATAGRAM).unwrap());
    let cubic = link(Cubic::new(DATAGRAM));
    assert!(learned.utilisation >= 0.85, "{learned:?}");
    assert!(
        learned.queue_delay_mean_ms < 0.5 * cubic.queue_delay_mean_ms,
        "policy {} ms, cubic {} ms",
        learned.queue_delay_mean_ms,
        cubic.queue_delay_mean_ms
    );
}

#[test]
fn the_reference_law_itself_fills_the_link_with_a_quarter_of_cubics_queue() {
    let law = ReferenceLaw::new(&[HeadKind::Rate]).unwrap();
    let digest = ReferenceLaw::law_digest();
    let law = link(Learned::new(law, envelope(digest), DATAGRAM).unwrap());
    let cubic = link(Cubic::new(DATAGRAM));
    assert!(law.utilisation >= 0.95, "{law:?}");
    assert!(
        law.queue_delay_mean_ms < 0.25 * cubic.queue_delay_mean_ms,
        "{law:?}"
    );
}
