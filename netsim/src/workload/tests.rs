//! Every kind over a path of random pace, with requests that are delayed, lost and doubled.

use core::time::Duration;
use std::collections::VecDeque;

use proptest::prelude::*;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use super::{Application, ApplicationReport, End, RetrySpec, SizeSpec, Span, WorkloadSpec};
use crate::endpoint::Request;
use crate::rng::{Component, Stream};

/// The instant `millis` milliseconds after the start of a run.
pub(super) fn at_ms(millis: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_millis(millis))
}

/// From one instant to another, without limit.
pub(super) fn span_ms(start_ms: u64, stop_ms: u64) -> Span {
    Span {
        start: at_ms(start_ms),
        stop: at_ms(stop_ms),
        limit: u64::MAX,
    }
}

/// A stream of random numbers.
pub(super) fn seeded(seed: u64) -> Stream {
    Stream::new(seed, Component::Jitter)
}

/// A path that moves a random number of bytes every five milliseconds.
struct Path {
    pace: Stream,
    most_per_tick: u64,
    request_delay_ms: u64,
    /// Of 256 requests, as many are lost, and as many are doubled.
    trouble: u64,
    sent: u64,
    delivered: u64,
    requests: VecDeque<(u64, Request)>,
}

impl Path {
    fn new(seed: u64, most_per_tick: u64, request_delay_ms: u64, trouble: u64) -> Self {
        Self {
            pace: seeded(seed),
            most_per_tick,
            request_delay_ms,
            trouble,
            sent: 0,
            delivered: 0,
            requests: VecDeque::new(),
        }
    }

    fn carry(&mut self, application: &mut Application, millis: u64) {
        let now = at_ms(millis);
        while let Some(request) = application.next_request() {
            let luck = self.pace.up_to(255);
            let arrival = millis + self.request_delay_ms;
            if luck >= self.trouble {
                self.requests.push_back((arrival, request));
            }
            if luck >= 256 - self.trouble {
                self.requests.push_back((arrival, request));
            }
        }
        while self.requests.front().is_some_and(|&(due, _)| due <= millis) {
            if let Some((_, request)) = self.requests.pop_front() {
                application.on_request(now, request);
            }
        }
        // Half of the ticks move nothing; what is sent in one arrives in a later one.
        let moved = self.pace.up_to(2 * self.most_per_tick);
        let moved = moved.saturating_sub(self.most_per_tick);
        let before = self.delivered;
        self.delivered = self.sent.min(before.saturating_add(moved));
        if self.delivered > before {
            application.on_delivered(now, self.delivered);
        }
        let room = self.delivered.saturating_add(4 * self.most_per_tick);
        self.sent = self.sent.max(application.offered().min(room));
        application.on_taken(self.sent);
    }
}

/// Drives `application` for `millis` milliseconds and checks what holds at every instant.
fn drive(application: &mut Application, path: &mut Path, limit: u64, millis: u64) {
    for tick in (0..=millis).step_by(5) {
        let now = at_ms(tick);
        loop {
            let due = application.next_wake();
            if due > now {
                break;
            }
            let written = application.written();
            application.wake(due);
            assert!(application.next_wake() > due, "time stands still");
            assert!(application.written() >= written);
        }
        let written = application.written();
        path.carry(application, tick);
        assert!(application.written() >= written);
        assert!(application.written() <= limit && application.offered() <= limit);
    }
}

fn size() -> impl Strategy<Value = SizeSpec> {
    prop_oneof![
        (1_u64..200_000).prop_map(|bytes| SizeSpec::Fixed(Bytes::new(bytes))),
        (1_u64..100_000).prop_map(|mean| SizeSpec::Exponential {
            mean: Bytes::new(mean)
        }),
        (1_u64..10_000, 0.5_f64..3.0).prop_map(|(min, shape)| SizeSpec::Pareto {
            min: Bytes::new(min),
            shape,
            max: Bytes::new(1_000_000),
        }),
        (1_u64..50_000, 0.0_f64..3.0).prop_map(|(median, sigma)| SizeSpec::LogNormal {
            median: Bytes::new(median),
            sigma,
            max: Bytes::new(2_000_000),
        }),
    ]
}

