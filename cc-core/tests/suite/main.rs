//! Behaviour of whole controllers over event sequences.

#[cfg(test)]
mod assumptions;
#[cfg(test)]
mod model;
#[cfg(test)]
mod path;
#[cfg(test)]
mod watched;
