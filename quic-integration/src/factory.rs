//! One fresh controller per connection.

use std::sync::Arc;
use std::time::Instant;

use quinn_proto::congestion::{Controller as QuinnController, ControllerFactory};
use tautline_core::controller::Controller;
use tautline_core::units::Bytes;

use crate::adapter::Adapter;

/// Builds an [`Adapter`] per connection, for
/// [`quinn_proto::TransportConfig::congestion_controller_factory`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use tautline_core::controller::NewReno;
/// use tautline_quic_integration::AdapterFactory;
///
/// let mut transport = quinn_proto::TransportConfig::default();
/// transport.congestion_controller_factory(Arc::new(AdapterFactory::new(NewReno::new)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AdapterFactory<F> {
    controller: F,
}

impl<F> AdapterFactory<F> {
    /// `controller` gets the largest datagram size of the new path, in UDP payload bytes.
    pub const fn new<C>(controller: F) -> Self
    where
        C: Controller + Clone + Send + Sync + 'static,
        F: Fn(Bytes) -> C + Send + Sync + 'static,
    {
        Self { controller }
    }
}

impl<C, F> ControllerFactory for AdapterFactory<F>
where
    C: Controller + Clone + Send + Sync + 'static,
    F: Fn(Bytes) -> C + Send + Sync + 'static,
{
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn QuinnController> {
        let mtu = Bytes::new(current_mtu.into());
        Box::new(Adapter::new((self.controller)(mtu), now, mtu))
    }
}