fn ms(range: core::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn retry() -> impl Strategy<Value = RetrySpec> {
    (
        ms(1..2000),
        1.0_f64..4.0,
        0.0_f64..=1.0,
        1_u32..8,
        0.0_f64..10.0,
    )
        .prop_map(|(timeout, backoff, jitter, attempts, budget)| RetrySpec {
            timeout,
            backoff,
            jitter,
            attempts,
            budget,
        })
}

fn request_response() -> impl Strategy<Value = WorkloadSpec> {
    let times = (ms(0..500), ms(1..1000));
    (1_u64..5000, size(), times, retry()).prop_map(|(request, response, times, retry)| {
        WorkloadSpec::RequestResponse {
            request: Bytes::new(request),
            response,
            think: times.0,
            deadline: times.1,
            retry,
        }
    })
}

fn any_workload() -> impl Strategy<Value = WorkloadSpec> {
    let ladder = proptest::collection::btree_set(10_000_u64..10_000_000, 1..9);
    prop_oneof![
        Just(WorkloadSpec::Bulk),
        (ms(1..3000), ms(1..3000)).prop_map(|(on, off)| WorkloadSpec::OnOff { on, off }),
        (ms(1..1000), size()).prop_map(|(every, object)| WorkloadSpec::Web { every, object }),
        request_response(),
        (1_000_u64..5_000_000, ms(1..200), ms(1..500)).prop_map(|(rate, frame_every, deadline)| {
            WorkloadSpec::RealTime {
                rate: Bandwidth::from_bytes_per_sec(rate),
                frame_every,
                deadline,
            }
        }),
        (ms(10..4000), ladder, 2_u32..60).prop_map(|(chunk, ladder, chunks)| {
            WorkloadSpec::Video {
                chunk,
                ladder: ladder
                    .into_iter()
                    .map(Bandwidth::from_bytes_per_sec)
                    .collect(),
                buffer: chunk * chunks,
            }
        }),
        (1_u64..500_000, ms(1..2000)).prop_map(|(burst, every)| WorkloadSpec::Incast {
            burst: Bytes::new(burst),
            every,
        }),
    ]
}

fn path() -> impl Strategy<Value = Path> {
    (any::<u64>(), 0_u64..60_000, 0_u64..400, 0_u64..100)
        .prop_map(|(seed, most, delay, trouble)| Path::new(seed, most, delay, trouble))
}

impl core::fmt::Debug for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Path")
            .field("most_per_tick", &self.most_per_tick)
            .field("request_delay_ms", &self.request_delay_ms)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

/// What every report must satisfy, whatever the path did between `since_s` and `until_s`.
fn check(report: &ApplicationReport, spec: &WorkloadSpec, window_s: f64) {
    let times = |summary: &super::TimeSummary, count: u64| {
        assert_eq!(summary.count, count);
        assert!(summary.p50_ms <= summary.p95_ms && summary.p95_ms <= summary.p99_ms);
        assert!(summary.p99_ms <= summary.max_ms && summary.mean_ms <= summary.max_ms);
    };
    match report {
        ApplicationReport::Bulk(_) => {}
        ApplicationReport::OnOff(found) => {
            assert!(found.on_s <= window_s + 1e-9, "{found:?}");
        }
        ApplicationReport::Web(found) => {
            assert!(found.completed <= found.objects, "{found:?}");
            times(&found.completion, found.completed);
        }
        ApplicationReport::RequestResponse(found) => {
            let open = found.requests - found.completed - found.failed;
            assert!(open <= 1, "{found:?}");
            assert!(found.missed_deadlines >= found.failed, "{found:?}");
            assert!(found.missed_deadlines <= found.requests, "{found:?}");
            assert!(found.refused_retries <= found.failed, "{found:?}");
            times(&found.response, found.completed);
            let WorkloadSpec::RequestResponse { retry, .. } = spec else {
                panic!("a report of another kind");
            };
            // Those of the window, and the ten that may have been saved up before it.
            let allowed = retry.budget * found.requests as f64 + 10.0;
            assert!(found.retries as f64 <= allowed, "{found:?}");
            let most = found.requests * u64::from(retry.attempts - 1);
            assert!(found.retries <= most, "{found:?}");
        }
        ApplicationReport::RealTime(found) => {
            assert!(found.delivered <= found.frames && found.late <= found.frames);
            assert!((0.0..=1.0).contains(&found.late_fraction), "{found:?}");
            times(&found.delay, found.delivered);
        }
        ApplicationReport::Video(found) => {
            assert!(found.completed <= found.chunks, "{found:?}");
            assert!(found.chunks - found.completed <= 1, "{found:?}");
            assert!(found.switches <= found.chunks, "{found:?}");
            let watched = found.played_s + found.rebuffer_s;
            assert!(watched <= window_s + 1e-6, "{found:?}");
        }
        ApplicationReport::Incast(found) => {
            assert!(found.completed <= found.bursts, "{found:?}");
            assert_eq!(found.completions_ms.len() as u64, found.completed.min(1024));
            times(&found.completion, found.completed);
        }
    }
}

const RUN_MS: u64 = 20_000;
const STOP_MS: u64 = 15_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn counts_add_up_on_any_path(
        spec in any_workload(),
        mut path in path(),
        seed: u64,
        start_ms in 0_u64..5000,
        since_ms in 0_u64..10_000,
        limit in prop_oneof![Just(u64::MAX), 0_u64..3_000_000],
    ) {
        let (start, stop) = (at_ms(start_ms), at_ms(STOP_MS));
        let mut application =
            Application::new(&spec, start, stop, Bytes::new(limit), seeded(seed));
        application.start_measuring(at_ms(since_ms));
        drive(&mut application, &mut path, limit, RUN_MS);
        let window_s = (RUN_MS - since_ms.max(start_ms)) as f64 / 1e3;
        check(&application.report(at_ms(RUN_MS)), &spec, window_s);
        // Only what began before the stop goes on after it.
        prop_assert_eq!(application.next_wake(), Timestamp::MAX);
        prop_assert!(!application.unlimited());
    }

    #[test]
    fn a_window_that_begins_now_is_the_same_as_one_named_in_advance(
        spec in any_workload(),
        seed: u64,
        pace: u64,
    ) {
        let run = |late: bool| {
            let mut application = Application::new(
                &spec,
                at_ms(0),
                at_ms(STOP_MS),
                Bytes::MAX,
                seeded(seed),
            );
            let mut path = Path::new(pace, 30_000, 20, 20);
            if late {
                drive(&mut application, &mut path, u64::MAX, 4999);
                application.start_measuring(at_ms(4999));
            } else {
                application.start_measuring(at_ms(4999));
                drive(&mut application, &mut path, u64::MAX, 4999);
            }
            for tick in (5000..RUN_MS).step_by(5) {
                while application.next_wake() <= at_ms(tick) {
                    application.wake(application.next_wake());
                }
                path.carry(&mut application, tick);
            }
            application.report(at_ms(RUN_MS))
        };
        prop_assert_eq!(run(true), run(false));
    }

    #[test]
    fn what_is_written_on_its_own_does_not_depend_on_the_path(
        every in ms(1..500),
        object in size(),
        seed: u64,
        mut slow in path(),
        mut other in path(),
    ) {
        let spec = WorkloadSpec::Web { every, object };
        let run = |path: &mut Path| {
            let (start, stop) = (at_ms(0), at_ms(STOP_MS));
            let mut application =
                Application::new(&spec, start, stop, Bytes::MAX, seeded(seed));
            drive(&mut application, path, u64::MAX, RUN_MS);
            application.written()
        };
        prop_assert_eq!(run(&mut slow), run(&mut other));
    }

    #[test]
    fn a_retry_budget_bounds_the_retries(spec in request_response(), mut path in path()) {
        let (start, stop) = (at_ms(0), at_ms(STOP_MS));
        let mut application = Application::new(&spec, start, stop, Bytes::MAX, seeded(1));
        drive(&mut application, &mut path, u64::MAX, RUN_MS);
        let ApplicationReport::RequestResponse(found) = application.report(at_ms(RUN_MS)) else {
            panic!("another kind of report");
        };
        let WorkloadSpec::RequestResponse { retry, .. } = spec else {
            panic!("another kind of workload");
        };
        // Nothing is saved at the start, so there is no burst to add.
        let earned = retry.budget * found.requests as f64;
        prop_assert!(found.retries as f64 <= earned, "{:?}", found);
    }
}

