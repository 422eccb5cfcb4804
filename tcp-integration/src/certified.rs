//! Learned controllers for smoltcp, only with a certificate about exactly their model.

use std::sync::Arc;

use tautline_certificates::CheckedCertificate;
use tautline_core::controller::{ForeignEnvelope, Learned};
use tautline_core::fixed::Q16;
use tautline_core::guard::Envelope;
use tautline_core::policy::{self, Digest, ModelError, Policy};

use crate::guarded::GuardedSource;

/// A policy whose parameters all connections share.
pub type SharedPolicy = Policy<Arc<[i16]>>;

/// The guarded controller of one connection: the policy, or the guard's fallback.
pub type CertifiedController = Learned<SharedPolicy, Shared<CheckedCertificate>>;

/// Controllers that a checked certificate vouches for, one per connection.
///
/// The source only binds the model to a certificate about exactly that model. *Which* claims the
/// certificate proves is the caller's business: pass the [`ClaimSet`] you rely on to
/// [`check`](tautline_certificates::check). Without one, `check` accepts whatever set the
/// certificate carries, however weak, and [`CheckedCertificate::claims`] says what that is.
///
/// [`ClaimSet`]: tautline_certificates::claim::ClaimSet
///
/// # Examples
/// ```
/// use smoltcp::phy::Device;
/// use tautline_certificates::CheckedCertificate;
/// use tautline_tcp_integration::{CertifiedSource, GatedDevice, Settings};
///
/// fn certified<D: Device>(
///     inner: D,
///     model: &[u8],
///     certificate: CheckedCertificate,
/// ) -> Result<GatedDevice<D, CertifiedSource>, Box<dyn std::error::Error>> {
///     let source = CertifiedSource::from_model(model, certificate)?;
///     Ok(GatedDevice::new(inner, source, Settings::default())?)
/// }
/// ```
pub type CertifiedSource = GuardedSource<SharedPolicy, Shared<CheckedCertificate>>;

/// Why a source of controllers cannot be built.
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

impl<E: Envelope> GuardedSource<SharedPolicy, Shared<E>> {
    /// Decodes a model file and puts it under the guard.
    ///
    /// # Errors
    /// [`BuildError::Model`] if the file is refused, [`BuildError::ForeignCertificate`] if
    /// `envelope` is about another model.
    pub fn from_model(model: &[u8], envelope: E) -> Result<Self, BuildError> {
        let (header, parameters) = policy::decode(model)?;
        let parameters: Arc<[i16]> = parameters.iter().collect();
        let policy = Policy::new(header, parameters)?;
        Ok(Self::new(policy, Shared(Arc::new(envelope)))?)
    }
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
