//! Integration tests of the checker.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_in_result,
        reason = "helpers return the rejection they are asked for; any other failure is a panic"
    )
)]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod closed_loop;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tamper;
