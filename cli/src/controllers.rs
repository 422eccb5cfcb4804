//! Controllers by name, for the simulator.

use std::path::PathBuf;

use anyhow::bail;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::{self, BoxedController};
use tautline_netsim::scenario::ValidScenario;

/// What the controller `certified` is made of.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CertifiedArgs {
    /// Model of the controller `certified`
    #[arg(long, value_name = "MODEL.tlm")]
    model: Option<PathBuf>,
    /// Its certificate; checked before anything runs
    #[arg(long, value_name = "CERT.tlc")]
    certificate: Option<PathBuf>,
}

/// Makes controllers.
pub(crate) struct Controllers {}

impl Controllers {
    pub(crate) fn load(_args: &CertifiedArgs, certified: bool) -> anyhow::Result<Option<Self>> {
        if certified {
            bail!("later");
        }
        Ok(Some(Self {}))
    }

    pub(crate) fn make(
        &self,
        name: &str,
        scenario: &ValidScenario,
    ) -> anyhow::Result<BoxedController> {
        let datagram = Bytes::new(scenario.transport().mtu_bytes.into());
        Ok(baseline::by_name(name, datagram)?.into())
    }
}
