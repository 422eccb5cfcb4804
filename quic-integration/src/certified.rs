//! Learned controllers for quinn, only with a certificate about exactly their model.

use std::sync::Arc;
use std::time::Instant;

use quinn_proto::congestion::{Controller as QuinnController, ControllerFactory};
use tautline_certificates::CheckedCertificate;
use tautline_core::controller::{Counters, ForeignEnvelope, Learned, NewReno};
use tautline_core::fixed::Q16;
use tautline_core::guard::Envelope;
use tautline_core::policy::{self, Digest, ModelError, Policy};
use tautline_core::units::Bytes;

use crate::adapter::{Adapter, Tally};

/// A policy whose parameters all connections share.
pub type SharedPolicy = Policy<Arc<[i16]>>;

/// The guarded controller of one connection.
pub type GuardedController<E> = Learned<SharedPolicy, Shared<E>>;

/// Builds the controllers that a checked certificate vouches for, one per connection.
///
/// The factory only binds the model to a certificate about exactly that model. *Which* claims the
/// certificate proves is the caller's business: pass the [`ClaimSet`] you rely on to
/// [`check`](tautline_certificates::check). Without one, `check` accepts whatever set the
/// certificate carries, however weak, and [`CheckedCertificate::claims`] says what that is.
///
/// [`ClaimSet`]: tautline_certificates::claim::ClaimSet
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use tautline_quic_integration::{BuildError, CertifiedFactory};
///
/// fn transport(
///     model: &[u8],
///     certificate: tautline_certificates::CheckedCertificate,
/// ) -> Result<quinn_proto::TransportConfig, BuildError> {
///     let factory = CertifiedFactory::from_model(model, certificate)?;
///     let mut transport = quinn_proto::TransportConfig::default();
///     transport.congestion_controller_factory(Arc::new(factory));
///     Ok(transport)
/// }
/// ```
pub type CertifiedFactory = GuardedFactory<CheckedCertificate>;

/// Why a factory cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model file was refused.
    #[error("cannot use the model: {source}")]
    Model {
        /// Why.
        #[from]
        source: ModelError,
    },
    /// The certificate is about another model.
    #[error("the certificate is about model {certified}, the model given is {model}")]
    ForeignCertificate {
        /// Digest that the certificate names.
        certified: Digest,
        /// Digest of the model.
        model: Digest,
    },
}

impl From<ForeignEnvelope> for BuildError {
    fn from(foreign: ForeignEnvelope) -> Self {
        Self::ForeignCertificate {
            certified: foreign.vouched_for,
            model: foreign.model,
        }
    }
}

/// Builds a guarded, learned controller per connection; what the guard relies on comes from `E`.
#[derive(Debug)]
pub struct GuardedFactory<E> {
    policy: SharedPolicy,
    envelope: Shared<E>,
}

impl<E: Envelope> GuardedFactory<E> {
    /// Puts `policy` under the guard.
    ///
    /// # Errors
    /// [`BuildError::ForeignCertificate`] if `envelope` is about another model.
    pub fn new(policy: SharedPolicy, envelope: E) -> Result<Self, BuildError> {
        let factory = Self {
            policy,
            envelope: Shared(Arc::new(envelope)),
        };
        // The size plays no part in whether the two belong together.
        factory.controller(Bytes::new(1200))?;
        Ok(factory)
    }

    /// Decodes a model file and puts it under the guard.
    ///
    /// # Errors
    /// [`BuildError::Model`] if the file is refused, and as [`GuardedFactory::new`].
    pub fn from_model(model: &[u8], envelope: E) -> Result<Self, BuildError> {
        let (header, parameters) = policy::decode(model)?;
        let parameters: Arc<[i16]> = parameters.iter().collect();
        Self::new(Policy::new(header, parameters)?, envelope)
    }

    /// Digest of the model.
    pub const fn model_digest(&self) -> Digest {
        self.policy.digest()
    }

    /// A controller at the start of a connection, for use outside quinn.
    ///
    /// # Errors
    /// Never after the factory was built.
    pub fn controller(
        &self,
        max_datagram_size: Bytes,
    ) -> Result<GuardedController<E>, ForeignEnvelope> {
        Learned::new(
            self.policy.clone(),
            self.envelope.clone(),
            max_datagram_size,
        )
    }
}

impl<E: Envelope + Send + Sync + 'static> GuardedFactory<E> {
    /// What a connection's controller has done, given quinn's `congestion_state()`; none if
    /// another factory built it.
    pub fn progress(state: Box<dyn QuinnController>) -> Option<Progress> {
        let adapter = state
            .into_any()
            .downcast::<Adapter<GuardedController<E>>>()
            .ok()?;
        Some(Progress {
            counters: adapter.counters(),
            tally: adapter.tally(),
            policy_in_charge: adapter.controller().policy_in_charge(),
        })
    }
}

impl<E: Envelope + Send + Sync + 'static> ControllerFactory for GuardedFactory<E> {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn QuinnController> {
        let mtu = Bytes::new(current_mtu.into());
        match self.controller(mtu) {
            Ok(controller) => Box::new(Adapter::new(controller, now, mtu)),
            // Unreachable: the factory was refused then. The guard's fallback is always safe.
            Err(_) => Box::new(Adapter::new(NewReno::new(mtu), now, mtu)),
        }
    }
}

/// What a guarded controller has done in one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The guard's counters.
    pub counters: Counters,
    /// What the adapter reported.
    pub tally: Tally,
    /// True while the policy, and not startup, a drain or the fallback, decides.
    pub policy_in_charge: bool,
}

/// An envelope that all connections share.
#[derive(Debug)]
pub struct Shared<E>(Arc<E>);

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Envelope> Envelope for Shared<E> {
    type Assumptions = E::Assumptions;

    fn model_digest(&self) -> Digest {
        self.0.model_digest()
    }

    fn contains(&self, features: &[i32]) -> bool {
        self.0.contains(features)
    }

    fn heavy_loss(&self) -> Q16 {
        self.0.heavy_loss()
    }

    fn loop_assumptions(&self) -> E::Assumptions {
        self.0.loop_assumptions()
    }
}