#[test]
fn extreme_fields_neither_panic_nor_write_past_the_limit() {
    let nothing = Duration::ZERO;
    let retry = RetrySpec {
        timeout: nothing,
        backoff: f64::NAN,
        jitter: f64::INFINITY,
        attempts: 0,
        budget: f64::NAN,
    };
    let specs = [
        WorkloadSpec::RequestResponse {
            request: Bytes::MAX,
            response: SizeSpec::Fixed(Bytes::MAX),
            think: Duration::MAX,
            deadline: nothing,
            retry,
        },
        WorkloadSpec::RealTime {
            rate: Bandwidth::MAX,
            frame_every: Duration::MAX,
            deadline: Duration::MAX,
        },
        WorkloadSpec::Video {
            chunk: Duration::MAX,
            ladder: vec![Bandwidth::MAX, Bandwidth::ZERO, Bandwidth::MAX],
            buffer: nothing,
        },
        WorkloadSpec::Incast {
            burst: Bytes::MAX,
            every: Duration::MAX,
        },
        WorkloadSpec::OnOff {
            on: Duration::MAX,
            off: Duration::MAX,
        },
        WorkloadSpec::Web {
            every: Duration::MAX,
            object: SizeSpec::Fixed(Bytes::MAX),
        },
    ];
    for spec in specs {
        for (start, stop) in [
            (Timestamp::ZERO, Timestamp::MAX),
            (Timestamp::MAX, Timestamp::ZERO),
            (Timestamp::MAX, Timestamp::MAX),
        ] {
            for limit in [0, 10_000, u64::MAX] {
                let mut application =
                    Application::new(&spec, start, stop, Bytes::new(limit), seeded(1));
                let mut path = Path::new(1, u64::MAX / 4, 5, 0);
                drive(&mut application, &mut path, limit, 100);
                application.report(Timestamp::MAX);
            }
        }
    }
}

