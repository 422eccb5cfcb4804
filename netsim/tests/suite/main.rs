//! The simulator against its properties, its RFCs and measured references.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod applications;
#[cfg(test)]
mod bbr;
#[cfg(test)]
mod conservation;
#[cfg(test)]
mod controllers;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod disciplines;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod graphs;
#[cfg(test)]
mod impairments;
#[cfg(test)]
mod links;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod random;
#[cfg(test)]
mod record;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rfc9002;
#[cfg(test)]
mod rfc9406;
#[cfg(test)]
mod scenario_errors;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod topologies;
