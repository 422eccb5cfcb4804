//! The Rust source of an embedded model.

use std::fmt::{Error, Write as _};

use tautline_certificates::CheckedCertificate;
use tautline_core::fixed::Q16;
use tautline_core::guard::{Envelope as _, LoopAssumptions};
use tautline_core::policy::{Cadence, Digest, Head, HeadKind, Hidden, ModelHeader, Skip};
use tautline_quic_integration::SharedPolicy;

use crate::words::plain;

/// The whole file, as rustfmt would leave it.
///
/// Its envelope says what `certificate` says as an [`Envelope`](tautline_core::guard::Envelope):
/// the same model, the same table, the same heavy loss.
pub(super) fn render(
    policy: &SharedPolicy,
    certificate: &CheckedCertificate,
) -> Result<String, Error> {
    let mut text = String::new();
    title(&mut text, certificate)?;
    text.push_str(&imports(certificate.closed_loop().is_some()));
    digest(&mut text, certificate.model())?;
    header(&mut text, policy.header())?;
    weights(&mut text, policy.parameters())?;
    envelope(&mut text, certificate)?;
    text.push_str(POLICY);
    Ok(text)
}

fn title(text: &mut String, certificate: &CheckedCertificate) -> Result<(), Error> {
    writeln!(
        text,
        "//! A certified model as constants; written by `tautline embed`, not by hand."
    )?;
    writeln!(text, "//!")?;
    writeln!(text, "//! Model `{}`.", certificate.model())?;
    writeln!(text, "//!")?;
    writeln!(
        text,
        "//! Certificate `{}`, accepted by the",
        certificate.certificate()
    )?;
    writeln!(
        text,
        "//! checker when this file was written. It proves for every input:"
    )?;
    writeln!(text, "//!")?;
    for claim in certificate.claims() {
        let (name, says) = (escaped(claim.name()), escaped(claim.says()));
        writeln!(text, "//! * {name}: {says}")?;
    }
    let Some(closed_loop) = certificate.closed_loop() else {
        return Ok(());
    };
    writeln!(
        text,
        "//!\n//! Certificate `{}`, accepted too, proves of the closed loop\n\
         //! on every path that it assumes:\n//!",
        closed_loop.certificate()
    )?;
    for proven in closed_loop.claims() {
        let claim = proven.claim();
        let (name, says) = (escaped(&claim.name), escaped(&claim.says));
        writeln!(text, "//! * {name}: {says}")?;
    }
    Ok(())
}

