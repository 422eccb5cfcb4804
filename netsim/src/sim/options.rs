//! What a run needs beside its scenario, and what it gives.

use core::time::Duration;

use tautline_core::controller::Event;
use tautline_core::units::Timestamp;

use crate::endpoint::StackEndpoint;
use crate::report::{FlowReport, Histogram, LinkReport, LinkUse, Timeline};

/// What to keep beside the reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Length of the bins of a timeline; none is kept by default.
    pub timeline_bin: Option<Duration>,
    /// The flow whose events are kept; none by default.
    pub log_flow: Option<usize>,
}

impl RunOptions {
    /// Keep a timeline with bins of `bin`, widened where there would be more than a million of them
    /// or four million over all flows.
    #[must_use]
    pub const fn with_timeline(self, bin: Duration) -> Self {
        Self {
            timeline_bin: Some(bin),
            ..self
        }
    }

    /// Keep the events given to the controller of flow number `flow`, where the transport model
    /// carries it.
    #[must_use]
    pub const fn with_log(self, flow: usize) -> Self {
        Self {
            log_flow: Some(flow),
            ..self
        }
    }
}

/// What carries one flow.
pub enum Carrier<C> {
    /// The transport model under a controller.
    Model(C),
    /// Two endpoints of a real stack.
    Real {
        /// The end that sends bulk data.
        sender: Box<dyn StackEndpoint>,
        /// The end that receives it.
        receiver: Box<dyn StackEndpoint>,
    },
}

impl<C: core::fmt::Debug> core::fmt::Debug for Carrier<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Model(controller) => f.debug_tuple("Model").field(controller).finish(),
            Self::Real { .. } => f.write_str("Real"),
        }
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome<C> {
    /// Each flow, in the order of the scenario.
    pub flows: Vec<FlowReport>,
    /// The first link, with the flows together.
    pub link: LinkReport,
    /// Each link, in the order of the scenario.
    pub links: Vec<LinkUse>,
    /// Queueing delays at the first link in the measurement window.
    pub queue_delay: Histogram,
    /// The controllers of flows over the transport model, in order, as the run left them.
    pub controllers: Vec<C>,
    /// A fingerprint of every departure, delivery, drop and acknowledgement.
    pub digest: u64,
    /// Data packets that were sent.
    pub data_packets: u64,
    /// Figures over time, where asked for.
    pub timeline: Option<Timeline>,
    /// The events of one flow's controller, where asked for.
    pub log: Option<Vec<(Timestamp, Event)>>,
}
