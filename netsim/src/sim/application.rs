//! What stands on top of a flow's ends.

use tautline_core::controller::Controller;
use tautline_core::units::Timestamp;

use super::flow::{Ends, Flow, Parcel};
use super::{Content, Simulation};
use crate::endpoint::Request;
use crate::transport::{Direction, Packet};
use crate::workload::Application;

/// Lets the application act where its time has come; whether it did.
pub(super) fn wake(application: &mut Option<Box<Application>>, now: Timestamp) -> bool {
    match application {
        Some(application) if application.next_wake() <= now => {
            application.wake(now);
            true
        }
        _ => false,
    }
}

impl<C: Controller> Flow<C> {
    /// What the application reads and asks for at this instant.
    fn read(&mut self, now: Timestamp) -> Option<Request> {
        let application = self.application.as_mut()?;
        match &mut self.ends {
            Ends::Model(model) => {
                application.on_delivered(now, model.receiver.read_total());
            }
            Ends::Real(real) => {
                application.on_delivered(now, real.receiver.read_total());
                while let Some(request) = real.sender.next_request() {
                    application.on_request(now, request);
                }
            }
        }
        application.next_request()
    }

    /// What the application writes at this instant.
    fn write(&mut self, now: Timestamp) {
        let Some(application) = self.application.as_mut() else {
            return;
        };
        match &mut self.ends {
            Ends::Model(model) => {
                application.on_taken(model.sender.written());
                model.sender.offer(application.offered());
            }
            Ends::Real(real) => {
                application.on_taken(real.sender.taken_total());
                real.sender.write_up_to(now, application.offered());
            }
        }
    }
}

impl<C: Controller> Simulation<'_, C> {
    /// Both ends of the application look at what the transport has for them.
    pub(super) fn serve_application(&mut self, now_ns: u64, number: u32) {
        let now = Timestamp::from_nanos(now_ns);
        while let Some(request) = self.flows[number as usize].read(now) {
            self.send_request(now, number, request);
        }
        self.flows[number as usize].write(now);
    }

    fn send_request(&mut self, now: Timestamp, number: u32, request: Request) {
        let place = match &mut self.flows[number as usize].ends {
            Ends::Model(model) => model.parcels.put(Parcel::Request(request)),
            Ends::Real(real) => {
                real.receiver.send_request(now, request);
                return;
            }
        };
        let bytes = (self.overhead as u32).saturating_add(request.bytes);
        let packet = Packet::new(number, Direction::Backward, place, bytes);
        self.send(now.as_nanos(), packet, Content::Request);
    }
}
