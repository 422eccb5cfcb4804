//! Which Ethernet frames the stack listens to.

use smoltcp::phy::Medium;
use smoltcp::wire::{EthernetAddress, EthernetFrame};

use crate::segment::LinkAddresses;

/// Our own station on the link, known once a frame has left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Station {
    own: Option<EthernetAddress>,
}

impl Station {
    /// A frame leaves: its source is our address.
    pub(super) fn on_departure(&mut self, link: LinkAddresses) {
        if let LinkAddresses::Ethernet { source, .. } = link {
            self.own = Some(source);
        }
    }

    /// True for a frame that smoltcp does not look at, because another station shall have it: a
    /// switch floods such ones, and a mirrored port carries them.
    pub(super) fn is_for_another(self, medium: Medium, frame: &[u8]) -> bool {
        if medium != Medium::Ethernet {
            return false;
        }
        let (Some(own), Ok(frame)) = (self.own, EthernetFrame::new_checked(frame)) else {
            return false;
        };
        let destination = frame.dst_addr();
        destination.is_unicast() && destination != own
    }
}
