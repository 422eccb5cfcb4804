//! The transport model and quinn under one controller, in the same scenarios of the simulator.

use std::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::link::impair::{JitterSpec, Order};
use tautline_netsim::scenario::{
    Buffer, EcnSpec, FlowSpec, LinkSpec, QueueSpec, RateStep, TransportSpec, ValidScenario,
    WorkloadSpec,
};
use tautline_netsim::sim::{Carrier, Outcome, RunOptions, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{QuinnController, QuinnFlow, connection};

const MTU: Bytes = Bytes::new(1472);
const SECOND: u64 = 1_000_000_000;

fn mbit(megabits: u64) -> Bandwidth {
    Bandwidth::from_bits_per_sec(megabits * 1_000_000)
}

fn link(megabits: u64, rtt_ms: u64, products: f64) -> LinkSpec {
    let buffer = Buffer::BandwidthDelayProducts(products);
    LinkSpec::new(mbit(megabits), Duration::from_millis(rtt_ms), buffer)
}

/// Thirty seconds with packets as quinn's: 1,500 bytes on the wire of which 1,438 are payload.
fn scenario(link: LinkSpec, flows: Vec<FlowSpec>) -> ValidScenario {
    let transport = TransportSpec {
        overhead_bytes: 62,
        ..TransportSpec::default()
    };
    ValidScenario::new(link, flows, Duration::from_secs(30))
        .unwrap()
        .with_transport(transport)
        .unwrap()
}

fn model(controller: &str) -> Carrier<BoxedController> {
    Carrier::Model(by_name(controller, MTU, 1).unwrap().into())
}

fn quinn(controller: QuinnController, ecn: Ecn, seed: u64) -> Carrier<BoxedController> {
    let flow = QuinnFlow {
        controller,
        ecn,
        ..QuinnFlow::default()
    };
    connection(flow, Timestamp::ZERO, seed).unwrap().into()
}

fn ours(controller: &str, seed: u64) -> Carrier<BoxedController> {
    let controller = by_name(controller, MTU, 1).unwrap();
    quinn(QuinnController::Ours(controller), Ecn::NotEct, seed)
}

fn run(
    scenario: &ValidScenario,
    carriers: Vec<Carrier<BoxedController>>,
) -> Outcome<BoxedController> {
    run_carriers(scenario, 1, carriers, &RunOptions::default(), None).unwrap()
}

#[test]
fn goodput_and_queueing_delay_of_model_and_quinn_agree() {
    let step = |seconds, megabits| RateStep {
        at: Timestamp::from_nanos(seconds * SECOND),
        rate: mbit(megabits),
    };
    let steps = vec![step(0, 10), step(10, 40), step(20, 5)];
    let cases = [
        ("newreno", link(10, 40, 1.0), 1),
        ("newreno", link(40, 40, 1.0), 4),
        (
            "newreno",
            link(20, 40, 4.0).with_queue(QueueSpec::codel()),
            1,
        ),
        ("newreno", link(10, 40, 2.0).with_rates(steps), 1),
        ("cubic", link(10, 40, 4.0), 1),
        ("cubic", link(40, 10, 2.0), 2),
        ("vegas", link(20, 40, 2.0), 1),
    ];
    for (controller, link, count) in cases {
        let case = format!("{controller} × {count} over {link:?}");
        let scenario = scenario(link, vec![FlowSpec::new(controller).times(count)]);
        let by_model = run(&scenario, (0..count).map(|_| model(controller)).collect());
        let flows = (0..u64::from(count)).map(|seed| ours(controller, seed));
        let by_quinn = run(&scenario, flows.collect());
        let ratio =
            |figure: fn(&Outcome<BoxedController>) -> f64| figure(&by_model) / figure(&by_quinn);
        let goodput = ratio(|outcome| outcome.link.goodput_mbps);
        assert!((goodput - 1.0).abs() < 0.02, "goodput {goodput} {case}");
        let delay = ratio(|outcome| outcome.link.queue_delay_mean_ms);
        assert!((delay - 1.0).abs() < 0.1, "delay {delay} {case}");
    }
}

#[test]
fn model_and_quinn_share_a_link_evenly_under_one_controller() {
    let scenario = scenario(link(20, 40, 1.0), vec![FlowSpec::new("newreno").times(2)]);
    let outcome = run(&scenario, vec![model("newreno"), ours("newreno", 1)]);
    let [model, quinn] = [0, 1].map(|flow| outcome.flows[flow].goodput_mbps);
    assert!(model + quinn > 18.5, "{model} {quinn}");
    assert!((0.6..1.6).contains(&(model / quinn)), "{model} {quinn}");
}

#[test]
fn runs_with_quinn_repeat_to_the_bit() {
    let scenario = scenario(
        link(20, 40, 1.0).with_loss(0.002),
        vec![FlowSpec::new("cubic").times(3)],
    );
    let run = |seed| {
        let peers = [QuinnController::Cubic, QuinnController::Bbr];
        let mut carriers = vec![ours("cubic", seed)];
        carriers.extend(peers.map(|peer| quinn(peer, Ecn::Ect0, seed + 1)));
        let outcome = run(&scenario, carriers);
        let goodputs: Vec<u64> = outcome
            .flows
            .iter()
            .map(|flow| flow.goodput_mbps.to_bits())
            .collect();
        (outcome.digest, goodputs)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn marks_of_a_queue_reach_a_controller_inside_quinn() {
    let link = link(20, 40, 4.0).with_queue(QueueSpec::codel());
    let flows = vec![FlowSpec::new("newreno").with_ecn(EcnSpec::Classic)];
    let controller = || QuinnController::Ours(by_name("newreno", MTU, 1).unwrap());
    let scenario = scenario(link, flows);
    let marked = run(&scenario, vec![quinn(controller(), Ecn::Ect0, 1)]);
    let dropped = run(&scenario, vec![quinn(controller(), Ecn::NotEct, 1)]);
    assert_eq!(marked.link.loss, 0.0);
    assert!(dropped.link.loss > 0.0);
    assert!(marked.link.queue_delay_mean_ms < 10.0);
    assert!(marked.link.goodput_mbps > 14.0);
}

#[test]
fn a_scalable_controller_inside_quinn_keeps_a_marking_queue_short() {
    let link = link(20, 20, 4.0).with_queue(QueueSpec::dual_pi2());
    let flows = vec![FlowSpec::new("prague").with_ecn(EcnSpec::L4s)];
    let controller = QuinnController::Ours(by_name("prague", MTU, 1).unwrap());
    let outcome = run(
        &scenario(link, flows),
        vec![quinn(controller, Ecn::Ect1, 1)],
    );
    assert_eq!(outcome.link.loss, 0.0);
    assert!(outcome.link.queue_delay_mean_ms < 3.0);
    assert!(outcome.link.goodput_mbps > 14.0);
}

/// Goodput in the last quarter of a run at 1 Gbit/s and 40 ms, a fixed window of 2 MB inside quinn.
fn late_goodput_mbps(link: LinkSpec, seconds: u64) -> f64 {
    let duration = Duration::from_secs(seconds);
    let scenario = ValidScenario::new(link, vec![FlowSpec::new("fixed:2000000")], duration)
        .unwrap()
        .with_warmup(duration * 3 / 4)
        .unwrap();
    let outcome = run(&scenario, vec![ours("fixed:2000000", 1)]);
    assert_eq!(outcome.flows[0].failure, None);
    outcome.flows[0].goodput_mbps
}

#[test]
fn an_upload_goes_on_however_much_is_lost() {
    for (loss, seconds, least_mbps) in [(0.2, 32, 280.0), (0.5, 10, 170.0)] {
        let link = link(1_000, 40, 1.0).with_loss(loss);
        let goodput = late_goodput_mbps(link, seconds);
        assert!(goodput > least_mbps, "{loss}: {goodput}");
    }
}

#[test]
fn an_upload_goes_on_where_packets_overtake_each_other() {
    let mut link = link(1_000, 40, 1.0);
    link.jitter = JitterSpec {
        max: Duration::from_millis(20),
        order: Order::Free,
        ..link.jitter
    };
    // Nearly all packets are declared lost, so that most is sent many times.
    let goodput = late_goodput_mbps(link, 12);
    assert!(goodput > 10.0, "{goodput}");
}

#[test]
fn a_limited_upload_over_a_stack_reports_its_end_and_true_round_trip_times() {
    let flow = FlowSpec::new("fixed:20000").limited_to(Bytes::new(1_000_000));
    let scenario = scenario(link(20, 40, 1.0), vec![flow]);
    let [by_quinn, by_model] = [ours("fixed:20000", 1), model("fixed:20000")]
        .map(|carrier| run(&scenario, vec![carrier]).flows[0].clone());
    let ends = [&by_quinn, &by_model].map(|flow| flow.completed_s.unwrap());
    assert!((0.9..1.2).contains(&(ends[0] / ends[1])), "{ends:?}");
    for flow in [&by_quinn, &by_model] {
        assert!((40.0..42.0).contains(&flow.rtt_min_ms), "{flow:?}");
        assert!(flow.rtt_mean_ms >= flow.rtt_min_ms, "{flow:?}");
        assert!(flow.rtt_mean_ms < 60.0, "{flow:?}");
        assert_eq!(flow.in_flight_bytes, 0, "{flow:?}");
    }
}

#[test]
fn quinn_falls_silent_when_the_application_of_the_model_does() {
    let second = Duration::from_secs(1);
    let on_off = WorkloadSpec::OnOff {
        on: second,
        off: second,
    };
    // A window of one bandwidth-delay product: what loss recovery costs each does not matter.
    let name = "fixed:50000";
    for flow in [
        FlowSpec::new(name).with_workload(on_off),
        FlowSpec::new(name).stopping_at(Timestamp::from_nanos(5_000_000_000)),
    ] {
        let scenario = ValidScenario::new(link(10, 40, 1.0), vec![flow], 20 * second).unwrap();
        let share = |carrier| {
            let (carriers, options) = (vec![carrier], RunOptions::default());
            let outcome = run_carriers(&scenario, 1, carriers, &options, None).unwrap();
            assert_eq!(outcome.flows[0].failure, None);
            outcome.link.utilisation
        };
        let model = share(model(name));
        let flow = QuinnFlow {
            controller: QuinnController::Ours(by_name(name, MTU, 1).unwrap()),
            ahead: Bytes::new(16 * 1472),
            ..QuinnFlow::default()
        };
        let quinn = share(connection(flow, Timestamp::ZERO, 1).unwrap().into());
        assert!((0.1..0.8).contains(&model), "{model}");
        assert!(
            (quinn - model).abs() < 0.05,
            "{quinn} over quinn, {model} over the model, seed 1"
        );
    }
}
