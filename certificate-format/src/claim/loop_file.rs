//! Closed-loop claims in a claims file.
//!
//! Numbers are rounded so that the claim says more, never less: jitter and buffers to a wider
//! family, utilisation up, the queue down. Logarithms are taken as they are or not at all.

use toml::Spanned;

use super::ClaimError;
use super::decimal::Decimal;
use super::file::{Place, RawClaim, Value};
use crate::closed_loop::{
    Buffer, LOG_BITS, LoopBounds, LoopClaim, Losses, MAX_BUFFER, MAX_LOG, MAX_LOG_BDP, MAX_ROUNDS,
    PathFamily,
};

pub(super) fn read(place: &Place<'_>, raw: &RawClaim) -> Result<LoopClaim, ClaimError> {
    let name = raw.name.get_ref();
    refuse_others(place, raw)?;
    let reader = Given { place, raw };
    let (jitter, at) = reader.one("jitter")?;
    let jitter = reader.share("jitter", at, jitter.ceil_units(), ONE)?;
    let claim = LoopClaim {
        name: name.clone(),
        says: raw.says.get_ref().clone(),
        family: PathFamily {
            jitter,
            log_bdp: reader.logs("log_bdp", (0, MAX_LOG_BDP), true)?,
            buffer: reader.buffer()?,
        },
        losses: read_losses(place, raw)?,
        start: reader.logs("start", (-MAX_LOG, MAX_LOG), false)?,
        then: read_bounds(place, raw)?,
    };
    for field in raw.given.keys() {
        if !FIELDS.contains(&field.get_ref().as_str()) {
            let named = format!("{name}.given.{}", field.get_ref());
            return Err(place.of(field, &named, "jitter, log_bdp, buffer or start"));
        }
    }
    Ok(claim)
}

/// What `assume` names: each assumption once, and only those that a claim can do without.
fn read_losses(place: &Place<'_>, raw: &RawClaim) -> Result<Losses, ClaimError> {
    let mut losses = Losses::Any;
    for name in &raw.assume {
        let field = format!("{}.assume", raw.name.get_ref());
        let known = Losses::Assumed.names().contains(&name.get_ref().as_str());
        if !known || losses == Losses::Assumed {
            let expected = "\"A6\", once, or nothing at all: A1 to A5 are assumed anyway";
            return Err(place.of(name, &field, expected));
        }
        losses = Losses::Assumed;
    }
    Ok(losses)
}

fn refuse_others(place: &Place<'_>, raw: &RawClaim) -> Result<(), ClaimError> {
    let name = raw.name.get_ref();
    let lists = [
        (&raw.facts, "where"),
        (&raw.raise, "raise"),
        (&raw.between, "between"),
    ];
    let differ = raw.differ.first_key_value();
    let differ = differ.map(|(feature, _)| (feature, "differ"));
    let first = lists
        .iter()
        .find_map(|(texts, field)| Some((texts.first()?, *field)));
    first.or(differ).map_or(Ok(()), |(text, field)| {
        let field = format!("{name}.{field}");
        Err(place.of(text, &field, "no features in a closed-loop claim"))
    })
}

/// What a claim says under `given`.
struct Given<'a> {
    place: &'a Place<'a>,
    raw: &'a RawClaim,
}

