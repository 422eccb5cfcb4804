//! The outer shape of a file: header, sections, digest.

use tautline_core::policy::Digest;

use super::{FormatError, MAGIC, MAX_FILE, VERSION};
use crate::bytes::{Reader, Short};
use crate::claim::ClaimSet;

/// A file whose header, lengths and digest are in order; payloads are still bytes.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    /// Digest of the model that the certificate is about.
    pub model: Digest,
    /// Digest of the claim set's encoding.
    pub claims_digest: Digest,
    /// The embedded claims.
    pub claims: ClaimSet,
    /// The sections, in file order.
    pub sections: Vec<SectionView<'a>>,
    /// Digest of the file, as its last bytes say.
    pub digest: Digest,
}

/// A section whose payload has not been read.
#[derive(Clone, Copy, Debug)]
pub struct SectionView<'a> {
    /// Its kind.
    pub kind: u8,
    /// The claim it proves, as a position in the set.
    pub claim: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

impl<'a> Layout<'a> {
    /// Reads everything but the payloads, and checks the digests.
    ///
    /// # Errors
    /// [`FormatError`] about the header, lengths, digests or claims.
    pub fn read(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        read_version(&mut reader, bytes)?;
        let model = Digest::from_bytes(reader.array()?);
        let claims_digest = Digest::from_bytes(reader.array()?);
        let length = reader.length()?;
        let claims = reader.slice(length)?;
        let count = reader.u16()?;
        let sections = (0..count)
            .map(|_| {
                let (kind, claim) = (reader.u8()?, reader.u16()?);
                let length = reader.length()?;
                let payload = reader.slice(length)?;
                Ok(SectionView {
                    kind,
                    claim,
                    payload,
                })
            })
            .collect::<Result<_, FormatError>>()?;
        let content = bytes.get(..reader.position()).unwrap_or_default();
        let digest = Digest::from_bytes(reader.array()?);
        if reader.remaining() != 0 {
            return Err(FormatError::Trailing {
                got: reader.remaining(),
            });
        }
        let got = Digest::of(content);
        if got != digest {
            return Err(FormatError::Corrupt {
                expected: digest,
                got,
            });
        }
        let got = Digest::of(claims);
        if got != claims_digest {
            return Err(FormatError::ClaimsDigest {
                expected: claims_digest,
                got,
            });
        }
        Ok(Self {
            model,
            claims_digest,
            claims: ClaimSet::decode(claims)?,
            sections,
            digest,
        })
    }
}

fn read_version(reader: &mut Reader<'_>, bytes: &[u8]) -> Result<(), FormatError> {
    if bytes.len() > MAX_FILE {
        return Err(FormatError::TooLarge {
            limit: MAX_FILE,
            got: bytes.len(),
        });
    }
    let mut got = [0; 4];
    for (to, from) in got.iter_mut().zip(bytes) {
        *to = *from;
    }
    if got != MAGIC {
        return Err(FormatError::Magic {
            expected: MAGIC,
            got,
        });
    }
    reader.slice(MAGIC.len())?;
    let version = reader.u16()?;
    if version != VERSION {
        return Err(FormatError::Version {
            expected: VERSION,
            got: version,
        });
    }
    match reader.u16()? {
        0 => Ok(()),
        got => Err(FormatError::Flags { got }),
    }
}

impl From<Short> for FormatError {
    fn from(short: Short) -> Self {
        Self::Truncated {
            needed: short.needed,
            got: short.got,
        }
    }
}
