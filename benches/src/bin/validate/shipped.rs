//! The model that is shipped, under its certificate.

use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::{CheckedCertificate, check};
use tautline_core::controller::Learned;
use tautline_core::policy::{self, Policy};
use tautline_core::units::Bytes;
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_quic_integration::SharedPolicy;

use crate::root;

/// The shipped model with its certificate, for the controller `certified`.
pub(crate) struct Model {
    policy: SharedPolicy,
    certificate: CheckedCertificate,
}

impl Model {
    /// Reads and checks both files.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = root().join(name);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        let bytes = read("models/demo/model.tlm")?;
        let claims = fs::read_to_string(root().join(CLAIMS)).context(CLAIMS)?;
        let claims = ClaimSet::from_toml(&claims, CLAIMS)?;
        let certificate = check(&bytes, &read("models/demo/certificate.tlc")?, Some(&claims))?;
        let (header, parameters) = policy::decode(&bytes)?;
        let parameters: Arc<[i16]> = parameters.iter().collect();
        let policy = Policy::new(header, parameters)?;
        Ok(Self {
            policy,
            certificate,
        })
    }

    /// `certified`, or a baseline, for packets that count `size` bytes.
    pub(crate) fn controller(
        &self,
        name: &str,
        size: Bytes,
        seed: u64,
    ) -> anyhow::Result<BoxedController> {
        if name != CERTIFIED {
            return Ok(by_name(name, size, seed)?.into());
        }
        let (policy, certificate) = (self.policy.clone(), self.certificate.clone());
        Ok(BoxedController::new(Learned::new(
            policy,
            certificate,
            size,
        )?))
    }
}

/// What scenarios and commands call it.
pub(crate) const CERTIFIED: &str = "certified";
const CLAIMS: &str = "claims/standard.toml";
