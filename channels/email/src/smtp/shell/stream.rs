//! A connection's octets, in the clear or through TLS.

use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The certificate and key that STARTTLS shows.
#[derive(Clone)]
pub struct TlsIdentity(TlsAcceptor);

impl TlsIdentity {
    /// Reads both from PEM text: the certificate with its chain, and its key.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsFault> {
        let chain = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TlsFault::Certificate)?;
        if chain.is_empty() {
            return Err(TlsFault::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsFault::Key)?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<certificate and key>")
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// It is not PEM.
    #[error("the certificate is not PEM text")]
    Certificate,
    /// The key is not PEM.
    #[error("the key is not PEM text")]
    Key,
    /// Certificate and key do not go together, or are of a kind nobody takes.
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
}

/// One connection.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
    Closed,
}

impl Stream {
    /// Begins TLS; a connection that has begun it or ended fails.
    pub(super) async fn encrypt(self, identity: &TlsIdentity) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => {
                let stream = identity.0.accept(stream).await?;
                Ok(Self::Encrypted(Box::new(stream)))
            }
            Self::Encrypted(_) | Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Encrypted(stream) => stream.read(buffer).await,
            Self::Closed => Ok(0),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Says good-bye; the other side may be gone already.
    pub(super) async fn close(&mut self) {
        let _ = match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Encrypted(stream) => stream.shutdown().await,
            Self::Closed => Ok(()),
        };
    }
}
