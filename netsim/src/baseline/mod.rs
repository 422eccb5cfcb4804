//! Controllers to compare with, by name.

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, FixedWindow, NewReno,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, Timestamp};

mod cubic;

pub use cubic::Cubic;

/// A name that stands for no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// No such controller.
    #[error("unknown controller `{name}`: expected `newreno`, `cubic` or `fixed:BYTES`")]
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

/// The baseline `newreno`, `cubic` or `fixed:BYTES` for packets of `max_datagram_size`.
///
/// # Errors
/// [`BaselineError`] for every other name.
pub fn by_name(
    name: &str,
    max_datagram_size: Bytes,
) -> Result<Box<dyn Controller + Send>, BaselineError> {
    match name {
        "newreno" => return Ok(Box::new(NewReno::new(max_datagram_size))),
        "cubic" => return Ok(Box::new(Cubic::new(max_datagram_size))),
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
        for name in ["newreno", "cubic"] {
            let window = by_name(name, mtu).unwrap().decision().congestion_window;
            assert_eq!(window, Bytes::new(14_720), "{name}");
        }
        let fixed = by_name("fixed:90000", mtu).unwrap().decision();
        assert_eq!(fixed.congestion_window, Bytes::new(90_000));
        let unknown = by_name("vegas", mtu).err().unwrap();
        assert_eq!(
            unknown,
            BaselineError::Unknown {
                name: "vegas".to_owned()
            }
        );
        let window = by_name("fixed:lots", mtu).err().unwrap();
        assert_eq!(
            window,
            BaselineError::Window {
                got: "lots".to_owned()
            }
        );
    }
}
