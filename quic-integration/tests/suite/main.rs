//! The adapter inside real quinn connections, in virtual time.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod attribution;
#[cfg(test)]
mod certified;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod learned;
#[cfg(test)]
mod mapping;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod sim_agreement;
#[cfg(test)]
mod sim_path;
#[cfg(test)]
mod sim_transfers;
#[cfg(test)]
mod transfers;
