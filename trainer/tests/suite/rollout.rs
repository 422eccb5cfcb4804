use std::time::Duration;

use tautline_core::controller::{Controller, Learned};
use tautline_core::features::{FeatureTable, index};
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{HeadKind, Policy, Scratch};
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
    run(&scenario, 1, vec![controller], &RunOptions::default())
        .unwrap()
        .link
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

#[test]
fn further_heads_are_cloned_beside_the_rate() {
    let mut params = small::params();
    params.network.heads = vec!["rate".to_owned(), "buffer".to_owned()];
    params.clone.steps = 1500;
    params.evolve.generations = 0;
    let trained = small::trained(params);
    assert!(trained.report.clone_error < 0.01, "{:?}", trained.report);
    let policy = Policy::new(trained.header, trained.parameters).unwrap();
    let buffer = policy.header().head_index(HeadKind::Buffer).unwrap();
    let mut features = [0; 12];
    features[index::LOG_WINDOW] = 30_000;
    features[index::OWN_QUEUE] = 20_000;
    features[index::ACKED_RATIO] = 65_536;
    let mut scratch = Scratch::new();
    let idle = policy.forward(&features, &mut scratch)[buffer];
    features[index::QUEUEING] = 65_536;
    features[index::STANDING_QUEUE] = 65_536;
    features[index::QUEUEING_EWMA] = 65_536;
    let queued = policy.forward(&features, &mut scratch)[buffer];
    // The law: 1/4 without a queue, −1/4 with one of a base round-trip time.
    assert!((f64::from(idle) / 65_536.0 - 0.25).abs() < 0.15, "{idle}");
    assert!(
        (f64::from(queued) / 65_536.0 + 0.25).abs() < 0.15,
        "{queued}"
    );
}
