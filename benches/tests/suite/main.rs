//! The programs of this crate as they are run.

#[cfg(test)]
mod loop_rounds;
#[cfg(test)]
mod validate;
