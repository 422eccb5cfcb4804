//! The command line of `tautline check`, and where its reports go.

use std::path::PathBuf;

use anyhow::bail;

use super::loops::Slices;
use super::{Report, junit, sarif, signature, text};
use crate::output::{JsonArgs, JsonTarget};
use crate::{files, output};

/// Check certificates against a model, without trusting who made them.
///
/// The checker derives every bound again in exact integers from the model's bytes. It shares no
/// arithmetic with the trainer and the prover, and whatever it does not understand it rejects.
///
/// With --claims, every certificate must prove exactly the claims of one of the files, and every
/// file must be proven by a certificate. With --public-key, every certificate must also be signed
/// with that key (minisign, CERT.tlc.minisig); a signature never replaces a proof.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline check model.tlm certificate.tlc\n  \
    tautline check model.tlm certificate.tlc --claims claims/standard.toml --json -\n  \
    tautline check model.tlm *.tlc --format sarif --output check.sarif --format junit --output check.xml\n  \
    tautline check model.tlm certificate.tlc --public-key release.pub\n  \
    tautline check model.tlm closed-loop.tlc --slices 0..2\n\n\
    Exit codes: 0 every certificate is accepted · 1 a certificate is rejected, or claims are not \
    proven · 2 wrong usage, or input or output failed · 3 all is proven, but a signature is missing or bad \
    · 4 the slices asked for hold, and others were not checked")]
pub(crate) struct Args {
    /// The model
    #[arg(value_name = "MODEL.tlm")]
    pub(super) model: PathBuf,
    /// Certificates about it
    #[arg(required = true, value_name = "CERT.tlc")]
    pub(super) certificates: Vec<PathBuf>,
    /// Accept only proofs of exactly these claims; by default a certificate's own are reported. May
    /// be given several times
    #[arg(long, value_name = "FILE.toml")]
    pub(super) claims: Vec<PathBuf>,
    /// Demand a minisign signature of every certificate with this public key: base64, or a file.
    /// What reads as a key is never taken for a file
    #[arg(long, value_name = "KEY|FILE")]
    pub(super) public_key: Option<String>,
    /// Where a certificate's signature is, by default beside it with the ending .minisig; several
    /// are in the order of the certificates
    #[arg(long, value_name = "FILE", requires = "public_key")]
    pub(super) signature: Vec<PathBuf>,
    /// Demand a signature of the model too: MODEL.tlm.minisig
    #[arg(long, requires = "public_key")]
    pub(super) signed_model: bool,
    /// Form of the report; with --output, may be given several times
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Vec<Format>,
    /// Write the report there instead; standard output then has the text. One per --format
    #[arg(long, value_name = "FILE", requires = "format")]
    output: Vec<PathBuf>,
    /// Check only these slices of closed-loop certificates: a number, or a range like 0..2. Such a
    /// check proves nothing by itself
    #[arg(long, visible_alias = "slice", value_name = "N|FROM..TO")]
    pub(super) slices: Option<Slices>,
    #[command(flatten)]
    json: JsonArgs,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Everything there is to say
    Json,
    /// SARIF 2.1.0: what was rejected, for code scanning
    Sarif,
    /// JUnit XML: a test case per claim and certificate
    Junit,
}

impl Args {
    /// Fails before any work where the arguments contradict each other or an output is impossible.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let (formats, outputs) = (self.format.len(), self.output.len());
        if outputs != formats && (outputs, formats) != (0, 1) {
            bail!(
                "{formats} --format and {outputs} --output: several forms need an --output each, \
                 in the same order"
            );
        }
        if outputs == 0 && formats == 1 && self.json.json == Some(JsonTarget::Stdout) {
            bail!("--format and --json - both ask for standard output; give one a file");
        }
        let (signatures, certificates) = (self.signature.len(), self.certificates.len());
        if signatures != 0 && signatures != certificates {
            bail!(
                "{signatures} --signature for {certificates} certificates: expected one each, in \
                 the same order, or none"
            );
        }
        let mut inputs = vec![self.model.as_path()];
        for more in [&self.certificates, &self.claims, &self.signature] {
            inputs.extend(more.iter().map(PathBuf::as_path));
        }
        inputs.extend(self.public_key.as_deref().and_then(signature::key_file));
        let mut outputs: Vec<_> = self.output.iter().map(PathBuf::as_path).collect();
        outputs.extend(self.json.path());
        files::check_apart(&outputs, &inputs)?;
        for output in &self.output {
            files::check_writable(output)?;
        }
        self.json.check_writable()
    }

    /// The signature of the certificate at `number`.
    pub(super) fn signature_of(&self, number: usize) -> PathBuf {
        let certificate = self.certificates.get(number);
        let beside = || certificate.map_or_else(PathBuf::new, |path| signature::beside(path));
        self.signature.get(number).cloned().unwrap_or_else(beside)
    }

    /// Writes every form asked for; standard output has the text unless it has another one.
    pub(super) fn write(&self, report: &Report) -> anyhow::Result<()> {
        for (format, path) in self.format.iter().zip(&self.output) {
            files::write(path, format.render(report)?.as_bytes())?;
        }
        let only = self.format.first().filter(|_| self.output.is_empty());
        let printed = only.copied().unwrap_or(Format::Text).render(report)?;
        self.json.finish(report, &printed)
    }
}

impl Format {
    fn render(self, report: &Report) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text::render(report)?,
            Self::Json => output::json(report)?,
            Self::Sarif => output::json(&sarif::log(report))?,
            Self::Junit => junit::render(report)?,
        })
    }
}
