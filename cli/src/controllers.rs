//! Controllers by name, for the simulator.

use anyhow::{anyhow, bail};
use tautline_core::controller::Learned;
use tautline_core::units::Bytes;
use tautline_netsim::baseline::{self, BoxedController};
use tautline_netsim::scenario::{EcnSpec, FlowSpec, Stack, TransportSpec};
use tautline_netsim::sim::Carrier;
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{Connection, QuinnController, QuinnFlow, connection};

use crate::model::{Certified, CertifiedArgs};

/// Name of the guarded controller that runs a certified model.
pub(crate) const CERTIFIED: &str = "certified";

/// Makes controllers by name.
#[derive(Clone, Debug)]
pub(crate) struct Controllers {
    certified: Option<Certified>,
}

impl Controllers {
    /// Those that need no model, and the certified one where `args` name its files.
    ///
    /// # Errors
    /// A refused certificate, or a file that cannot be read.
    pub(crate) fn load(args: &CertifiedArgs) -> anyhow::Result<Self> {
        Ok(Self {
            certified: args.load()?,
        })
    }

    /// What carries `flow`, whose own random choices follow `seed`.
    ///
    /// # Errors
    /// A controller that does not exist or does not fit the flow's stack, or a missing model.
    pub(crate) fn carrier(
        &self,
        flow: &FlowSpec,
        transport: &TransportSpec,
        seed: u64,
    ) -> anyhow::Result<Carrier<BoxedController>> {
        let name = flow.controller.as_str();
        let mtu = transport.mtu_bytes;
        match flow.stack {
            Stack::Model if QUINNS_OWN.contains(&name) => bail!(
                "controller `{name}` is quinn's own: it needs flows with `stack = \"quinn\"`; \
                 over the model there are `{}` and `{CERTIFIED}`",
                baseline::NAMES.join("`, `")
            ),
            Stack::Model => {
                let controller = self.make(name, transport.max_datagram_size(), seed)?;
                Ok(Carrier::Model(controller))
            }
            Stack::Smoltcp => bail!("flows over smoltcp cannot be run yet"),
            Stack::Quinn => {
                let payload = mtu.saturating_sub(IP_AND_UDP);
                let controller = self.in_quinn(name, Bytes::new(payload.into()), seed)?;
                let quinn = QuinnFlow {
                    controller,
                    mtu: u16::try_from(payload).unwrap_or(u16::MAX),
                    ecn: ecn(flow),
                    ..QuinnFlow::default()
                };
                let Connection { sender, receiver } = connection(quinn, flow.start, seed)?;
                Ok(Carrier::Real {
                    sender: Box::new(sender),
                    receiver: Box::new(receiver),
                })
            }
        }
    }

    fn in_quinn(&self, name: &str, datagram: Bytes, seed: u64) -> anyhow::Result<QuinnController> {
        Ok(match name {
            "quinn-cubic" => QuinnController::Cubic,
            "quinn-newreno" => QuinnController::NewReno,
            "quinn-bbr" => QuinnController::Bbr,
            _ => QuinnController::Ours(Box::new(self.make(name, datagram, seed)?)),
        })
    }

    /// A controller at the start of a connection with packets of `datagram` bytes, whose own
    /// choices, if it makes any at random, follow `seed`.
    ///
    /// # Errors
    /// An unknown name, or a missing model.
    fn make(&self, name: &str, datagram: Bytes, seed: u64) -> anyhow::Result<BoxedController> {
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

/// quinn's marks where the scenario leaves them to the controller: as ours wants, and ECT(0), which
/// quinn always sends, for its own.
fn ecn(flow: &FlowSpec) -> Ecn {
    match flow.ecn {
        EcnSpec::Auto if QUINNS_OWN.contains(&flow.controller.as_str()) => Ecn::Ect0,
        EcnSpec::Auto => baseline::ecn_of(&flow.controller),
        EcnSpec::Off => Ecn::NotEct,
        EcnSpec::Classic => Ecn::Ect0,
        EcnSpec::L4s => Ecn::Ect1,
    }
}

/// Controllers that come with quinn, for flows that quinn carries.
const QUINNS_OWN: [&str; 3] = ["quinn-cubic", "quinn-newreno", "quinn-bbr"];
/// Bytes of the IPv4 and UDP headers.
const IP_AND_UDP: u32 = 28;
