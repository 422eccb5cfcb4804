//! Integration tests of the checker.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod support;
