//! Real sockets: an emulated path on the loopback interface, QUIC endpoints, bulk transfers.

pub(crate) mod emulator;
pub(crate) mod endpoint;
pub(crate) mod perf;
pub(crate) mod transfer;
