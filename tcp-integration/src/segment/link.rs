//! The link layer around an IP packet.

use smoltcp::phy::Medium;
use smoltcp::wire::{EthernetAddress, EthernetFrame};

/// The link-layer addresses of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkAddresses {
    /// The link has none (`Medium::Ip`), or they are not known yet.
    #[default]
    None,
    /// Ethernet addresses.
    Ethernet {
        /// Whom the frame is for.
        destination: EthernetAddress,
        /// Who sent it.
        source: EthernetAddress,
    },
}

impl LinkAddresses {
    /// Reads the addresses of a frame; `None` where it is too short for them.
    pub fn of(medium: Medium, frame: &[u8]) -> Self {
        if medium != Medium::Ethernet {
            return Self::None;
        }
        EthernetFrame::new_checked(frame).map_or(Self::None, |frame| Self::Ethernet {
            destination: frame.dst_addr(),
            source: frame.src_addr(),
        })
    }

    /// The addresses of an answer.
    pub fn reversed(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Ethernet {
                destination,
                source,
            } => Self::Ethernet {
                destination: source,
                source: destination,
            },
        }
    }
}
