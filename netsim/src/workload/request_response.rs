//! Requests, one after the other, each with a response: a client with deadlines, timeouts and
//! retries, and a server that answers whatever arrives.

use core::time::Duration;
use std::collections::VecDeque;

use tautline_core::units::Timestamp;

use super::draw::Draws;
use super::measure::{Times, Window};
use super::retry::{Refusal, RetryPolicy};
use super::{ApplicationReport, Behaviour, End, RequestResponseReport, RetrySpec, SizeSpec, Span};
use crate::endpoint::Request;
use crate::rng::Stream;

/// What is asked for, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) request_bytes: u32,
    pub(super) response: SizeSpec,
    pub(super) think: Duration,
    pub(super) deadline: Duration,
}

/// A closed loop.
///
/// The client sends request `id`, waits, sends it again as the policy says, and thinks before the
/// next, whether the response came or not. The server answers every copy that arrives, one behind
/// the other: answers that nobody waits for any more delay the ones that somebody does.
#[derive(Clone, Debug)]
pub(super) struct RequestResponse {
    span: Span,
    plan: Plan,
    policy: RetryPolicy,
    sizes: Draws,
    thoughts: Draws,
    next_id: u64,
    /// Size of the response to it.
    next_bytes: u64,
    phase: Phase,
    outbox: VecDeque<Request>,
    server: Server,
    window: Window,
    /// Counters of the window; its summaries are filled in when it is handed out.
    counts: RequestResponseReport,
    response: Times,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Thinking { until: Timestamp },
    Waiting(Pending),
}

/// The request that the client waits for.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: u64,
    first_sent: Timestamp,
    sendings: u32,
    until: Timestamp,
}

/// Responses that are written and not yet read, in the order of the stream.
#[derive(Clone, Debug, Default)]
struct Server {
    written: u64,
    responses: VecDeque<Response>,
}

#[derive(Clone, Copy, Debug)]
struct Response {
    id: u64,
    end: u64,
}

impl RequestResponse {
    pub(super) fn new(span: Span, plan: Plan, retry: &RetrySpec, mut stream: Stream) -> Self {
        let sizes = Draws::new(&mut stream);
        let thoughts = Draws::new(&mut stream);
        let jitter = Draws::new(&mut stream);
        let next_bytes = sizes.size(0, &plan.response);
        Self {
            span,
            plan,
            policy: RetryPolicy::new(retry, jitter),
            sizes,
            thoughts,
            next_id: 0,
            next_bytes,
            phase: Phase::Thinking { until: span.start },
            outbox: VecDeque::new(),
            server: Server::default(),
            window: Window::default(),
            counts: RequestResponseReport::default(),
            response: Times::default(),
        }
    }

    /// The same for every copy of a request, so that nothing needs to be remembered.
    fn response_bytes(&self, id: u64) -> u64 {
        self.sizes.size(id, &self.plan.response)
    }

    /// Where the stream ends behind a response of `bytes`, if it may be that long.
    fn within_limit(&self, bytes: u64) -> Option<u64> {
        let end = self.server.written.checked_add(bytes)?;
        (end <= self.span.limit).then_some(end)
    }

    fn send(&mut self, id: u64) {
        // Only a caller that never takes requests out can fill this.
        if self.outbox.len() < MAX_OUTBOX {
            let bytes = self.plan.request_bytes;
            self.outbox.push_back(Request { id, bytes });
        }
    }

    fn ask(&mut self, at: Timestamp) {
        let id = self.next_id;
        self.next_id += 1;
        self.next_bytes = self.response_bytes(self.next_id);
        self.window.begin(id, at);
        self.counts.requests += self.counted(id);
        self.policy.on_request();
        self.send(id);
        self.phase = Phase::Waiting(Pending {
            id,
            first_sent: at,
            sendings: 1,
            until: at.saturating_add(self.policy.wait(id, 1)),
        });
    }

    fn time_out(&mut self, at: Timestamp, mut pending: Pending) {
        let counted = self.counted(pending.id);
        match self.policy.take(pending.sendings) {
            Ok(()) => {
                pending.sendings += 1;
                let wait = self.policy.wait(pending.id, pending.sendings);
                pending.until = at.saturating_add(wait);
                self.phase = Phase::Waiting(pending);
                self.counts.retries += counted;
                self.send(pending.id);
            }
            Err(refusal) => {
                self.counts.refused_retries += counted * u64::from(refusal == Refusal::Budget);
                self.counts.failed += counted;
                self.counts.missed_deadlines += counted;
                self.think(at, pending.id);
            }
        }
    }

