//! Applications over paths whose figures can be computed.

use core::time::Duration;

use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::report::FlowReport;
use tautline_netsim::scenario::{
    Blacked, Blackout, FlowSpec, LinkSpec, RetrySpec, SizeSpec, WorkloadSpec,
};
use tautline_netsim::workload::{ApplicationReport, IncastReport};

use crate::graphs::millis;
use crate::paths::{dumbbell, mbps, outcome, over};

/// One flow of `workload` for 20 s, measured from 5 s on.
fn flow(link: LinkSpec, workload: WorkloadSpec) -> FlowReport {
    let flow = FlowSpec::new("cubic").with_workload(workload);
    outcome(&over(vec![link], vec![flow], 20)).flows.remove(0)
}

macro_rules! report {
    ($kind:ident, $flow:expr) => {
        match $flow.application {
            Some(ApplicationReport::$kind(report)) => report,
            other => panic!("{other:?}"),
        }
    };
}

#[test]
fn on_off_sends_about_half_of_the_time() {
    let workload = WorkloadSpec::OnOff {
        on: millis(300),
        off: millis(300),
    };
    let report = report!(OnOff, flow(dumbbell(10.0, 20, 1.0), workload));
    assert!((12..40).contains(&report.periods), "{report:?}");
    assert!((4.0..11.0).contains(&report.on_s), "{report:?}");
    // 9.65 Mbit/s of payload at most, but for what a buffer still holds when a period ends.
    assert!(
        (5.0..10.2).contains(&report.rate_while_on_mbps),
        "{report:?}"
    );
}

#[test]
fn web_objects_take_at_least_propagation_and_transmission() {
    let workload = |bytes| WorkloadSpec::Web {
        every: millis(500),
        object: SizeSpec::Fixed(Bytes::new(bytes)),
    };
    let small = report!(Web, flow(dumbbell(10.0, 40, 2.0), workload(10_000)));
    assert!((18..45).contains(&small.objects), "{small:?}");
    assert!(small.completed + 1 >= small.objects, "{small:?}");
    assert_eq!(small.completed_bytes, 10_000 * small.completed);
    // 20 ms there and 8.3 ms on the wire; the initial window is enough.
    assert!(small.completion.p50_ms >= 28.0, "{small:?}");
    assert!(small.completion.mean_ms < 45.0, "{small:?}");
    let large = report!(Web, flow(dumbbell(10.0, 40, 2.0), workload(200_000)));
    // 200 kB take 166 ms on the wire.
    assert!(large.completion.p50_ms >= 180.0, "{large:?}");
    assert!(large.completion.mean_ms < 900.0, "{large:?}");
}

fn asking(budget: f64) -> WorkloadSpec {
    WorkloadSpec::RequestResponse {
        request: Bytes::new(300),
        response: SizeSpec::Fixed(Bytes::new(5000)),
        think: millis(20),
        deadline: millis(200),
        retry: RetrySpec {
            timeout: millis(150),
            backoff: 2.0,
            jitter: 0.0,
            attempts: 5,
            budget,
        },
    }
}

#[test]
fn requests_are_answered_in_a_round_trip_and_retried_under_blackouts_within_the_budget() {
    let calm = report!(RequestResponse, flow(dumbbell(10.0, 40, 2.0), asking(0.1)));
    assert!(calm.requests > 150, "{calm:?}");
    assert_eq!(
        (calm.retries, calm.failed, calm.missed_deadlines),
        (0, 0, 0)
    );
    assert!((44.0..60.0).contains(&calm.response.mean_ms), "{calm:?}");
    assert_eq!(calm.useful_bytes, 5000 * calm.completed);

    let blackouts = (0..6).map(|number| Blackout {
        at: Timestamp::from_nanos(1_000_000_000 + number * 3_000_000_000),
        length: Duration::from_secs(1),
        packets: Blacked::Lost,
    });
    let interrupted = LinkSpec {
        blackouts: blackouts.collect(),
        ..dumbbell(10.0, 40, 2.0)
    };
    let broken = report!(RequestResponse, flow(interrupted.clone(), asking(0.1)));
    assert!(broken.retries > 0, "{broken:?}");
    // Ten may have been saved up before the window.
    let allowed = 10.0 + 0.1 * broken.requests as f64;
    assert!(broken.retries as f64 <= allowed, "{broken:?}");
    assert!(broken.missed_deadlines >= 3, "{broken:?}");
    let settled = broken.completed + broken.failed;
    assert!(
        (settled..=settled + 1).contains(&broken.requests),
        "{broken:?}"
    );
    let stubborn = report!(RequestResponse, flow(interrupted.clone(), asking(10.0)));
    assert!(
        stubborn.retries >= broken.retries,
        "{stubborn:?} {broken:?}"
    );
    assert_eq!(stubborn.refused_retries, 0, "{stubborn:?}");
    let meek = report!(RequestResponse, flow(interrupted, asking(0.0)));
    assert_eq!(meek.retries, 0, "{meek:?}");
    assert!(meek.failed > 0 && meek.refused_retries > 0, "{meek:?}");
}

