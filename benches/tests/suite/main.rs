//! The programs of this crate as they are run.

#[cfg(test)]
mod validate;