    fn think(&mut self, from: Timestamp, id: u64) {
        let pause = self.thoughts.exponential(id, self.plan.think);
        let until = from.saturating_add(pause);
        self.phase = Phase::Thinking { until };
    }

    fn on_response(&mut self, now: Timestamp, id: u64) {
        let bytes = self.response_bytes(id);
        let counted = self.counted(id);
        match self.phase {
            Phase::Waiting(pending) if pending.id == id => {
                if counted > 0 {
                    let time = now.saturating_since(pending.first_sent);
                    self.response.record(time);
                    self.counts.completed += 1;
                    self.counts.missed_deadlines += u64::from(time > self.plan.deadline);
                    self.counts.useful_bytes = self.counts.useful_bytes.saturating_add(bytes);
                }
                self.think(now, id);
            }
            _ => {
                self.counts.wasted_responses += counted;
                let wasted = self.counts.wasted_bytes.saturating_add(bytes * counted);
                self.counts.wasted_bytes = wasted;
            }
        }
    }

    /// One for a request of the measurement window, else zero.
    fn counted(&self, id: u64) -> u64 {
        u64::from(self.window.covers(id))
    }

    /// Does what is due before `now`, each at its own time.
    fn catch_up(&mut self, now: Timestamp) {
        loop {
            let due = self.next_wake();
            if due >= now {
                return;
            }
            self.step(due);
        }
    }

    fn step(&mut self, due: Timestamp) {
        match self.phase {
            Phase::Thinking { .. } => self.ask(due),
            Phase::Waiting(pending) => self.time_out(due, pending),
        }
    }
}

impl Behaviour for RequestResponse {
    fn waking_end(&self) -> End {
        End::Receiving
    }

    fn next_wake(&self) -> Timestamp {
        let due = match self.phase {
            Phase::Thinking { until } => match self.within_limit(self.next_bytes) {
                Some(_) => until,
                None => Timestamp::MAX,
            },
            Phase::Waiting(pending) => pending.until,
        };
        self.span.until_stop(due)
    }

    fn wake(&mut self, now: Timestamp) {
        self.catch_up(now);
        if self.next_wake() == now && now < Timestamp::MAX {
            self.step(now);
        }
    }

    fn written(&self) -> u64 {
        self.server.written
    }

    fn on_delivered(&mut self, now: Timestamp, total: u64) {
        // A response that arrives together with its timeout still is in time.
        self.catch_up(now);
        while let Some(&response) = self.server.responses.front() {
            if response.end > total {
                return;
            }
            self.server.responses.pop_front();
            self.on_response(now, response.id);
        }
    }

    fn next_request(&mut self) -> Option<Request> {
        self.outbox.pop_front()
    }

    fn on_request(&mut self, _now: Timestamp, request: Request) {
        let id = request.id;
        let room = self.server.responses.len() < MAX_RESPONSES;
        match self.within_limit(self.response_bytes(id)) {
            Some(end) if room => {
                self.server.written = end;
                self.server.responses.push_back(Response { id, end });
            }
            _ => self.counts.turned_away += self.counted(id),
        }
    }

    fn start_measuring(&mut self, since: Timestamp) {
        self.window = Window::from(since);
        self.counts = RequestResponseReport::default();
        self.response = Times::default();
    }

    fn report(&self, now: Timestamp) -> ApplicationReport {
        let overdue = match self.phase {
            Phase::Waiting(pending)
                if now.saturating_since(pending.first_sent) > self.plan.deadline =>
            {
                self.counted(pending.id)
            }
            _ => 0,
        };
        ApplicationReport::RequestResponse(RequestResponseReport {
            missed_deadlines: self.counts.missed_deadlines + overdue,
            response: self.response.summary(),
            ..self.counts
        })
    }
}

/// Responses that wait at the server before it turns requests away.
const MAX_RESPONSES: usize = 1024;
const MAX_OUTBOX: usize = 1024;

