//! One network and one property, from files to a verdict.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use tautline_abstract_interp::float::network::FloatNetwork;
use tautline_abstract_interp::float::property::Property;
use tautline_abstract_interp::float::verdict::{Answer, Verdict};
use tautline_abstract_interp::float::verify::{Options, VerifyError, Watch, verify};
use tautline_abstract_interp::float::{nnet, onnx, vnnlib};

use crate::clock::Stopwatch;
use crate::{files, interrupt};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) network: PathBuf,
    pub(super) property: PathBuf,
    pub(super) timeout: Option<Duration>,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) answer: Answer,
    /// From before the files were read until the verdict.
    pub(super) time: Duration,
}

/// Bytes of a network or property at most, compressed or not.
const MOST: u64 = 64 << 20;

/// Reads both files and decides; `say` hears how it goes.
pub(super) fn decide(
    question: &Question,
    say: &(dyn Fn(String) + Sync),
) -> anyhow::Result<Decision> {
    let watch = Stopwatch::start();
    let network = read_network(&question.network)?;
    let property = read_property(&question.property)?;
    let over = || {
        let timeout = question.timeout;
        timeout.is_some_and(|timeout| watch.elapsed() >= timeout)
    };
    let watched = Watch {
        progress: &|at| {
            let proven = 100.0 * at.proven;
            say(format!(
                "{} boxes, {} open, {proven:.1} % proven",
                at.boxes, at.open
            ));
        },
        stop: &|| interrupt::requested() || over(),
    };
    let answer = verify(&network, &property, &Options::default(), watched);
    let answer = answer.with_context(|| question.misfit())?;
    let time = watch.elapsed();
    Ok(Decision { answer, time })
}

/// Inputs and outputs of the files that were read before anything is decided, so that none of them
/// spoils hours of work.
#[derive(Default)]
pub(super) struct Shapes {
    networks: BTreeMap<PathBuf, (usize, usize)>,
    properties: BTreeMap<PathBuf, (usize, usize)>,
}

impl Shapes {
    /// Fails where a file cannot be read, or the property is about another network.
    pub(super) fn check(&mut self, question: &Question) -> anyhow::Result<()> {
        let Question {
            network, property, ..
        } = question;
        let got = if let Some(shape) = self.networks.get(network) {
            *shape
        } else {
            let read = read_network(network)?;
            let shape = (read.inputs(), read.outputs());
            self.networks.insert(network.clone(), shape);
            shape
        };
        let expected = if let Some(shape) = self.properties.get(property) {
            *shape
        } else {
            let read = read_property(property)?;
            let shape = (read.inputs, read.outputs);
            self.properties.insert(property.clone(), shape);
            shape
        };
        for (field, expected, got) in [
            ("inputs", expected.0, got.0),
            ("outputs", expected.1, got.1),
        ] {
            if expected != got {
                let error = VerifyError::Shape {
                    field,
                    expected,
                    got,
                };
                return Err(error).with_context(|| question.misfit());
            }
        }
        Ok(())
    }
}

impl Question {
    fn misfit(&self) -> String {
        let (network, property) = (self.network.display(), self.property.display());
        format!("{property} cannot be asked about {network}")
    }
}

fn read_network(path: &Path) -> anyhow::Result<FloatNetwork> {
    let (bytes, kind) = contents("network", path)?;
    let read = match kind.as_str() {
        "onnx" => onnx::read(&bytes).map_err(anyhow::Error::from),
        "nnet" => nnet::read(&bytes)
            .map(|it| it.network)
            .map_err(anyhow::Error::from),
        _ => Err(anyhow::anyhow!(
            "expected a network whose name ends in .onnx or .nnet, or either with .gz"
        )),
    };
    read.with_context(|| path.display().to_string())
}

fn read_property(path: &Path) -> anyhow::Result<Property> {
    let (bytes, kind) = contents("property", path)?;
    if kind != "vnnlib" {
        let path = path.display();
        anyhow::bail!("{path}: expected a property whose name ends in .vnnlib or .vnnlib.gz");
    }
    vnnlib::read(&bytes).with_context(|| path.display().to_string())
}

/// The bytes of a file, decompressed, and the ending of its name below `.gz`. Where there is no such
/// file but one with `.gz` behind the name, that one is meant.
fn contents(what: &'static str, path: &Path) -> anyhow::Result<(Vec<u8>, String)> {
    let mut path = path.to_owned();
    let is_compressed = |path: &Path| path.extension().is_some_and(|it| it == "gz");
    if !path.exists() && !is_compressed(&path) {
        let mut name = path.clone().into_os_string();
        name.push(".gz");
        if Path::new(&name).exists() {
            path = name.into();
        }
    }
    let bytes = files::read(what, &path, MOST)?;
    let plain = if is_compressed(&path) {
        path.with_extension("")
    } else {
        path.clone()
    };
    let kind = plain.extension().and_then(|it| it.to_str()).unwrap_or("");
    if !is_compressed(&path) {
        return Ok((bytes, kind.to_owned()));
    }
    let mut text = Vec::new();
    GzDecoder::new(&bytes[..])
        .take(MOST + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("{}: not a gzip file", path.display()))?;
    if text.len() as u64 > MOST {
        anyhow::bail!(
            "{}: more than {MOST} bytes when decompressed",
            path.display()
        );
    }
    Ok((text, kind.to_owned()))
}

/// The word of VNN-COMP's tables for a verdict.
pub(super) const fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Violated(_) => "violated",
        Verdict::Unknown(_) => "unknown",
    }
}
