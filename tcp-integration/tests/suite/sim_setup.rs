//! smoltcp connections in scenarios of the simulator.

use std::path::PathBuf;
use std::time::Duration;

use tautline_certificates::check;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, Outcome, RunOptions, run_carriers};
use tautline_tcp_integration::sim::{SmoltcpController, SmoltcpFlow, connection};
use tautline_tcp_integration::{CertifiedController, CertifiedSource, ControllerSource as _};

/// Payload of a full segment.
pub(crate) const SEGMENT: Bytes = Bytes::new(1460);

/// 10 Mbit/s, 40 ms, a drop-tail queue of one bandwidth-delay product.
pub(crate) fn link() -> LinkSpec {
    let rate = Bandwidth::from_bits_per_sec(10_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    LinkSpec::new(rate, Duration::from_millis(40), buffer)
}

/// The same losing one packet in a hundred.
pub(crate) fn lossy() -> LinkSpec {
    link().with_loss(0.01)
}

/// One flow per controller for `seconds`, measured from a sixth on.
pub(crate) fn scenario(link: LinkSpec, flows: u32, seconds: u64) -> ValidScenario {
    let duration = Duration::from_secs(seconds);
    ValidScenario::new(link, vec![FlowSpec::new("smoltcp").times(flows)], duration)
        .and_then(|scenario| scenario.with_warmup(duration / 6))
        .unwrap()
}

/// What smoltcp has, and what of ours goes by a name.
pub(crate) fn controller(name: &str) -> SmoltcpController {
    match name {
        "smoltcp-reno" => SmoltcpController::Reno,
        "smoltcp-cubic" => SmoltcpController::Cubic,
        "smoltcp-none" => SmoltcpController::None,
        "certified" => SmoltcpController::Ours(Box::new(certified())),
        name => SmoltcpController::Ours(by_name(name, SEGMENT, 1).unwrap()),
    }
}

/// The guarded policy of the shipped model under its checked certificate.
pub(crate) fn certified() -> CertifiedController {
    let file = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/demo");
        std::fs::read(folder.join(name)).unwrap()
    };
    let model = file("model.tlm");
    let certificate = check(&model, &file("certificate.tlc"), None).unwrap();
    CertifiedSource::from_model(&model, certificate)
        .unwrap()
        .controller(SEGMENT)
}

/// A smoltcp connection that starts at zero.
pub(crate) fn carrier(controller: SmoltcpController, seed: u64) -> Carrier<BoxedController> {
    let flow = SmoltcpFlow {
        controller,
        ..SmoltcpFlow::default()
    };
    connection(flow, Timestamp::ZERO, seed).unwrap().into()
}

/// Runs `scenario` with one smoltcp connection per name.
pub(crate) fn outcome(
    scenario: &ValidScenario,
    names: &[&str],
    seed: u64,
) -> Outcome<BoxedController> {
    let flows = names.iter().zip(0..);
    let carriers = flows.map(|(name, flow)| carrier(controller(name), flow_seed(seed, flow)));
    run_carriers(
        scenario,
        seed,
        carriers.collect(),
        &RunOptions::default(),
        None,
    )
    .unwrap()
}
