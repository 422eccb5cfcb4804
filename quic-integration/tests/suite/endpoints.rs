//! What the two endpoints of a pair are set up with.

use std::sync::Arc;

use quinn_proto::congestion::ControllerFactory;
use quinn_proto::{
    ClientConfig, EndpointConfig, HashedConnectionIdGenerator, ServerConfig, TransportConfig,
};

use crate::pair::MTU;

pub(crate) struct Certificate {
    chain: rustls::pki_types::CertificateDer<'static>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
}

pub(crate) fn server_certificate() -> Certificate {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    Certificate {
        chain: signed.cert.der().clone(),
        key: rustls::pki_types::PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into()),
    }
}

pub(crate) fn server_config(
    certificate: &Certificate,
    factory: Option<Arc<dyn ControllerFactory + Send + Sync>>,
) -> ServerConfig {
    let chain = vec![certificate.chain.clone()];
    let mut config = ServerConfig::with_single_cert(chain, certificate.key.clone_key()).unwrap();
    let mut transport = transport();
    if let Some(factory) = factory {
        transport.congestion_controller_factory(factory);
    }
    config.transport_config(Arc::new(transport));
    config
}

pub(crate) fn client_config(
    certificate: &Certificate,
    factory: Arc<dyn ControllerFactory + Send + Sync>,
) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.chain.clone()).unwrap();
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let mut transport = transport();
    transport.congestion_controller_factory(factory);
    config.transport_config(Arc::new(transport));
    config
}

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config.initial_mtu(MTU).mtu_discovery_config(None);
    config
}

pub(crate) fn endpoint_config(seed: u8) -> Arc<EndpointConfig> {
    let mut config = EndpointConfig::default();
    config.rng_seed(Some([seed; 32]));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(seed.into())));
    Arc::new(config)
}