#[test]
fn the_client_acts_where_somebody_asks_and_the_sender_elsewhere() {
    let end = |spec: &WorkloadSpec| {
        Application::new(spec, at_ms(0), at_ms(1), Bytes::MAX, seeded(1)).waking_end()
    };
    let video = WorkloadSpec::Video {
        chunk: Duration::from_secs(2),
        ladder: vec![Bandwidth::from_bits_per_sec(1_000_000)],
        buffer: Duration::from_secs(30),
    };
    assert_eq!(end(&video), End::Receiving);
    assert_eq!(end(&WorkloadSpec::Bulk), End::Sending);
}

#[test]
fn a_report_keeps_its_figures_through_a_file() {
    let spec = WorkloadSpec::Incast {
        burst: Bytes::new(3000),
        every: Duration::from_millis(100),
    };
    let mut application = Application::new(&spec, at_ms(0), at_ms(500), Bytes::MAX, seeded(1));
    let mut path = Path::new(1, 10_000, 5, 0);
    drive(&mut application, &mut path, u64::MAX, 1000);
    let report = application.report(at_ms(1000));
    let text = toml::to_string(&report).expect("a report can be written");
    assert!(
        text.contains("kind = \"incast\"") && text.contains("completed = 5"),
        "{text}"
    );
    assert_eq!(toml::from_str::<ApplicationReport>(&text), Ok(report));
}
