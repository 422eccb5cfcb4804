//! What applications send, and how they judge it.
//!
//! An [`Application`] is both ends of one flow's application. The transport carries one ordered
//! stream of bytes from the sending end to the receiving one and [`Request`]s the other way; the
//! application knows nothing else of the network. Its caller wires it so:
//!
//! - Sending end: before sending, look at [`Application::offered`], and send new data up to that
//!   many bytes of the stream; hand arriving requests to [`Application::on_request`].
//! - Receiving end: tell [`Application::on_delivered`] what was read in order, and send what
//!   [`Application::next_request`] returns until it returns `None`.
//! - Either end: call [`Application::wake`] at [`Application::next_wake`] and then look at both
//!   ends again; [`Application::waking_end`] says which one acts.
//!
//! The two ends may be driven at different times, as long as time does not run backwards within
//! one end. Everything random is drawn by index: object sizes, arrivals and pauses are the same
//! for every controller under one seed. Memory does not grow with the time that is simulated.

mod bulk;
mod draw;
mod incast;
mod measure;
mod on_off;
mod real_time;
mod report;
mod request_response;
mod retry;
mod spec;
mod video;
mod web;

pub use report::{
    ApplicationReport, BulkReport, IncastReport, OnOffReport, RealTimeReport,
    RequestResponseReport, TimeSummary, VideoReport, WebReport,
};
pub use spec::{RetrySpec, SizeSpec, WorkloadSpec};

use core::fmt::Debug;

use tautline_core::units::{Bytes, Timestamp};

use crate::endpoint::Request;
use crate::rng::Stream;

/// An end of a flow's application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that writes the stream.
    Sending,
    /// The one that reads it.
    Receiving,
}

/// Both ends of one flow's application.
#[derive(Clone, Debug)]
pub struct Application {
    kind: Kind,
    limit: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Bulk(bulk::Bulk),
    OnOff(on_off::OnOff),
    Web(web::Web),
    RequestResponse(Box<request_response::RequestResponse>),
    RealTime(real_time::RealTime),
    Video(Box<video::Video>),
    Incast(incast::Incast),
}

/// When an application runs and how much it may write.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Timestamp,
    stop: Timestamp,
    limit: u64,
}

impl Span {
    /// `at`, or never where the application has stopped by then.
    fn until_stop(&self, at: Timestamp) -> Timestamp {
        if at < self.stop { at } else { Timestamp::MAX }
    }
}

/// What one kind of application does; see the methods of [`Application`].
trait Behaviour: Debug {
    fn waking_end(&self) -> End {
        End::Sending
    }
    fn next_wake(&self) -> Timestamp;
    fn wake(&mut self, now: Timestamp);
    fn written(&self) -> u64;
    fn unlimited(&self) -> bool {
        false
    }
    fn on_taken(&mut self, _total: u64) {}
    fn on_delivered(&mut self, now: Timestamp, total: u64);
    fn next_request(&mut self) -> Option<Request> {
        None
    }
    fn on_request(&mut self, _now: Timestamp, _request: Request) {}
    fn start_measuring(&mut self, since: Timestamp);
    fn report(&self, now: Timestamp) -> ApplicationReport;
}

impl Application {
    /// The application that `spec` describes.
    ///
    /// It begins at `start` and begins nothing at or after `stop`; what it began before still
    /// arrives. Its stream never exceeds `limit` bytes: a message that would is not written, nor
    /// is any after it. [`Timestamp::MAX`] and [`Bytes::MAX`] stand for no end and no limit.
    /// No value of any field makes it panic; [`WorkloadSpec`] says which make sense.
    pub fn new(
        spec: &WorkloadSpec,
        start: Timestamp,
        stop: Timestamp,
        limit: Bytes,
        stream: Stream,
    ) -> Self {
        let limit = limit.as_u64();
        let span = Span { start, stop, limit };
        let kind = match spec {
            WorkloadSpec::Bulk => Kind::Bulk(bulk::Bulk::new(span)),
            WorkloadSpec::OnOff { on, off } => {
                Kind::OnOff(on_off::OnOff::new(span, *on, *off, stream))
            }
            WorkloadSpec::Web { every, object } => {
                Kind::Web(web::Web::new(span, *every, *object, stream))
            }
            WorkloadSpec::RequestResponse {
                request,
                response,
                think,
                deadline,
                retry,
            } => {
                let plan = request_response::Plan {
                    request_bytes: u32::try_from(request.as_u64()).unwrap_or(u32::MAX),
                    response: *response,
                    think: *think,
                    deadline: *deadline,
                };
                let application = request_response::RequestResponse::new(span, plan, retry, stream);
                Kind::RequestResponse(Box::new(application))
            }
            WorkloadSpec::RealTime {
                rate,
                frame_every,
                deadline,
            } => Kind::RealTime(real_time::RealTime::new(
                span,
                *rate,
                *frame_every,
                *deadline,
            )),
            WorkloadSpec::Video {
                chunk,
                ladder,
                buffer,
            } => Kind::Video(Box::new(video::Video::new(span, *chunk, ladder, *buffer))),
            WorkloadSpec::Incast { burst, every } => {
                Kind::Incast(incast::Incast::new(span, *burst, *every))
            }
        };
        Self { kind, limit }
    }

