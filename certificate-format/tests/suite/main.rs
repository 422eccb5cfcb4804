//! Integration tests of closed-loop claims and rank grids as bytes.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod grids;
