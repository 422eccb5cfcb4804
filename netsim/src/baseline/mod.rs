//! Controllers to compare with, by name.

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, FixedWindow, NewReno,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, Timestamp};

use crate::rng::{Component, Stream};
use crate::transport::Ecn;

pub mod bbr;
mod copa;
mod cubic;
mod extremum;
mod fold;
#[cfg(test)]
mod path;
mod prague;
mod vegas;

pub use bbr::Bbr;
pub use copa::{Copa, CopaMode};
pub use cubic::Cubic;
pub use prague::Prague;
pub use vegas::Vegas;

/// What [`by_name`] knows, for help and for errors.
pub const NAMES: [&str; 7] = [
    "newreno",
    "cubic",
    "bbr",
    "copa",
    "vegas",
    "prague",
    "fixed:BYTES",
];

/// A name that stands for no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// No such controller.
    #[error("unknown controller `{name}`: expected one of `{}`", NAMES.join("`, `"))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The window of `fixed:BYTES` is no number.
    #[error("controller `fixed:{got}`: expected a whole number of bytes from 1 to 2^63")]
    Window {
        /// What stands in its place.
        got: String,
    },
}

/// The baseline of that name, one of [`NAMES`], for packets of `max_datagram_size`. Only
/// controllers with randomness of their own read `seed`; [`flow_seed`] makes one per flow.
///
/// # Errors
/// [`BaselineError`] for every other name.
pub fn by_name(
    name: &str,
    max_datagram_size: Bytes,
    seed: u64,
) -> Result<Box<dyn Controller + Send>, BaselineError> {
    match name {
        "newreno" => return Ok(Box::new(NewReno::new(max_datagram_size))),
        "cubic" => return Ok(Box::new(Cubic::new(max_datagram_size))),
        "copa" => return Ok(Box::new(Copa::new(max_datagram_size))),
        "vegas" => return Ok(Box::new(Vegas::new(max_datagram_size))),
        "prague" => return Ok(Box::new(Prague::new(max_datagram_size))),
        "bbr" => return Ok(Box::new(Bbr::new(max_datagram_size, seed))),
        _ => {}
    }
    let Some(window) = name.strip_prefix("fixed:") else {
        return Err(BaselineError::Unknown {
            name: name.to_owned(),
        });
    };
    let bytes = window
        .parse::<u64>()
        .ok()
        .filter(|bytes| (1..=1 << 63).contains(bytes));
    let bytes = bytes.ok_or_else(|| BaselineError::Window {
        got: window.to_owned(),
    })?;
    Ok(Box::new(FixedWindow::new(
        Bytes::new(bytes),
        max_datagram_size,
    )))
}

/// The seed for [`by_name`] of the controller of flow number `flow` in a run with `seed`.
pub fn flow_seed(seed: u64, flow: u32) -> u64 {
    Stream::at_place(seed, Component::Controller, flow).bits()
}

/// The ECN field that flows of the controller of that name send: ECT(1) for those that answer
/// each mark in proportion (RFC 9331 §4.1), else none.
pub fn ecn_of(name: &str) -> Ecn {
    if name == "prague" {
        Ecn::Ect1
    } else {
        Ecn::NotEct
    }
}

/// Any controller behind a pointer, so that one run can mix kinds.
pub struct BoxedController(Box<dyn Controller + Send>);

impl BoxedController {
    /// `controller`, boxed.
    pub fn new(controller: impl Controller + Send + 'static) -> Self {
        Self(Box::new(controller))
    }
}

impl From<Box<dyn Controller + Send>> for BoxedController {
    fn from(controller: Box<dyn Controller + Send>) -> Self {
        Self(controller)
    }
}

impl core::fmt::Debug for BoxedController {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("BoxedController")
            .field(&self.0.decision())
            .finish()
    }
}

impl Controller for BoxedController {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.0.on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.0.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.0.on_ack_end(now, batch);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.0.on_congestion_event(now, event);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.0.on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.0.on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        self.0.decision()
    }

    fn counters(&self) -> Counters {
        self.0.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_and_others_are_refused_by_name() {
        let mtu = Bytes::new(1500);
        for name in NAMES.iter().filter(|&&name| name != "fixed:BYTES") {
            let window = by_name(name, mtu, 1).unwrap().decision().congestion_window;
            assert!((14_720..=15_000).contains(&window.as_u64()), "{name}");
        }
        let fixed = by_name("fixed:90000", mtu, 1).unwrap().decision();
        assert_eq!(fixed.congestion_window, Bytes::new(90_000));
        let unknown = by_name("las vegas", mtu, 1).err().unwrap();
        assert_eq!(
            unknown,
            BaselineError::Unknown {
                name: "las vegas".to_owned()
            }
        );
        for name in NAMES {
            assert!(unknown.to_string().contains(name), "{unknown}");
        }
        let window = by_name("fixed:lots", mtu, 1).err().unwrap();
        assert_eq!(
            window,
            BaselineError::Window {
                got: "lots".to_owned()
            }
        );
    }

    #[test]
    fn every_flow_of_every_run_has_a_seed_of_its_own() {
        let seeds = (0..20).flat_map(|seed| (0..20).map(move |flow| flow_seed(seed, flow)));
        let distinct: std::collections::BTreeSet<u64> = seeds.collect();
        assert_eq!(distinct.len(), 400);
    }

    #[test]
    fn only_scalable_controllers_send_ect_1() {
        for name in NAMES {
            let expected = if name == "prague" {
                Ecn::Ect1
            } else {
                Ecn::NotEct
            };
            assert_eq!(ecn_of(name), expected, "{name}");
        }
    }
}