    /// The end that acts at [`Application::next_wake`]; the same during the whole run.
    pub fn waking_end(&self) -> End {
        self.behaviour().waking_end()
    }

    /// When either end does something on its own; [`Timestamp::MAX`] for never.
    pub fn next_wake(&self) -> Timestamp {
        self.behaviour().next_wake()
    }

    /// The time that [`Application::next_wake`] named has come; afterwards it names a later one.
    ///
    /// Nothing happens where it has not come yet.
    pub fn wake(&mut self, now: Timestamp) {
        self.behaviour_mut().wake(now);
    }

    /// Bytes that the sending application has written since the start; never falls.
    ///
    /// Where it writes as much as fits ([`Application::unlimited`]), those are the bytes that the
    /// transport has taken so far ([`Application::on_taken`]).
    pub fn written(&self) -> u64 {
        self.behaviour().written()
    }

    /// Whether the sending application writes whatever the transport takes at this instant.
    pub fn unlimited(&self) -> bool {
        self.behaviour().unlimited()
    }

    /// Bytes of the stream, counted from its start, that the transport may have sent by now.
    ///
    /// That is the flow's limit while the application writes as much as fits, else
    /// [`Application::written`]. It falls when such a period ends: new data then stops at once,
    /// and only what was sent before is sent again. A stack with a send buffer of its own
    /// therefore takes such data in small pieces as they leave, and tells
    /// [`Application::on_taken`] of each.
    pub fn offered(&self) -> u64 {
        if self.unlimited() {
            self.limit
        } else {
            self.written()
        }
    }

    /// The transport has taken `total` bytes of the stream from the application.
    ///
    /// Needed only where [`Application::unlimited`] was true; elsewhere it changes nothing.
    pub fn on_taken(&mut self, total: u64) {
        self.behaviour_mut().on_taken(total);
    }

    /// The receiving application has read `total` bytes in order.
    pub fn on_delivered(&mut self, now: Timestamp, total: u64) {
        self.behaviour_mut().on_delivered(now, total);
    }

    /// The next request that the receiving application sends at this instant.
    pub fn next_request(&mut self) -> Option<Request> {
        self.behaviour_mut().next_request()
    }

    /// A request arrived at the sending end.
    ///
    /// Every copy of a request is answered where requests are retried by a
    /// [`RetrySpec`]; a video server answers only the first copy.
    pub fn on_request(&mut self, now: Timestamp, request: Request) {
        self.behaviour_mut().on_request(now, request);
    }

    /// Forgets what was measured and measures from `since` on.
    ///
    /// `since` may lie ahead; what began before this call is not measured in any case.
    pub fn start_measuring(&mut self, since: Timestamp) {
        self.behaviour_mut().start_measuring(since);
    }

    /// What was measured by `now`, since [`Application::start_measuring`] or the start.
    ///
    /// `now` decides which of the outstanding items have missed their deadlines and how long a
    /// period or an interruption that still lasts has been going on.
    pub fn report(&self, now: Timestamp) -> ApplicationReport {
        self.behaviour().report(now)
    }

    fn behaviour(&self) -> &dyn Behaviour {
        match &self.kind {
            Kind::Bulk(kind) => kind,
            Kind::OnOff(kind) => kind,
            Kind::Web(kind) => kind,
            Kind::RequestResponse(kind) => kind.as_ref(),
            Kind::RealTime(kind) => kind,
            Kind::Video(kind) => kind.as_ref(),
            Kind::Incast(kind) => kind,
        }
    }

    fn behaviour_mut(&mut self) -> &mut dyn Behaviour {
        match &mut self.kind {
            Kind::Bulk(kind) => kind,
            Kind::OnOff(kind) => kind,
            Kind::Web(kind) => kind,
            Kind::RequestResponse(kind) => kind.as_mut(),
            Kind::RealTime(kind) => kind,
            Kind::Video(kind) => kind.as_mut(),
            Kind::Incast(kind) => kind,
        }
    }
}

#[cfg(test)]
mod tests;
