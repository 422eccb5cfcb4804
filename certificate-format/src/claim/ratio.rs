//! Ratio claims: what pair claims of a set say together about two flows on one bottleneck.
//!
//! `docs/closed-loop.md` ("Two flows") has the theorem and what it assumes.

use toml::Spanned;

use super::decimal::Decimal;
use super::encoding::{decode_text, encode_text, field, in_range};
use super::file::{Place, RawClaim, Value};
use super::{ClaimError, EncodingError, MAX_TEXT};
use crate::bytes::Reader;

/// Two flows of one base RTT on one bottleneck end within a ratio of throughputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatioClaim {
    /// Its name in reports.
    pub name: String,
    /// What it says, in one sentence.
    pub says: String,
    /// Name of the claim about the own window: how much the rate falls with it, at least and at most.
    pub window: String,
    /// Name of the claim about the last step: how much the rate moves with it at most.
    pub memory: String,
    /// Name of the claim about what two flows may see differently: how much that moves the rate.
    pub noise: String,
    /// Name of the claim about windows far apart, where there is one: the larger one takes the
    /// smaller step, whatever is seen differently.
    pub closes: Option<String>,
    /// D: how much longer than its queueing any packet's round trip may take, as a share of the
    /// base RTT, in units of 2⁻¹⁶.
    pub jitter: u32,
    /// Largest log₂ of the ratio of throughputs once settled, in units of 2⁻¹⁶.
    pub log_ratio: u32,
}

impl RatioClaim {
    /// Checks everything that decoding promises of one claim, the `number`-th of its set where the
    /// claims of other kinds are counted first. Whether the named claims are there and say what is
    /// needed is the checker's question.
    ///
    /// # Errors
    /// [`EncodingError`] naming the claim and the field.
    pub fn validate(&self, number: usize) -> Result<(), EncodingError> {
        let names = [&self.name, &self.window, &self.memory, &self.noise];
        for name in names.into_iter().chain(&self.closes) {
            in_range(number, "name length", name.len(), 1, MAX_TEXT)?;
        }
        in_range(number, "sentence length", self.says.len(), 0, MAX_TEXT)?;
        field(number, "jitter", self.jitter.into(), 0, ONE.into())?;
        field(
            number,
            "log_ratio",
            self.log_ratio.into(),
            0,
            MAX_LOG_RATIO.into(),
        )
    }
}

/// A claim that names none about windows far apart has an empty text there.
pub(super) fn encode(out: &mut Vec<u8>, claim: &RatioClaim) {
    let texts = [
        claim.name.as_str(),
        &claim.says,
        &claim.window,
        &claim.memory,
        &claim.noise,
        claim.closes.as_deref().unwrap_or_default(),
    ];
    for text in texts {
        encode_text(out, text);
    }
    out.extend(claim.jitter.to_le_bytes());
    out.extend(claim.log_ratio.to_le_bytes());
}

pub(super) fn decode(reader: &mut Reader<'_>, claim: usize) -> Result<RatioClaim, EncodingError> {
    Ok(RatioClaim {
        name: decode_text(reader, claim, "name")?,
        says: decode_text(reader, claim, "sentence")?,
        window: decode_text(reader, claim, "own-window claim")?,
        memory: decode_text(reader, claim, "last-step claim")?,
        noise: decode_text(reader, claim, "noise claim")?,
        closes: Some(decode_text(reader, claim, "closing claim")?).filter(|name| !name.is_empty()),
        jitter: reader.u32()?,
        log_ratio: reader.u32()?,
    })
}

/// Reads `given = { window = "..", memory = "..", noise = "..", closes = "..", jitter = "0.05" }`,
/// of which `closes` may be left out, and `then = ["log_ratio <= 2.5"]`. The jitter is rounded up and the ratio down, so that the claim
/// says more, never less.
pub(super) fn read(place: &Place<'_>, raw: &RawClaim) -> Result<RatioClaim, ClaimError> {
    let name = raw.name.get_ref();
    for field in raw.given.keys() {
        if !FIELDS.contains(&field.get_ref().as_str()) {
            let named = format!("{name}.given.{}", field.get_ref());
            return Err(place.of(field, &named, "window, memory, noise, closes or jitter"));
        }
    }
    let one = |field: &str, expected: &str| {
        let named = format!("{name}.given.{field}");
        let mut given = raw.given.iter();
        let found = given.find(|(key, _)| key.get_ref() == field);
        match found.map(|(_, value)| (value, value.get_ref())) {
            Some((_, Value::One(text))) => Ok(text.clone()),
            Some((value, _)) => Err(place.of(value, &named, expected)),
            None => Err(place.error(raw.name.span().start, &named, expected, "none")),
        }
    };
    let claim = |field: &str| one(field, "the name of a pair claim");
    let has_closes = raw.given.keys().any(|key| key.get_ref() == "closes");
    let expected = "a decimal string from 0 to 1";
    let jitter = one("jitter", expected)?;
    let units = Decimal::parse(&jitter).map(Decimal::ceil_units);
    let units = units.and_then(|units| u32::try_from(units).ok());
    let units = units.filter(|&units| units <= ONE).ok_or_else(|| {
        let field = format!("{name}.given.jitter");
        place.error(raw.name.span().start, &field, expected, &jitter)
    })?;
    Ok(RatioClaim {
        name: name.clone(),
        says: raw.says.get_ref().clone(),
        window: claim("window")?,
        memory: claim("memory")?,
        noise: claim("noise")?,
        closes: has_closes.then(|| claim("closes")).transpose()?,
        jitter: units,
        log_ratio: read_bound(place, raw)?,
    })
}

fn read_bound(place: &Place<'_>, raw: &RawClaim) -> Result<u32, ClaimError> {
    let field = format!("{}.then", raw.name.get_ref());
    let expected = "one bound like log_ratio <= 2.5, from 0 to 64";
    let [text] = raw.then.get_ref().as_slice() else {
        let got = format!("{} bounds", raw.then.get_ref().len());
        return Err(place.error(raw.then.span().start, &field, expected, &got));
    };
    let bound = Spanned::get_ref(text).split_once("<=");
    let bound = bound.filter(|(left, _)| left.trim() == "log_ratio");
    let bound = bound.and_then(|(_, right)| Decimal::parse(right.trim()));
    let units = bound.and_then(|bound| u32::try_from(bound.floor_units(0)).ok());
    let units = units.filter(|&units| units <= MAX_LOG_RATIO);
    units.ok_or_else(|| place.of(text, &field, expected))
}

const ONE: u32 = 1 << 16;
/// 64 octaves; more says nothing.
const MAX_LOG_RATIO: u32 = 64 << 16;
const FIELDS: [&str; 5] = ["window", "memory", "noise", "closes", "jitter"];
