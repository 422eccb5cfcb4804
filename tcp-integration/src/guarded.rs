//! Learned controllers under the guard, from parts that need no heap.

use tautline_core::controller::{ForeignEnvelope, Learned, Proposer};
use tautline_core::guard::Envelope;
use tautline_core::policy::Digest;
use tautline_core::units::Bytes;

use crate::connection::ControllerSource;

/// Builds a guarded, learned controller per connection.
///
/// `P` is what proposes: on a microcontroller a [`Policy`](tautline_core::policy::Policy) over
/// `&'static [i16]`, whose clones share the weights. `E` says what the guard may rely on; deploy
/// only an envelope that stems from a checked certificate.
///
/// # Examples
/// ```
/// use tautline_core::controller::Learned;
/// use tautline_core::guard::Envelope;
/// use tautline_core::policy::{ModelError, ModelHeader, Policy};
/// use tautline_tcp_integration::GuardedSource;
///
/// fn from_flash<E: Envelope + Clone>(
///     header: ModelHeader,
///     weights: &'static [i16],
///     envelope: E,
/// ) -> Result<GuardedSource<Policy<&'static [i16]>, E>, Box<dyn std::error::Error>> {
///     Ok(GuardedSource::new(Policy::new(header, weights)?, envelope)?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct GuardedSource<P, E: Envelope> {
    envelope: E,
    /// Holds the proposer; that it could be built shows that the two belong together.
    first: Learned<P, E>,
}

impl<P: Proposer + Clone, E: Envelope + Clone> GuardedSource<P, E> {
    /// Puts `proposer` under the guard.
    ///
    /// # Errors
    /// [`ForeignEnvelope`] if `envelope` is about another model.
    pub fn new(proposer: P, envelope: E) -> Result<Self, ForeignEnvelope> {
        let first = Learned::new(proposer, envelope.clone(), LEAST_SEGMENT)?;
        Ok(Self { envelope, first })
    }

    /// Digest of the model.
    pub fn model_digest(&self) -> Digest {
        self.first.proposer().digest()
    }
}

impl<P: Proposer + Clone, E: Envelope + Clone> ControllerSource for GuardedSource<P, E> {
    type Controller = Learned<P, E>;

    fn controller(&self, max_segment: Bytes) -> Self::Controller {
        let proposer = self.first.proposer().clone();
        Learned::new(proposer, self.envelope.clone(), max_segment)
            // Unreachable since `new` succeeded, and under the same guard if it were not.
            .unwrap_or_else(|_| self.first.clone())
    }
}

/// What every host must accept (RFC 9293 §3.7.1): a window counted in these is never too large.
const LEAST_SEGMENT: Bytes = Bytes::new(536);
