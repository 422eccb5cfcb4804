//! One parameter set by its key, so that variants of a preset need no file.

use serde::Deserialize as _;
use toml::{Table, Value};

use super::{Params, ParamsError};

impl Params {
    /// The same parameters but for one, given as `KEY=VALUE`: the key dotted as errors name it, such
    /// as `closed_loop.hinge_weight`, the value in TOML.
    ///
    /// # Errors
    /// [`ParamsError::Setting`] where that is no assignment, or none to a parameter there is;
    /// [`ParamsError::Unwritable`] for what there was before, as [`Self::to_toml`].
    pub fn with(&self, setting: &str) -> Result<Self, ParamsError> {
        let refused = |reason: String| ParamsError::Setting {
            setting: setting.to_owned(),
            reason,
        };
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| refused("expected KEY=VALUE".to_owned()))?;
        let value: Value = value
            .trim()
            .parse()
            .map_err(|error: toml::de::Error| refused(error.message().to_owned()))?;
        let mut table = Table::try_from(self).map_err(|error| ParamsError::Unwritable {
            message: error.to_string(),
        })?;
        if !insert(&mut table, key.trim(), value) {
            return Err(refused("expected the key of a single parameter".to_owned()));
        }
        Self::deserialize(table).map_err(|error| refused(error.message().to_owned()))
    }
}

/// Whether `key` leads through tables to a place that is none itself.
fn insert(table: &mut Table, key: &str, value: Value) -> bool {
    match key.split_once('.') {
        // What is left out by default has no table yet.
        Some((first, rest)) => table
            .entry(first)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .is_some_and(|inner| insert(inner, rest, value)),
        None if table.get(key).is_some_and(Value::is_table) => false,
        None => {
            table.insert(key.to_owned(), value);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_changes_that_parameter_and_no_other() {
        let mut expected = Params::steady();
        expected.closed_loop.hinge_weight = 0.0;
        // A whole number is a real number too.
        let set = Params::steady().with("closed_loop.hinge_weight=0").unwrap();
        assert_eq!(set, expected);
        expected.network.hidden = vec![16, 8];
        expected.closed_loop.log_bdp = vec![(4.0, 5.5)];
        let set = set.with("network.hidden = [16, 8]").unwrap();
        let set = set.with("closed_loop.log_bdp=[[4, 5.5]]").unwrap();
        assert_eq!(set, expected);
        // A table that the preset's text leaves out.
        let set = Params::demo().with("closed_loop.l1_weight=1e-6").unwrap();
        assert_eq!(set.closed_loop.l1_weight.to_bits(), 1e-6_f64.to_bits());
    }

    #[test]
    fn what_is_no_setting_of_a_parameter_is_refused_with_its_text() {
        let cases = [
            ("closed_loop.hinge_weight", "expected KEY=VALUE"),
            ("closed_loop.hinge=1", "unknown field `hinge`"),
            ("clone.steps=many", "many"),
            ("clone.steps=1.5", "invalid type: floating point"),
            ("clone.steps=-1", "invalid value"),
            ("clone.steps=3\nevolve.pairs=4", "expected nothing"),
            ("clone=3", "expected the key of a single parameter"),
            (
                "clone.steps.more=3",
                "expected the key of a single parameter",
            ),
            ("=3", "unknown field ``"),
        ];
        for (setting, reason) in cases {
            let error = Params::steady().with(setting).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{setting}: ")), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }
}
