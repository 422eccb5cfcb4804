//! Parameters of the transport model as written.

use super::section::Section;
use crate::scenario::{Pacing, ScenarioError, TransportSpec};

/// `[transport]`.
pub(super) const TRANSPORT: &[&str] = &[
    "mtu_bytes",
    "overhead_bytes",
    "header_bytes",
    "ack_every",
    "max_ack_delay_ms",
    "receive_window_bytes",
    "ack_bytes",
    "pacing",
];

/// The transport of `root`; what is absent has its default.
pub(super) fn transport(root: &Section<'_>) -> Result<TransportSpec, ScenarioError> {
    let default = TransportSpec::default();
    let Some(table) = root.section("transport")? else {
        return Ok(default);
    };
    table.only(&[TRANSPORT])?;
    let pacings = [("controller", Pacing::Controller), ("off", Pacing::Off)];
    Ok(TransportSpec {
        mtu_bytes: table.count("mtu_bytes")?.unwrap_or(default.mtu_bytes),
        overhead_bytes: table
            .count("overhead_bytes")?
            .unwrap_or(default.overhead_bytes),
        header_bytes: table.count("header_bytes")?.unwrap_or(default.header_bytes),
        ack_every: table.count("ack_every")?.unwrap_or(default.ack_every),
        max_ack_delay: table
            .time("max_ack_delay_ms")?
            .unwrap_or(default.max_ack_delay),
        receive_window: table
            .bytes("receive_window_bytes")?
            .unwrap_or(default.receive_window),
        ack_bytes: table.count("ack_bytes")?.unwrap_or(default.ack_bytes),
        pacing: table.choice("pacing", &pacings)?.unwrap_or(default.pacing),
    })
}
