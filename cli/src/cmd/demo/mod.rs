//! `tautline demo`: the whole product once, with real packets.

pub(crate) mod record;
mod tamper;
mod transfers;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tautline_abstract_interp::Limits;
use tautline_certificates::claim::ClaimSet;
use tautline_certificates::{CheckedCertificate, check};
use tautline_core::policy::Digest;
use tautline_trainer::{Outcome, Report};

use crate::clock::Stopwatch;
use crate::cmd::certify::{self, ClaimReport};
use crate::cmd::check::accepted_claims;
use crate::cmd::train::Preset;
use crate::exit::Exit;
use crate::interrupt::{self, Interrupted};
use crate::model::{Model, read_certificate_bytes, read_claims};
use crate::output::JsonTarget;
use crate::training::{self, Saving};
use crate::{files, output, report};
use record::{ClaimRecord, DemoRecord, Provenance};
use transfers::Scale;

/// See everything once: train, prove, check, tamper, carry real traffic, compare.
///
/// Trains a small controller, proves the standard claims about it, lets the independent checker
/// accept the proof and reject a tampered model, then sends real QUIC traffic through an emulated
/// link on this machine with the certified controller and with quinn's CUBIC, NewReno and BBR.
/// Writes model.tlm, certificate.tlc, demo.json and report.html; open the report in a browser.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tautline demo\n  \
    tautline demo --quick --out /tmp/demo --seed 3\n\n\
    Takes under five minutes on two cores, under 90 seconds with --quick.\n\
    Exit codes: 0 all claims proven, accepted, and the tampered model rejected · 1 otherwise · \
    2 wrong usage, or input or output failed")]
pub(crate) struct Args {
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    /// Train less and transfer for 4 s in place of 10 s each
    #[arg(long)]
    quick: bool,
    /// Seed of the training
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Where everything goes.
struct Places {
    model: PathBuf,
    certificate: PathBuf,
    json: PathBuf,
    report: PathBuf,
}

impl Places {
    fn in_folder(folder: &Path) -> Result<Self, files::FileError> {
        files::create_folder(folder)?;
        let places = Self {
            model: folder.join("model.tlm"),
            certificate: folder.join("certificate.tlc"),
            json: folder.join("demo.json"),
            report: folder.join("report.html"),
        };
        for path in places.all() {
            files::check_writable(path)?;
        }
        Ok(places)
    }

    /// Removes the results of an earlier demo, so that those of two never stand side by side.
    fn clear(&self) -> Result<(), files::FileError> {
        self.all().into_iter().try_for_each(files::remove)
    }

    fn all(&self) -> [&Path; 4] {
        [&self.model, &self.certificate, &self.json, &self.report]
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    interrupt::install()?;
    let places = Places::in_folder(&args.out)?;
    let claims = read_claims(None)?;
    places.clear()?;
    let watch = Stopwatch::start();
    let step = |number: u32, what: &str| {
        let elapsed = watch.elapsed().as_secs_f64();
        output::note(&format!("[{elapsed:5.1} s] {number}/6 {what}"));
    };

    step(1, "training a controller in simulation");
    let (model, training) = train(args, &claims)?;
    files::write(&places.model, &model.bytes)?;

    step(2, "proving the standard claims for every input");
    let (certification, proofs) = certify::prove(&model, &claims, Limits::default(), None)?;
    let Some(certificate) = certification.certificate else {
        output::print(&certify::table(&proofs).to_string())?;
        output::print(&certify::failures(&proofs)?)?;
        output::note("not every claim could be proven; try another --seed, or leave out --quick");
        return Ok(Exit::Rejected);
    };
    files::write(&places.certificate, &certificate)?;

    step(3, "checking the files with the independent checker");
    let checked = recheck(&places, &claims)?;

    step(4, "tampering with a weight and repairing every digest");
    let tamper = tamper::run(&model, &certificate, &claims)?;
    output::note(&format!("          {tamper}"));

    step(5, "carrying real QUIC traffic over an emulated link");
    let scale = if args.quick {
        Scale::Quick
    } else {
        Scale::Full
    };
    let (runs, timelines) = transfers::run(&model, &checked, scale)?;

    step(6, "writing the results");
    let digest = Digest::of(&certificate);
    let demo = DemoRecord {
        claims: claim_records(&proofs, &checked),
        tamper,
        runs,
        seed: args.seed,
        quick: args.quick,
        transfer_seconds: scale.duration().as_secs_f64(),
        elapsed_seconds: watch.elapsed().as_secs_f64(),
        provenance: Provenance::new(&model, &training, (digest, certificate.len()), &checked),
        timelines,
    };
    JsonTarget::File(places.json.clone()).write(&demo)?;
    files::write(&places.report, report::page(&demo).as_bytes())?;
    output::print(&summary(&demo, &places)?)?;
    Ok(Exit::accepted_if(demo.accepted()))
}

fn train(args: &Args, claims: &ClaimSet) -> anyhow::Result<(Model, Report)> {
    let preset = if args.quick {
        Preset::Quick
    } else {
        Preset::Demo
    };
    let mut params = preset.params();
    params.seed = args.seed;
    let params = params.check()?;
    match training::run(&params, claims, None, Saving::Off)? {
        Outcome::Trained(trained) => {
            let model = Model::of_parts(&trained.header, &trained.parameters)?;
            Ok((model, trained.report))
        }
        Outcome::Interrupted(_) => Err(Interrupted.into()),
    }
}

/// What was written, read back.
fn recheck(places: &Places, claims: &ClaimSet) -> anyhow::Result<CheckedCertificate> {
    let model = crate::model::read_model_bytes(&places.model)?;
    let certificate = read_certificate_bytes(&places.certificate)?;
    check(&model, &certificate, Some(claims)).context("the checker refuses what the prover wrote")
}

fn claim_records(proofs: &[ClaimReport], checked: &CheckedCertificate) -> Vec<ClaimRecord> {
    let accepted = accepted_claims(checked);
    let both = proofs.iter().map(|proof| {
        let found = accepted.iter().find(|claim| claim.name == proof.name);
        ClaimRecord {
            name: proof.name.clone(),
            qc: found.map_or_else(|| proof.qc.clone(), |claim| claim.qc.clone()),
            accepted: found.is_some(),
            says: proof.says.clone(),
            given: proof.given.clone(),
            then: proof.then.clone(),
            boxes: proof.boxes,
            leaves: found.map_or(0, |claim| claim.leaves),
        }
    });
    both.collect()
}

fn summary(demo: &DemoRecord, places: &Places) -> anyhow::Result<String> {
    if demo.runs.is_empty() {
        bail!("no transfer was run");
    }
    let mut text = record::table(&demo.runs).to_string();
    let proven = demo.claims.iter().filter(|claim| claim.accepted).count();
    let total = demo.claims.len();
    writeln!(
        text,
        "\n{proven} of {total} claims proven and accepted by the checker"
    )?;
    writeln!(text, "{}", demo.tamper)?;
    let invalid = demo.runs.iter().filter(|run| !run.valid).count();
    if invalid > 0 {
        writeln!(
            text,
            "{invalid} runs are invalid: the emulator was more than 1 ms late at the 99th \
             percentile in every attempt, so their figures are withheld; is the machine busy?"
        )?;
    }
    for path in places.all() {
        writeln!(text, "wrote {}", path.display())?;
    }
    Ok(text)
}