#[test]
fn frames_are_late_where_the_link_is_too_slow() {
    let workload = || WorkloadSpec::RealTime {
        rate: mbps(2.0),
        frame_every: millis(20),
        deadline: millis(100),
    };
    let of = |rate| report!(RealTime, flow(dumbbell(rate, 40, 4.0), workload()));
    let (fast, tight, slow) = (of(10.0), of(2.3), of(1.0));
    assert!((749..=751).contains(&fast.frames), "{fast:?}");
    assert_eq!(fast.late, 0, "{fast:?}");
    // 20 ms there and four packets at 1.2 ms.
    assert!((23.0..27.0).contains(&fast.delay.mean_ms), "{fast:?}");
    assert!(tight.late_fraction < 0.1, "{tight:?}");
    assert!(slow.late_fraction > 0.9, "{slow:?}");
}

fn video() -> WorkloadSpec {
    WorkloadSpec::Video {
        chunk: Duration::from_secs(1),
        ladder: [1.0, 2.5, 5.0, 8.0].map(mbps).to_vec(),
        buffer: Duration::from_secs(20),
    }
}

#[test]
fn video_takes_the_rate_that_the_link_has() {
    let fast = report!(Video, flow(dumbbell(40.0, 40, 2.0), video()));
    assert!(fast.bitrate_mbps > 6.0, "{fast:?}");
    assert_eq!((fast.rebuffers, fast.rebuffer_s), (0, 0.0), "{fast:?}");
    assert!((fast.played_s - 15.0).abs() < 1e-6, "{fast:?}");
    assert!((0.05..1.0).contains(&fast.startup_s), "{fast:?}");
    let slow = report!(Video, flow(dumbbell(0.6, 40, 4.0), video()));
    assert!((slow.bitrate_mbps - 1.0).abs() < 1e-9, "{slow:?}");
    assert!(slow.rebuffers > 2 && slow.rebuffer_s > 3.0, "{slow:?}");
    assert!(
        (slow.played_s + slow.rebuffer_s - 15.0).abs() < 1e-6,
        "{slow:?}"
    );
    let middle = report!(Video, flow(dumbbell(4.0, 40, 2.0), video()));
    assert!((1.5..4.0).contains(&middle.bitrate_mbps), "{middle:?}");
}

#[test]
fn incast_is_complete_when_the_link_has_carried_all_bursts() {
    let workload = WorkloadSpec::Incast {
        burst: Bytes::new(20_000),
        every: millis(500),
    };
    let flows = vec![FlowSpec::new("newreno").with_workload(workload).times(16)];
    let completions = |products| {
        let link = dumbbell(100.0, 2, products);
        let outcome = outcome(&over(vec![link], flows.clone(), 8));
        let reports: Vec<IncastReport> = outcome
            .flows
            .into_iter()
            .map(|flow| report!(Incast, flow))
            .collect();
        for report in &reports {
            assert!((11..=13).contains(&report.bursts), "{report:?}");
            assert!(report.completed + 1 >= report.bursts, "{report:?}");
        }
        IncastReport::batch_completions_ms(&reports)
    };
    // 320 kB take 26.5 ms with headers, and the way there 1 ms.
    let roomy = completions(20.0);
    assert!(roomy.len() >= 11, "{roomy:?}");
    assert!(
        roomy.iter().all(|time| (27.0..60.0).contains(time)),
        "{roomy:?}"
    );
    let tight = completions(1.0);
    let slower = tight
        .iter()
        .zip(&roomy)
        .filter(|(tight, roomy)| tight > roomy);
    assert!(slower.count() * 2 > tight.len(), "{tight:?} {roomy:?}");
}