/// Text of a certificate within a doc comment: one line, no markup.
fn escaped(words: &str) -> String {
    let mut text = String::new();
    for letter in plain(words).chars() {
        if letter.is_ascii_punctuation() && !",.:;-()'%/=".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn digest(text: &mut String, digest: Digest) -> Result<(), Error> {
    writeln!(
        text,
        "/// SHA-256 of the model; its `Display` is what `tautline check` prints."
    )?;
    writeln!(text, "#[rustfmt::skip]")?;
    writeln!(
        text,
        "pub const MODEL_DIGEST: Digest = Digest::from_bytes(["
    )?;
    for row in digest.as_bytes().chunks(16) {
        let bytes: Vec<_> = row.iter().map(|byte| format!("0x{byte:02x},")).collect();
        writeln!(text, "    {}", bytes.join(" "))?;
    }
    writeln!(text, "]);\n")
}

fn header(text: &mut String, header: &ModelHeader) -> Result<(), Error> {
    let skip = match header.skip {
        Skip::None => "None",
        Skip::Linear => "Linear",
    };
    let cadence = match header.cadence {
        Cadence::EveryRound => "EveryRound",
        Cadence::Settled => "Settled",
    };
    writeln!(text, "/// Shapes, gains and heads of the model.")?;
    writeln!(text, "#[rustfmt::skip]")?;
    writeln!(text, "pub const HEADER: ModelHeader = ModelHeader {{")?;
    writeln!(text, "    feature_table: {},", header.feature_table)?;
    writeln!(text, "    inputs: {},", header.inputs)?;
    writeln!(text, "    hidden_count: {},", header.hidden_count)?;
    writeln!(text, "    hidden: [")?;
    for Hidden { width, shift } in header.hidden {
        writeln!(text, "        Hidden {{ width: {width}, shift: {shift} }},")?;
    }
    writeln!(text, "    ],")?;
    writeln!(text, "    output_shift: {},", header.output_shift)?;
    writeln!(text, "    skip: Skip::{skip},")?;
    writeln!(text, "    head_count: {},", header.head_count)?;
    writeln!(text, "    heads: [")?;
    for Head { kind, signs } in header.heads {
        let kind = kind_name(kind);
        writeln!(
            text,
            "        Head {{ kind: HeadKind::{kind}, signs: {signs:?} }},"
        )?;
    }
    writeln!(text, "    ],")?;
    for (field, value) in [
        ("step_gain", header.step_gain),
        ("pacing_gain", header.pacing_gain),
        ("jitter", header.jitter),
    ] {
        writeln!(text, "    {field}: Q16::from_units({}),", value.units())?;
    }
    writeln!(text, "    cadence: Cadence::{cadence},")?;
    writeln!(text, "}};\n")
}

const fn kind_name(kind: HeadKind) -> &'static str {
    match kind {
        HeadKind::Rate => "Rate",
        HeadKind::Pacing => "Pacing",
        HeadKind::Buffer => "Buffer",
        HeadKind::Retry => "Retry",
    }
}

fn weights(text: &mut String, parameters: &[i16]) -> Result<(), Error> {
    let count = parameters.len();
    writeln!(
        text,
        "/// The model's parameters, in the order of its file; read-only memory."
    )?;
    writeln!(text, "#[rustfmt::skip]")?;
    writeln!(text, "pub static WEIGHTS: [i16; {count}] = [")?;
    for row in parameters.chunks(12) {
        let numbers: Vec<_> = row.iter().map(|number| format!("{number},")).collect();
        writeln!(text, "    {}", numbers.join(" "))?;
    }
    writeln!(text, "];\n")
}

fn envelope(text: &mut String, certificate: &CheckedCertificate) -> Result<(), Error> {
    let heavy_loss = certificate.heavy_loss().units();
    let assumed = certificate.loop_assumptions();
    // The type has the target watch for what is assumed, and link no watch where nothing is.
    let argument = assumed.map_or("", |_| "<LoopAssumptions>");
    writeln!(
        text,
        "/// What the guard may rely on, as the certificate proves it: the checker ran when this file was\n\
         /// written, and a controller refuses any model but the one named.\n\
         pub const ENVELOPE: UncheckedEnvelope{argument} =\n    \
             UncheckedEnvelope::dangerously_unchecked(MODEL_DIGEST, &TABLE_1)\n        \
                 .with_heavy_loss(Q16::from_units({heavy_loss})){};\n",
        assumed.map_or_else(String::new, assumptions)
    )
}

/// What closed-loop claims assume of the path, for the guard to watch.
fn assumptions(assumed: LoopAssumptions) -> String {
    let units = |value: Q16| format!("Q16::from_units({})", value.units());
    let range = |(low, high)| format!("({}, {})", units(low), units(high));
    let (least, most) = assumed.buffer;
    let most = most.map_or_else(
        || "None".to_owned(),
        |most| format!("Some({})", units(most)),
    );
    let indent = " ".repeat(12);
    format!(
        "\n        .with_loop_assumptions(LoopAssumptions {{\n\
         {indent}jitter: {},\n\
         {indent}log_bdp: {},\n\
         {indent}buffer: ({}, {most}),\n\
         {indent}start: {},\n\
         {indent}log_window: {},\n        }})",
        units(assumed.jitter),
        range(assumed.log_bdp),
        units(least),
        range(assumed.start),
        range(assumed.log_window),
    )
}

fn imports(closed_loop: bool) -> String {
    let guard = if closed_loop {
        "{LoopAssumptions, UncheckedEnvelope}"
    } else {
        "UncheckedEnvelope"
    };
    format!("{IMPORTS_BEFORE}use tautline_core::guard::{guard};\n{IMPORTS_AFTER}")
}

const IMPORTS_BEFORE: &str = "
use tautline_core::features::TABLE_1;
use tautline_core::fixed::Q16;
";
const IMPORTS_AFTER: &str = "\
use tautline_core::policy::{
    Cadence, Digest, Head, HeadKind, Hidden, ModelError, ModelHeader, Policy, Skip,
};

";
const POLICY: &str =
    "/// The model, with its shapes and ranges proven again and its digest computed.
///
/// # Errors
/// [`ModelError`] if this file was changed so that it holds no model.
pub fn policy() -> Result<Policy<&'static [i16]>, ModelError> {
    Policy::new(HEADER, &WEIGHTS)
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_closed_loop_claims_assume_is_written_as_rustfmt_leaves_it() {
        let units = Q16::from_units;
        let assumed = LoopAssumptions {
            jitter: units(3277),
            log_bdp: (units(262_144), units(1_048_576)),
            buffer: (units(32_768), Some(units(65_536))),
            start: (units(-49_152), units(73_728)),
            log_window: (units(196_608), units(1_179_648)),
        };
        let expected = "
        .with_loop_assumptions(LoopAssumptions {
            jitter: Q16::from_units(3277),
            log_bdp: (Q16::from_units(262144), Q16::from_units(1048576)),
            buffer: (Q16::from_units(32768), Some(Q16::from_units(65536))),
            start: (Q16::from_units(-49152), Q16::from_units(73728)),
            log_window: (Q16::from_units(196608), Q16::from_units(1179648)),
        })";
        assert_eq!(assumptions(assumed), expected);
    }

    #[test]
    fn words_of_a_certificate_stay_within_their_comment() {
        assert_eq!(escaped("a\n//! b"), "a\\\\n//\\! b");
        assert_eq!(escaped("[x](y) `z` <b>"), "\\[x\\](y) \\`z\\` \\<b\\>");
        assert_eq!(escaped("x ≥ 10 %, no more"), "x ≥ 10 %, no more");
        assert!(!escaped("\u{202e}\r\u{2028}").contains(['\u{202e}', '\r', '\u{2028}']));
    }
}
