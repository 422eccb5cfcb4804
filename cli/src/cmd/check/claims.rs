//! The claims files that certificates are compared with.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tautline_certificates::claim::ClaimSet;
use tautline_core::policy::Digest;

use super::{CertificateReport, RejectionReport};
use crate::model::read_claims;
use crate::words::plain_path;

/// The claims files asked for; none if certificates may prove what they like.
#[derive(Debug)]
pub(super) struct WantedClaims(Vec<Wanted>);

#[derive(Debug)]
struct Wanted {
    file: PathBuf,
    claims: ClaimSet,
    digest: Digest,
}

/// A claims file and the certificates that prove it.
#[derive(Debug, Serialize)]
pub(super) struct ClaimsFileReport {
    pub(super) file: PathBuf,
    /// Digest of its claims as certificates carry them, not of its text.
    pub(super) digest: String,
    pub(super) proven_by: Vec<PathBuf>,
}

impl WantedClaims {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with a file, with line and field.
    pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| {
            let claims = read_claims(Some(path))?;
            Ok(Wanted {
                file: path.clone(),
                digest: claims.digest()?,
                claims,
            })
        };
        let wanted = paths.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self(wanted))
    }

    /// The set that a certificate of claim set `digest` is checked against: the one that it is, else
    /// the first, from which it then differs.
    pub(super) fn compared_with(&self, digest: Option<Digest>) -> Option<&ClaimSet> {
        let same = self.0.iter().find(|it| Some(it.digest) == digest);
        same.or_else(|| self.0.first()).map(|it| &it.claims)
    }

    /// The file that holds exactly the claim set `digest`.
    pub(super) fn file_of(&self, digest: Digest) -> Option<&Path> {
        let same = self.0.iter().find(|it| it.digest == digest);
        same.map(|it| it.file.as_path())
    }

    /// Says in a rejection for other claims which ones were asked for, by file.
    pub(super) fn name_all(&self, rejection: &mut RejectionReport, got: Option<Digest>) {
        let Some(got) = got.filter(|&got| !self.0.is_empty() && self.file_of(got).is_none()) else {
            return;
        };
        let files = self.0.iter();
        let files = files.map(|it| format!("{} ({})", plain_path(&it.file), it.digest));
        rejection.reason = format!(
            "certificate proves claim set {got}, asked for is {}",
            files.collect::<Vec<_>>().join(" or ")
        );
    }

    /// Which files the accepted certificates prove.
    pub(super) fn reports(&self, certificates: &[CertificateReport]) -> Vec<ClaimsFileReport> {
        let reports = self.0.iter().map(|wanted| {
            let digest = wanted.digest.to_string();
            let proofs = certificates.iter().filter(|certificate| {
                certificate.proven && certificate.claim_set_digest.as_ref() == Some(&digest)
            });
            ClaimsFileReport {
                file: wanted.file.clone(),
                proven_by: proofs.map(|it| it.certificate.clone()).collect(),
                digest,
            }
        });
        reports.collect()
    }
}

impl ClaimsFileReport {
    /// Whether some certificate proves exactly this file.
    pub(super) fn met(&self) -> bool {
        !self.proven_by.is_empty()
    }
}
