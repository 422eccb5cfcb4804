//! smoltcp with the patch, where our controllers are plugged in.

pub use smoltcp_patched as stack;
use smoltcp_patched::socket::tcp::{CongestionController, Socket};
use tautline_tcp_integration::ControllerSource;

#[path = "endpoint.rs"]
pub mod endpoint;

use crate::adapter::{InStack, Recovery};

/// A sending socket with a controller from `source`.
pub fn socket<S>(source: S, recovery: Recovery) -> Socket<'static>
where
    S: ControllerSource + Clone + Send + Sync + 'static,
    S::Controller: Send + Sync,
{
    let adapter = InStack::<S, { crate::SEGMENTS }>::new(source, recovery);
    let mut socket = endpoint::socket();
    socket.set_custom_congestion_control(Box::new(adapter) as Box<dyn CongestionController>);
    socket
}
