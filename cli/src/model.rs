//! Models, claims and certificates as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rayon::prelude::*;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::closed_loop::{CheckedLoop, LoopChecker};
use tautline_certificates::{CheckedCertificate, Rejection, check};
use tautline_core::policy::{self, ModelHeader, Policy};
use tautline_quic_integration::SharedPolicy;
use toml::de::{DeTable, DeValue};

use crate::files;

/// A model with the bytes it came from.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
    /// What it says.
    pub(crate) policy: SharedPolicy,
}

impl Model {
    /// Reads a `.tlm` file.
    ///
    /// # Errors
    /// Names the file, what was expected there and what there is.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = read_model_bytes(path)?;
        Self::decode(bytes).with_context(|| format!("cannot use model {}", path.display()))
    }

    /// A model that was just made.
    pub(crate) fn of_parts(header: &ModelHeader, parameters: &[i16]) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        policy::encode(header, parameters, |piece| bytes.extend_from_slice(piece));
        Self::decode(bytes).context("the model is not deployable")
    }

    fn decode(bytes: Vec<u8>) -> anyhow::Result<Self> {
        let (header, parameters) = policy::decode(&bytes)?;
        let parameters: Arc<[i16]> = parameters.iter().collect();
        let policy = Policy::new(header, parameters)?;
        Ok(Self { bytes, policy })
    }

    /// Widths of inputs, hidden layers and heads: `12-32-32-1`.
    pub(crate) fn shape(&self) -> String {
        let header = self.policy.header();
        let hidden = header.hidden_layers().iter();
        let widths = std::iter::once(header.inputs)
            .chain(hidden.map(|layer| layer.width))
            .chain(std::iter::once(header.head_count.into()));
        let widths: Vec<_> = widths.map(|width| width.to_string()).collect();
        widths.join("-")
    }
}

/// The bytes of a model file, whatever they say.
pub(crate) fn read_model_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    files::read("model", path, MOST_MODEL)
        .context("expected a model (.tlm), as `tautline train` and `tautline demo` write it")
}

/// The bytes of a certificate file, whatever they say.
pub(crate) fn read_certificate_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    files::read("certificate", path, MOST_CERTIFICATE)
        .context("expected a certificate (.tlc), as `tautline certify` writes it")
}

/// The claims of `path`, or the standard ones.
pub(crate) fn read_claims(path: Option<&Path>) -> anyhow::Result<ClaimSet> {
    let Some(path) = path else {
        return Ok(ClaimSet::from_toml(
            STANDARD_CLAIMS,
            "claims/standard.toml",
        )?);
    };
    let text = files::read_text("claims", path)?;
    let claims = ClaimSet::from_toml(&text, &path.display().to_string());
    Ok(claims.map_err(|mut error| {
        // What is no claims file at all has no field yet, but the line has a key.
        if let (true, Some(key)) = (error.field == "claims file", key_on(&text, error.line)) {
            key.clone_into(&mut error.field);
        }
        error
    })?)
}

/// The closed-loop claims that are shipped.
pub(crate) fn closed_loop_claims() -> anyhow::Result<ClaimSet> {
    let (text, file) = (CLOSED_LOOP_CLAIMS, "claims/closed-loop.toml");
    Ok(ClaimSet::from_toml(text, file)?)
}

/// The key that is given a value on `line` of a TOML text, from one.
pub(crate) fn key_on(text: &str, line: usize) -> Option<&str> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let key = line.split_once('=')?.0.trim();
    let named = |letter: char| letter.is_alphanumeric() || "_-.\"'".contains(letter);
    (!key.is_empty() && key.chars().all(named)).then_some(key)
}

/// The line, from one, on which a TOML text gives the dotted `key` its value.
pub(crate) fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut start = 0;
    for part in key.split('.') {
        let (name, value) = table.get_key_value(part)?;
        start = name.span().start;
        if let DeValue::Table(inner) = value.get_ref() {
            table = inner;
        }
    }
    Some(text.get(..start)?.matches('\n').count() + 1)
}