#[cfg(test)]
mod tests {
    use tautline_core::units::Bytes;

    use super::*;
    use crate::workload::tests::{at_ms, seeded, span_ms};

    /// Responses of 1000 bytes, timeout 100 ms doubling, three attempts, deadline 250 ms.
    fn client(budget: f64, limit: u64) -> RequestResponse {
        let span = Span {
            limit,
            ..span_ms(1000, 60_000)
        };
        let plan = Plan {
            request_bytes: 200,
            response: SizeSpec::Fixed(Bytes::new(1000)),
            think: Duration::ZERO,
            deadline: Duration::from_millis(250),
        };
        let retry = RetrySpec {
            timeout: Duration::from_millis(100),
            backoff: 2.0,
            jitter: 0.0,
            attempts: 3,
            budget,
        };
        RequestResponse::new(span, plan, &retry, seeded(6))
    }

    fn report(client: &RequestResponse, now: Timestamp) -> RequestResponseReport {
        match client.report(now) {
            ApplicationReport::RequestResponse(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn request(id: u64) -> Request {
        Request { id, bytes: 200 }
    }

    #[test]
    fn a_response_in_time_completes_its_request_and_the_next_follows() {
        let mut client = client(1.0, u64::MAX);
        assert_eq!(client.next_request(), None);
        client.wake(at_ms(1000));
        assert_eq!(client.next_request(), Some(request(0)));
        assert_eq!(client.next_request(), None);
        assert_eq!(client.next_wake(), at_ms(1100));
        client.on_request(at_ms(1020), request(0));
        assert_eq!(client.written(), 1000);
        client.on_delivered(at_ms(1030), 999);
        assert_eq!(report(&client, at_ms(1030)).completed, 0);
        client.on_delivered(at_ms(1040), 1000);
        let found = report(&client, at_ms(1040));
        assert_eq!(
            (found.requests, found.completed, found.missed_deadlines),
            (1, 1, 0)
        );
        assert_eq!(found.response.max_ms, 40.0);
        // A pause of mean zero is one nanosecond.
        let due = at_ms(1040).saturating_add(Duration::from_nanos(1));
        assert_eq!(client.next_wake(), due);
        client.wake(due);
        assert_eq!(client.next_request(), Some(request(1)));
    }

    #[test]
    fn a_second_copy_of_a_response_is_wasted_not_counted() {
        let mut client = client(1.0, u64::MAX);
        client.wake(at_ms(1000));
        client.on_request(at_ms(1090), request(0));
        client.wake(at_ms(1100));
        assert_eq!(client.outbox, [request(0), request(0)]);
        assert_eq!(client.next_wake(), at_ms(1300));
        client.on_delivered(at_ms(1110), 1000);
        client.on_request(at_ms(1120), request(0));
        client.wake(at_ms(1111));
        client.on_delivered(at_ms(1130), 2000);
        let found = report(&client, at_ms(1130));
        assert_eq!((found.requests, found.completed, found.retries), (2, 1, 1));
        assert_eq!((found.wasted_responses, found.wasted_bytes), (1, 1000));
        assert_eq!(found.useful_bytes, 1000);
    }

    #[test]
    fn a_request_fails_after_its_attempts_and_a_late_response_is_wasted() {
        let mut client = client(10.0, u64::MAX);
        let mut sent = Vec::new();
        while client.next_id < 2 {
            let due = client.next_wake();
            client.wake(due);
            while let Some(request) = client.next_request() {
                sent.push((due.as_nanos() / 1_000_000, request.id));
            }
        }
        // 100 + 200 + 400 ms after the first sending the request is given up.
        assert_eq!(sent, [(1000, 0), (1100, 0), (1300, 0), (1700, 1)]);
        client.on_request(at_ms(1701), request(0));
        client.on_delivered(at_ms(1702), 1000);
        let found = report(&client, at_ms(1702));
        assert_eq!(
            (found.failed, found.retries, found.missed_deadlines),
            (1, 2, 1)
        );
        assert_eq!((found.completed, found.wasted_responses), (0, 1));
    }

    #[test]
    fn a_response_after_the_deadline_completes_but_misses_it() {
        let mut client = client(10.0, u64::MAX);
        client.wake(at_ms(1000));
        client.on_request(at_ms(1050), request(0));
        assert_eq!(report(&client, at_ms(1250)).missed_deadlines, 0);
        assert_eq!(report(&client, at_ms(1251)).missed_deadlines, 1);
        client.on_delivered(at_ms(1260), 1000);
        let found = report(&client, at_ms(1260));
        assert_eq!(
            (found.completed, found.missed_deadlines, found.retries),
            (1, 1, 1)
        );
    }

    #[test]
    fn without_budget_a_timeout_fails_the_request() {
        let mut client = client(0.0, u64::MAX);
        client.wake(at_ms(1100));
        let found = report(&client, at_ms(1100));
        assert_eq!(
            (found.failed, found.retries, found.refused_retries),
            (1, 0, 1)
        );
    }

    #[test]
    fn a_response_together_with_its_timeout_is_in_time() {
        let mut client = client(1.0, u64::MAX);
        client.wake(at_ms(1000));
        client.on_request(at_ms(1050), request(0));
        client.on_delivered(at_ms(1100), 1000);
        let found = report(&client, at_ms(1100));
        assert_eq!((found.completed, found.retries), (1, 0));
    }

    #[test]
    fn a_receiving_end_that_runs_ahead_times_out_before_it_reads() {
        let mut client = client(1.0, u64::MAX);
        client.wake(at_ms(1000));
        client.on_request(at_ms(1050), request(0));
        client.on_delivered(at_ms(1101), 1000);
        assert_eq!(report(&client, at_ms(1101)).retries, 1);
        // The other end's clock is behind; nothing is due for it.
        let next = client.next_wake();
        client.wake(at_ms(1080));
        assert_eq!(client.next_wake(), next);
    }

    #[test]
    fn nothing_is_asked_at_the_stop_or_beyond_the_limit() {
        let mut stopped = client(0.0, u64::MAX);
        stopped.wake(Timestamp::MAX);
        let found = report(&stopped, Timestamp::MAX);
        // One failure per 100 ms and a nanosecond, until 60 s.
        assert_eq!((found.requests, found.failed), (590, 589));
        assert_eq!(found.missed_deadlines, 590);
        assert_eq!(stopped.next_wake(), Timestamp::MAX);

        let mut full = client(1.0, 1999);
        full.wake(at_ms(1000));
        full.on_request(at_ms(1001), request(0));
        full.on_request(at_ms(1002), request(0));
        assert_eq!(
            (full.written(), report(&full, at_ms(1002)).turned_away),
            (1000, 1)
        );
        full.on_delivered(at_ms(1003), 1000);
        assert_eq!(full.next_wake(), Timestamp::MAX);
    }

    #[test]
    fn a_request_whose_response_would_pass_the_limit_is_not_sent() {
        for seed in 0..20 {
            let mut client = client(1.0, 1_000_000);
            client.sizes = Draws::new(&mut seeded(seed));
            client.plan.response = SizeSpec::Exponential {
                mean: Bytes::new(300_000),
            };
            client.next_bytes = client.response_bytes(0);
            while client.next_wake() < Timestamp::MAX {
                let due = client.next_wake();
                client.wake(due);
                let asked = client.next_request().expect("a request");
                client.on_request(due, asked);
                client.on_delivered(due, client.written());
            }
            let found = report(&client, at_ms(60_000));
            let sizes: Vec<u64> = (0..=found.requests)
                .map(|id| client.response_bytes(id))
                .collect();
            let (next, asked) = sizes.split_last().expect("one more");
            let total: u64 = asked.iter().sum();
            assert_eq!(total, client.written(), "{sizes:?}");
            assert!(total <= 1_000_000 && total + next > 1_000_000, "{sizes:?}");
            assert_eq!((found.completed, found.turned_away), (found.requests, 0));
        }
    }

    #[test]
    fn a_server_turns_requests_away_rather_than_remember_them_all() {
        let mut client = client(1.0, u64::MAX);
        client.wake(at_ms(1000));
        for _ in 0..MAX_RESPONSES + 5 {
            client.on_request(at_ms(1001), request(0));
        }
        assert_eq!(client.written(), 1000 * MAX_RESPONSES as u64);
        assert_eq!(report(&client, at_ms(1001)).turned_away, 5);
    }
}
