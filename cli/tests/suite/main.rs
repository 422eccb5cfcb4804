//! The commands as users run them: real processes, real files.

#[cfg(test)]
mod certify;
#[cfg(test)]
mod check;
#[cfg(test)]
mod check_ci;
#[cfg(test)]
mod check_reports;
#[cfg(test)]
mod check_signatures;
#[cfg(test)]
mod closed_loop;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod embed;
#[cfg(test)]
mod export_smt2;
#[cfg(test)]
mod interrupt;
#[cfg(test)]
mod perf;
#[cfg(test)]
mod run;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod train;
#[cfg(test)]
mod verify;
