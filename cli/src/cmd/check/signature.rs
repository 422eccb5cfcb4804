//! Detached signatures (minisign), beside the proof and never in place of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use minisign_verify::{Error, PublicKey, Signature};
use serde::Serialize;

use crate::files::{self, FileError};
use crate::words::plain_path;

/// Whether a file is signed with the key asked for.
#[derive(Debug, Serialize)]
pub(super) struct SignatureReport {
    pub(super) file: PathBuf,
    pub(super) valid: bool,
    /// What the signer says, under the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trusted_comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// The public key `text`: the key itself in base64, else a file with it.
///
/// What reads as a key is never a file: otherwise whoever can write where the command runs could
/// name a file like the key and have their own taken for it.
///
/// # Errors
/// What was expected, where it is neither.
pub(super) fn read_key(text: &str) -> anyhow::Result<PublicKey> {
    let expected = "expected a minisign public key: 56 letters of base64, or a file with them as \
                    `minisign -G` writes it";
    let Some(path) = key_file(text) else {
        return PublicKey::from_base64(text.trim())
            .map_err(|error| anyhow!("--public-key {text}: {error}; {expected}"));
    };
    let content = files::read_text("public key", path)?;
    let key = PublicKey::decode(&content).or_else(|_| PublicKey::from_base64(content.trim()));
    key.map_err(|error| anyhow!("{}: {error}; {expected}", path.display()))
}

/// The file that `--public-key` names, if it names one and is no key.
pub(super) fn key_file(text: &str) -> Option<&Path> {
    let path = Path::new(text);
    (PublicKey::from_base64(text.trim()).is_err() && path.exists()).then_some(path)
}

/// Where the signature of `path` is unless somebody says otherwise.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".minisig");
    name.into()
}

/// Verifies the signature in `file` of `content`. No signature is one that does not verify.
///
/// # Errors
/// The signature's file is there but cannot be read.
pub(super) fn verify(
    key: &PublicKey,
    content: &[u8],
    file: &Path,
) -> anyhow::Result<SignatureReport> {
    let report = |trusted_comment, reason: Option<String>| SignatureReport {
        file: file.to_owned(),
        valid: reason.is_none(),
        trusted_comment,
        reason,
    };
    let text = match files::read("signature", file, MOST_SIGNATURE) {
        Ok(bytes) => String::from_utf8(bytes),
        Err(FileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let missing = format!("no signature: {} is missing", plain_path(file));
            return Ok(report(None, Some(missing)));
        }
        Err(error) => return Err(error).context("cannot verify a signature"),
    };
    let decoded = text.map_or(Err(Error::InvalidEncoding), |text| Signature::decode(&text));
    let verdict = decoded.and_then(|signature| {
        key.verify(content, &signature, false)?;
        Ok(signature.trusted_comment().to_owned())
    });
    Ok(match verdict {
        Ok(comment) => report(Some(comment), None),
        Err(error) => report(None, Some(reason(&error).to_owned())),
    })
}

const fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidSignature => "the signature is not one of this file with the key given",
        Error::UnexpectedKeyId => "the signature was made with another key",
        Error::InvalidEncoding | Error::UnsupportedAlgorithm => "not a minisign signature",
        Error::UnexpectedAlgorithm | Error::UnsupportedLegacyMode => {
            "a signature in minisign's old form (-l), which is not accepted; sign again without -l"
        }
        Error::IoError(_) => "the signature cannot be read",
    }
}

/// Comments may be long, but not that long, bytes.
const MOST_SIGNATURE: u64 = 64 << 10;
