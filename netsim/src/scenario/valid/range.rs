//! Quantities in the units of their keys.

use core::fmt::Display;
use core::ops::RangeInclusive;
use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

use crate::scenario::{Problem, ScenarioError};

/// A quantity as it is written in scenario files under a key with unit.
pub(super) trait InKeyUnits: Copy + PartialOrd {
    fn shown(self, field: &str) -> String;
}

impl InKeyUnits for u32 {
    fn shown(self, _field: &str) -> String {
        self.to_string()
    }
}

impl InKeyUnits for u64 {
    fn shown(self, _field: &str) -> String {
        self.to_string()
    }
}

impl InKeyUnits for Bytes {
    fn shown(self, _field: &str) -> String {
        self.as_u64().to_string()
    }
}

impl InKeyUnits for f64 {
    fn shown(self, field: &str) -> String {
        if field.ends_with("_percent") {
            return (self * 100.0).to_string();
        }
        self.to_string()
    }
}

impl InKeyUnits for Duration {
    fn shown(self, field: &str) -> String {
        if field.ends_with("_ms") {
            return (self.as_nanos() as f64 / 1e6).to_string();
        }
        seconds(self).to_string()
    }
}

/// Seconds as they are written in files.
pub(super) fn seconds(time: Duration) -> impl Display {
    time.as_nanos() as f64 / 1e9
}

/// Refuses a `value` outside `range`.
pub(super) fn within<T: InKeyUnits>(
    field: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ScenarioError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (start, end) = (range.start().shown(field), range.end().shown(field));
    Err(ScenarioError::value(
        field,
        format!("{start} to {end}"),
        value.shown(field),
    ))
}

/// Refuses a `value` that is zero or more than `most`.
pub(super) fn above_zero<T: InKeyUnits + Default>(
    field: &str,
    value: T,
    most: T,
) -> Result<(), ScenarioError> {
    if value > T::default() && value <= most {
        return Ok(());
    }
    let expected = format!("above 0, at most {}", most.shown(field));
    Err(ScenarioError::value(field, expected, value.shown(field)))
}

/// Refuses a rate outside 1 kbit/s to 1 Tbit/s.
pub(super) fn rate(field: &str, rate: Bandwidth) -> Result<(), ScenarioError> {
    let bits_per_sec = rate.as_bits_per_sec();
    if bits_per_sec == 0 {
        return Err(ScenarioError::new(field, Problem::ZeroRate));
    }
    if (LOWEST_RATE_BPS..=HIGHEST_RATE_BPS).contains(&bits_per_sec) {
        return Ok(());
    }
    let got = bits_per_sec as f64 / 1e6;
    Err(ScenarioError::value(field, "0.001 to 1000000", got))
}

const LOWEST_RATE_BPS: u64 = 1000;
const HIGHEST_RATE_BPS: u64 = 1_000_000_000_000;
