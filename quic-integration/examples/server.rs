//! A QUIC server whose congestion control is a learned policy with a certificate: load the model,
//! check its certificate, plug the factory into quinn, serve. The client is here only to have
//! someone to serve: both talk over the loopback interface.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tautline_certificates::check;
use tautline_quic_integration::CertifiedFactory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let factory = Arc::new(certified_factory()?);

    // An identity for this run; a real server has its own.
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let certificate = identity.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(identity.signing_key.serialize_der().into());

    // The one line of a server that is ours; one factory serves all connections.
    let mut transport = TransportConfig::default();
    transport.congestion_controller_factory(factory);
    let mut config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
    config.transport_config(Arc::new(transport));
    let server = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;

    let address = server.local_addr()?;
    let (certified, received) = tokio::join!(serve(server), download(address, certificate));
    println!("received {} bytes", received?);
    println!("certified controller: {}", certified?);
    Ok(())
}

/// The shipped model with the shipped certificate, checked here and now.
fn certified_factory() -> Result<CertifiedFactory, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo");
    let model = fs::read(folder.join("model.tlm"))?;
    let certificate = fs::read(folder.join("certificate.tlc"))?;
    // Without a claim set to insist on: the certificate says which claims it proves.
    let checked = check(&model, &certificate, None)?;
    println!("model accepted with {} claims:", checked.claims().len());
    for claim in checked.claims() {
        println!("  {}: {}", claim.name(), claim.says());
    }
    Ok(CertifiedFactory::from_model(&model, checked)?)
}

/// Sends one file to one client; true if a certified controller did it.
async fn serve(server: Endpoint) -> Result<bool, Box<dyn Error>> {
    let incoming = server.accept().await.ok_or("the endpoint is closed")?;
    let connection = incoming.await?;
    let mut stream = connection.open_uni().await?;
    stream.write_all(&vec![0x5a; FILE_BYTES]).await?;
    stream.finish()?;
    connection.closed().await;
    // What the guard counted is at hand as long as the connection is: here only whose state it is.
    let progress = CertifiedFactory::progress(connection.congestion_state());
    Ok(progress.is_some_and(|progress| progress.tally.packets_acked > 0))
}

/// Connects, reads one file and says how long it was.
async fn download(
    server: SocketAddr,
    certificate: CertificateDer<'static>,
) -> Result<usize, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let mut client = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
    let connection = client.connect(server, "localhost")?.await?;
    let file = connection
        .accept_uni()
        .await?
        .read_to_end(FILE_BYTES)
        .await?;
    connection.close(0_u32.into(), b"done");
    client.wait_idle().await;
    Ok(file.len())
}

const FILE_BYTES: usize = 1_000_000;
