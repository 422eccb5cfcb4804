//! Integration tests of the checker.

#[cfg(test)]
mod claims;
