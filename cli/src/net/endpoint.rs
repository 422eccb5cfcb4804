//! QUIC endpoints with our certificate, transport parameters and choice of controller.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig, NewRenoConfig};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use tautline_core::controller::NewReno;
use tautline_quic_integration::AdapterFactory;

/// A congestion controller for the sending side of a connection.
#[derive(Clone)]
pub(crate) enum ControllerChoice {
    /// A learned controller with its certificate.
    Certified(Arc<CertifiedFactory>),
    /// The guard's fallback, NewReno in integers.
    Fallback,
    /// quinn's CUBIC.
    Cubic,
    /// quinn's NewReno.
    NewReno,
    /// quinn's BBR, which it calls experimental.
    Bbr,
}

/// The factory behind [`ControllerChoice::Certified`].
pub(crate) type CertifiedFactory = tautline_quic_integration::CertifiedFactory;

impl fmt::Debug for ControllerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ControllerChoice {
    /// Its name in tables and on the command line.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Certified(_) => "certified",
            Self::Fallback => "fallback",
            Self::Cubic => "cubic",
            Self::NewReno => "newreno",
            Self::Bbr => "bbr",
        }
    }

    /// What quinn builds its controllers with.
    pub(crate) fn factory(&self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Certified(factory) => Arc::clone(factory) as _,
            Self::Fallback => Arc::new(AdapterFactory::new(NewReno::new)),
            Self::Cubic => Arc::new(CubicConfig::default()),
            Self::NewReno => Arc::new(NewRenoConfig::default()),
            Self::Bbr => Arc::new(BbrConfig::default()),
        }
    }
}

/// How large the datagrams of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatagramSize {
    /// 1452 bytes of payload from the first packet on, for paths known to carry Ethernet frames.
    Full,
    /// 1200 bytes at first, then what quinn's path MTU discovery finds.
    Discovered,
}

/// A self-signed certificate for [`SERVER_NAME`] and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn self_signed() -> anyhow::Result<Self> {
        let signed = rcgen::generate_simple_self_signed(vec![SERVER_NAME.into()])
            .context("cannot make a self-signed certificate")?;
        Ok(Self {
            certificate: signed.cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into()),
        })
    }

    /// The certificate, in DER.
    pub(crate) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

/// Which servers a client believes.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The one with this certificate, in DER.
    Certificate(CertificateDer<'static>),
    /// Anyone: the connection is encrypted, but perhaps to an impostor. For experiments only.
    Anyone,
}

/// Transport parameters for bulk data under `factory`'s controllers.
///
/// Windows admit 100 Mbit/s over 640 ms; more would let losses tear over 1024 gaps into a stream,
/// at which quinn-proto 0.11.19 gives up the connection. Segmentation offload is off, because its
/// bursts defeat the pacer.
pub(crate) fn transport(
    factory: Arc<dyn ControllerFactory + Send + Sync>,
    size: DatagramSize,
) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .congestion_controller_factory(factory)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(2 * WINDOW_BYTES))
        .send_window(2 * u64::from(WINDOW_BYTES))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .enable_segmentation_offload(false);
    if size == DatagramSize::Full {
        config
            .initial_mtu(FULL_DATAGRAM)
            .min_mtu(FULL_DATAGRAM)
            .mtu_discovery_config(None);
    }
    config
}

/// A server's configuration.
///
/// # Errors
/// When the TLS library refuses the certificate.
pub(crate) fn server_config(
    identity: &Identity,
    transport: TransportConfig,
) -> anyhow::Result<ServerConfig> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .context("the TLS library refuses the certificate")?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// A client's configuration.
///
/// # Errors
/// When the trusted certificate is not one.
pub(crate) fn client_config(
    trust: &Trust,
    transport: TransportConfig,
) -> anyhow::Result<ClientConfig> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut tls = match trust {
        Trust::Certificate(certificate) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(certificate.clone())
                .context("this is not a certificate that can be trusted")?;
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustAnyone(provider())))
            .with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// A server that listens on `address`; must be called inside a tokio runtime.
///
/// # Errors
/// When the address cannot be had, with advice if the port is in use.
pub(crate) fn listen(address: SocketAddr, config: ServerConfig) -> anyhow::Result<Endpoint> {
    Endpoint::server(config, address).map_err(|error| {
        let taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = anyhow::Error::new(error);
        if taken {
            error.context(format!(
                "cannot listen on {address}: the port is in use; is another server running? \
                 Choose another port, or 0 for any free one"
            ))
        } else {
            error.context(format!("cannot listen on {address}"))
        }
    })
}

/// A connection to `address`; must be called inside a tokio runtime.
///
/// # Errors
/// When nobody answers within `patience`, or the server is not the trusted one.
pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
    patience: Duration,
) -> anyhow::Result<(Endpoint, quinn::Connection)> {
    let local = if address.is_ipv4() {
        SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0))
    };
    let mut endpoint = Endpoint::client(local).context("cannot open a UDP socket")?;
    endpoint.set_default_client_config(config);
    let connecting = endpoint
        .connect(address, SERVER_NAME)
        .with_context(|| format!("cannot connect to {address}"))?;
    let connection = match tokio::time::timeout(patience, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(quinn::ConnectionError::TransportError(error)))
            if error.to_string().contains("UnknownIssuer")
                || error.to_string().contains("BadSignature") =>
        {
            return Err(anyhow::Error::new(error).context(format!(
                "{address} shows another certificate than the trusted one; the server makes a \
                 new one at every start"
            )));
        }
        Ok(Err(error)) => {
            return Err(
                anyhow::Error::new(error).context(format!("the handshake with {address} failed"))
            );
        }
        Err(_) => anyhow::bail!(
            "no answer from {address} within {patience:?}: is the server running, and does UDP \
             get through?"
        ),
    };
    Ok((endpoint, connection))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Believes every certificate, but checks that the server holds its key.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The name in the certificates that servers make for themselves.
pub(crate) const SERVER_NAME: &str = "localhost";
/// UDP payload of a datagram that fills an Ethernet frame under IPv6, quinn's own upper bound.
pub(crate) const FULL_DATAGRAM: u16 = 1452;
/// Application protocol of our bulk transfers (RFC 7301).
const ALPN: &[u8] = b"tautline-perf/1";
const WINDOW_BYTES: u32 = 8 << 20;
