//! Controllers by name, for the simulator.

use anyhow::{anyhow, bail};
use tautline_core::controller::Learned;
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::baseline::{self, BoxedController};
use tautline_netsim::scenario::{EcnSpec, FlowSpec, Stack, TransportSpec, WorkloadSpec};
use tautline_netsim::sim::Carrier;
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{self as quinn, QuinnController, QuinnFlow};
use tautline_tcp_integration::sim::{self as smoltcp, SmoltcpController, SmoltcpFlow};

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
        check_stack(name, flow.stack)?;
        match flow.stack {
            Stack::Model => {
                let controller = self.make(name, transport.max_datagram_size(), seed, &[])?;
                Ok(Carrier::Model(controller))
            }
            Stack::Quinn => {
                let payload = transport.mtu_bytes.saturating_sub(IP_AND_UDP);
                let controller = self.in_quinn(name, Bytes::new(payload.into()), seed)?;
                let over_quinn = QuinnFlow {
                    controller,
                    mtu: u16::try_from(payload).unwrap_or(u16::MAX),
                    ecn: ecn(flow),
                    ahead: ahead(flow),
                    ..QuinnFlow::default()
                };
                Ok(quinn::connection(over_quinn, flow.start, seed)?.into())
            }
            Stack::Smoltcp => {
                let over_smoltcp = self.in_smoltcp(name, flow, transport, seed)?;
                Ok(smoltcp::connection(over_smoltcp, flow.start, seed)?.into())
            }
        }
    }

    fn in_smoltcp(
        &self,
        name: &str,
        flow: &FlowSpec,
        transport: &TransportSpec,
        seed: u64,
    ) -> anyhow::Result<SmoltcpFlow> {
        let mut over_smoltcp = SmoltcpFlow {
            mtu: u16::try_from(transport.mtu_bytes).unwrap_or(u16::MAX),
            // TCP has no feedback for ECT(1) here, so that those who want it do without.
            ecn: match flow.ecn {
                EcnSpec::Auto | EcnSpec::Off => Ecn::NotEct,
                EcnSpec::Classic => Ecn::Ect0,
                EcnSpec::L4s => Ecn::Ect1,
            },
            ..SmoltcpFlow::default()
        };
        // Sockets hold what is in flight, and the model's window is larger than any memory.
        let window = usize::try_from(transport.receive_window.as_u64()).unwrap_or(usize::MAX);
        over_smoltcp.receive_buffer = over_smoltcp.receive_buffer.min(window);
        over_smoltcp.controller = match name {
            "smoltcp-reno" => SmoltcpController::Reno,
            "smoltcp-cubic" => SmoltcpController::Cubic,
            "smoltcp-none" => SmoltcpController::None,
            _ => {
                let segment = over_smoltcp.max_segment();
                SmoltcpController::Ours(Box::new(self.make(name, segment, seed, &SMOLTCPS_OWN)?))
            }
        };
        Ok(over_smoltcp)
    }

    fn in_quinn(&self, name: &str, datagram: Bytes, seed: u64) -> anyhow::Result<QuinnController> {
        Ok(match name {
            "quinn-cubic" => QuinnController::Cubic,
            "quinn-newreno" => QuinnController::NewReno,
            "quinn-bbr" => QuinnController::Bbr,
            _ => {
                let ours = self.make(name, datagram, seed, &QUINNS_OWN)?;
                QuinnController::Ours(Box::new(ours))
            }
        })
    }

    /// A controller at the start of a connection with packets of `datagram` bytes, whose own
    /// choices, if it makes any at random, follow `seed`; `also` are the stack's own beside it.
    ///
    /// # Errors
    /// An unknown name, or a missing model.
    fn make(
        &self,
        name: &str,
        datagram: Bytes,
        seed: u64,
        also: &[&str],
    ) -> anyhow::Result<BoxedController> {
        if name != CERTIFIED {
            let made = baseline::by_name(name, datagram, seed).map_err(|error| {
                let also = also
                    .iter()
                    .fold(String::new(), |named, name| named + ", `" + name + "`");
                anyhow!("{error}{also}, or `{CERTIFIED}` with --model and --certificate")
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

/// Refuses the controllers that come with another stack.
fn check_stack(name: &str, stack: Stack) -> anyhow::Result<()> {
    for (owner, theirs, own) in [
        ("quinn", Stack::Quinn, QUINNS_OWN),
        ("smoltcp", Stack::Smoltcp, SMOLTCPS_OWN),
    ] {
        if stack != theirs && own.contains(&name) {
            let (over, also) = match stack {
                Stack::Model => ("the model", None),
                Stack::Quinn => ("quinn", Some(QUINNS_OWN)),
                Stack::Smoltcp => ("smoltcp", Some(SMOLTCPS_OWN)),
            };
            let also = also.map_or_else(String::new, |names| format!("`{}`, ", names.join("`, `")));
            bail!(
                "controller `{name}` is {owner}'s own: it needs flows with `stack = \"{owner}\"`; \
                 over {over} there are {also}`{}` and `{CERTIFIED}`",
                baseline::NAMES.join("`, `")
            );
        }
    }
    Ok(())
}

/// What quinn is given beyond what left: little where the application may fall silent.
fn ahead(flow: &FlowSpec) -> Bytes {
    let endless = matches!(flow.workload, WorkloadSpec::Bulk);
    if endless && flow.stop == Timestamp::MAX {
        QuinnFlow::default().ahead
    } else {
        Bytes::new(16 * 1472)
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
/// Controllers that come with smoltcp, for flows that smoltcp carries; the last is none at all.
const SMOLTCPS_OWN: [&str; 3] = ["smoltcp-reno", "smoltcp-cubic", "smoltcp-none"];
/// Bytes of the IPv4 and UDP headers.
const IP_AND_UDP: u32 = 28;