/// What the controller `certified` is made of.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CertifiedArgs {
    /// Model of the controller `certified`
    #[arg(long, value_name = "MODEL.tlm", requires = "certificate")]
    pub(crate) model: Option<PathBuf>,
    /// Certificate of the model; the checker must accept it before anything runs
    #[arg(long, value_name = "CERT.tlc", requires = "model")]
    pub(crate) certificate: Option<PathBuf>,
    /// Claims that the certificate must prove; the standard claims by default
    #[arg(long, value_name = "FILE.toml", requires = "certificate")]
    pub(crate) claims: Option<PathBuf>,
}

/// A model with a certificate that the checker accepted.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    /// The model.
    pub(crate) policy: SharedPolicy,
    /// Its certificate.
    pub(crate) certificate: CheckedCertificate,
}

impl CertifiedArgs {
    /// The files that were named.
    pub(crate) fn inputs(&self) -> Vec<&Path> {
        let named = [&self.model, &self.certificate, &self.claims];
        named.into_iter().flatten().map(PathBuf::as_path).collect()
    }

    /// Reads the model and checks its certificate against exactly the claims asked for; none where
    /// no model was given.
    ///
    /// # Errors
    /// The checker's [`Rejection`] is in the chain of a refused certificate.
    pub(crate) fn load(&self) -> anyhow::Result<Option<Certified>> {
        let (Some(model), Some(path)) = (&self.model, &self.certificate) else {
            return Ok(None);
        };
        Certified::load(model, path, self.claims.as_deref()).map(Some)
    }
}

impl Certified {
    /// Reads the model and checks its certificate against exactly the claims of a file, or the
    /// standard ones.
    ///
    /// # Errors
    /// The checker's [`Rejection`] is in the chain of a refused certificate.
    pub(crate) fn load(
        model: &Path,
        certificate: &Path,
        claims: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let model = Model::read(model)?;
        let bytes = read_certificate_bytes(certificate)?;
        let claims = read_claims(claims)?;
        let certificate = check(&model.bytes, &bytes, Some(&claims))
            .map_err(Refused)
            .with_context(|| format!("cannot use certificate {}", certificate.display()))?;
        Ok(Self {
            policy: model.policy,
            certificate,
        })
    }

    /// The same with the closed-loop claims of a further certificate.
    ///
    /// # Errors
    /// The checker's [`Rejection`] is in the chain of a refused certificate.
    pub(crate) fn with_loop(self, model: &Path, certificate: &Path) -> anyhow::Result<Self> {
        let model = Model::read(model)?;
        let bytes = read_certificate_bytes(certificate)?;
        let checked = check_loop(&model.bytes, &bytes)
            .map_err(Refused)
            .with_context(|| format!("cannot use certificate {}", certificate.display()))?;
        Ok(Self {
            certificate: self.certificate.with_loop(checked)?,
            ..self
        })
    }
}

fn check_loop(model: &[u8], certificate: &[u8]) -> Result<CheckedLoop, Rejection> {
    let checker = LoopChecker::new(model, certificate, None)?;
    let slices = (0..checker.slices()).into_par_iter();
    let checked: Result<Vec<_>, _> = slices.map(|slice| checker.check_slice(slice)).collect();
    checker.finish(checked?)
}

/// A certificate that was needed and not accepted: exit code 1, not 2.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Refused(Rejection);

/// The standard claims, as shipped.
const STANDARD_CLAIMS: &str = include_str!("../../claims/standard.toml");
/// The closed-loop claims, as shipped.
const CLOSED_LOOP_CLAIMS: &str = include_str!("../../claims/closed-loop.toml");
/// Above any model that the format can describe.
const MOST_MODEL: u64 = 1 << 20;
const MOST_CERTIFICATE: u64 = tautline_certificates::format::MAX_FILE as u64;
