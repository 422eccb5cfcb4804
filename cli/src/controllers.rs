//! Controllers by name, for the simulator.

use anyhow::{anyhow, bail};
use tautline_core::controller::Learned;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::{self, BoxedController};

use crate::model::{Certified, CertifiedArgs};

/// Name of the guarded controller that runs a certified model.
pub(crate) const CERTIFIED: &str = "certified";

/// Makes controllers by name.
#[derive(Clone, Debug)]
pub(crate) struct Controllers {
    certified: Option<Certified>,
}

impl Controllers {
    /// Checks that every one of `names` can be made.
    ///
    /// # Errors
    /// An unknown name, a missing model, or a refused certificate.
    pub(crate) fn load<'a>(
        args: &CertifiedArgs,
        names: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<Self> {
        let controllers = Self {
            certified: args.load()?,
        };
        for name in names {
            controllers.make(name, Bytes::new(1500), 1)?;
        }
        Ok(controllers)
    }

    /// A controller at the start of a connection with packets of `datagram` bytes, whose own
    /// choices, if it makes any at random, follow `seed`.
    ///
    /// # Errors
    /// As for [`Controllers::load`].
    pub(crate) fn make(
        &self,
        name: &str,
        datagram: Bytes,
        seed: u64,
    ) -> anyhow::Result<BoxedController> {
        if name != CERTIFIED {
            let made = baseline::by_name(name, datagram, seed).map_err(|error| {
                anyhow!("{error}, or `{CERTIFIED}` with --model and --certificate")
            })?;
            return Ok(made.into());
        }
        let Some(certified) = &self.certified else {
            bail!("controller `{CERTIFIED}` needs --model MODEL.tlm and --certificate CERT.tlc");
        };
        let (policy, envelope) = (certified.policy.clone(), certified.certificate.clone());
        Ok(BoxedController::new(Learned::new(
            policy, envelope, datagram,
        )?))
    }
}