impl Given<'_> {
    fn error(&self, name: &str, at: usize, expected: &str, got: &str) -> ClaimError {
        let field = format!("{}.given.{name}", self.raw.name.get_ref());
        self.place.error(at, &field, expected, got)
    }

    fn find(&self, name: &str, expected: &str) -> Result<&Spanned<Value>, ClaimError> {
        let mut fields = self.raw.given.iter();
        let found = fields.find(|(field, _)| field.get_ref() == name);
        found.map(|(_, value)| value).ok_or_else(|| {
            let at = self.raw.name.span().start;
            self.error(name, at, expected, "none")
        })
    }

    fn one(&self, name: &str) -> Result<(Decimal, usize), ClaimError> {
        let expected = "a decimal string like \"0.05\"";
        let value = self.find(name, expected)?;
        let at = value.span().start;
        let Value::One(text) = value.get_ref() else {
            return Err(self.error(name, at, expected, &value.get_ref().to_string()));
        };
        let read = Decimal::parse(text);
        read.map(|decimal| (decimal, at))
            .ok_or_else(|| self.error(name, at, expected, text))
    }

    fn two(&self, name: &str, expected: &str) -> Result<([&str; 2], usize), ClaimError> {
        let value = self.find(name, expected)?;
        let at = value.span().start;
        match value.get_ref() {
            Value::Many(texts) if let [low, high] = texts.as_slice() => Ok(([low, high], at)),
            other => Err(self.error(name, at, expected, &other.to_string())),
        }
    }

    /// Logarithms in octaves; the two may be one where `same` says so.
    fn logs(
        &self,
        name: &str,
        (least, most): (i32, i32),
        same: bool,
    ) -> Result<(i32, i32), ClaimError> {
        let expected = format!(
            "two decimal strings, [low, high], multiples of 2^-{LOG_BITS} from {} to {}",
            least >> LOG_BITS,
            most >> LOG_BITS
        );
        let (texts, at) = self.two(name, &expected)?;
        let got = format!("{texts:?}");
        let [low, high] = texts.map(|text| Decimal::parse(text).and_then(to_log));
        match (low, high) {
            (Some(low), Some(high))
                if low >= least && high <= most && (low < high || same && low == high) =>
            {
                Ok((low, high))
            }
            _ => Err(self.error(name, at, &expected, &got)),
        }
    }

    fn buffer(&self) -> Result<Buffer, ClaimError> {
        let (name, expected) = (
            "buffer",
            "decimal strings, [least, most], where most may be inf",
        );
        let ([low, high], at) = self.two(name, expected)?;
        let read =
            |text: &str| Decimal::parse(text).ok_or_else(|| self.error(name, at, expected, text));
        let least = self.share(name, at, read(low)?.floor_units(0), MAX_BUFFER)?;
        if high == "inf" {
            return Ok(Buffer { least, most: None });
        }
        let most = self.share(name, at, read(high)?.ceil_units(), MAX_BUFFER)?;
        if most < least {
            let got = format!("{:?}", [low, high]);
            return Err(self.error(name, at, "the smaller buffer first", &got));
        }
        let most = Some(most);
        Ok(Buffer { least, most })
    }

    fn share(&self, name: &str, at: usize, units: i128, most: u32) -> Result<u32, ClaimError> {
        let found = u32::try_from(units).ok().filter(|&units| units <= most);
        found.ok_or_else(|| {
            let expected = format!("0 to {}", most >> 16);
            self.error(name, at, &expected, &format!("{units} units of 2^-16"))
        })
    }
}

/// A decimal as a multiple of 2⁻⁸, if it is one.
fn to_log(decimal: Decimal) -> Option<i32> {
    let units = decimal.floor_units(0);
    let fine = 16u32.saturating_sub(LOG_BITS);
    let log = units >> fine;
    let is_exact = units == decimal.ceil_units() && log << fine == units;
    i32::try_from(log).ok().filter(|_| is_exact)
}

fn read_bounds(place: &Place<'_>, raw: &RawClaim) -> Result<LoopBounds, ClaimError> {
    let field = format!("{}.then", raw.name.get_ref());
    let mut found = [None; 3];
    for text in raw.then.get_ref() {
        let error = |expected: &str| place.of(text, &field, expected);
        let (bound, value) = Bound::parse(text.get_ref()).ok_or_else(|| error(BOUNDS))?;
        let units = bound
            .units(value)
            .ok_or_else(|| error("a bound within its range"))?;
        let slot = found.get_mut(bound.index());
        let earlier = slot.and_then(|slot| slot.replace(units));
        if earlier.is_some() {
            return Err(error("every bound once"));
        }
    }
    let [Some(utilisation), Some(queue), Some(rounds)] = found else {
        let got = format!("{} bounds", found.iter().flatten().count());
        return Err(place.error(raw.then.span().start, &field, BOUNDS, &got));
    };
    Ok(LoopBounds {
        utilisation,
        queue,
        rounds: u8::try_from(rounds).unwrap_or(MAX_ROUNDS),
    })
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Utilisation,
    Queue,
    Rounds,
}

impl Bound {
    /// Reads `utilisation >= 0.95`, `queue <= 1.2` or `rounds <= 120`.
    fn parse(text: &str) -> Option<(Self, Decimal)> {
        let (name, at_least, value) = match (text.split_once(">="), text.split_once("<=")) {
            (Some((name, value)), None) => (name, true, value),
            (None, Some((name, value))) => (name, false, value),
            _ => return None,
        };
        let bound = match (name.trim(), at_least) {
            ("utilisation", true) => Self::Utilisation,
            ("queue", false) => Self::Queue,
            ("rounds", false) => Self::Rounds,
            _ => return None,
        };
        Some((bound, Decimal::parse(value.trim())?))
    }

    /// The stronger of the numbers around a decimal, if it is in range.
    fn units(self, value: Decimal) -> Option<u32> {
        let (units, most) = match self {
            Self::Utilisation => (value.ceil_units(), ONE),
            Self::Queue => (value.floor_units(0), MAX_BUFFER),
            Self::Rounds => (value.whole()?, u32::from(MAX_ROUNDS)),
        };
        u32::try_from(units).ok().filter(|&units| units <= most)
    }

    const fn index(self) -> usize {
        match self {
            Self::Utilisation => 0,
            Self::Queue => 1,
            Self::Rounds => 2,
        }
    }
}

const ONE: u32 = 1 << 16;
const FIELDS: [&str; 4] = ["jitter", "log_bdp", "buffer", "start"];
const BOUNDS: &str = "utilisation >= .., queue <= .. and rounds <= .., each once, with a decimal";
