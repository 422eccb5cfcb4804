//! One frame on its way through the device.

use core::cell::RefCell;

use smoltcp::phy::{self, Device, PacketMeta};
use smoltcp::time::Instant;
use tautline_core::units::Timestamp;

use super::table::{Fate, Made, Table, Verdict};
use super::tally::count;
use crate::connection::ControllerSource;
use crate::segment::{MAX_ACK_FRAME, write_ack};

/// A frame for the stack: one that arrived, or an acknowledgement made for it.
pub struct GatedRxToken<
    'a,
    R,
    S: ControllerSource,
    const CONNECTIONS: usize,
    const SEGMENTS: usize,
    const FRAME: usize,
> {
    pub(super) arriving: Arriving<R>,
    pub(super) table: &'a RefCell<Table<S, CONNECTIONS, SEGMENTS>>,
    pub(super) now: Timestamp,
}

/// Where a frame for the stack comes from.
#[derive(Debug)]
pub(super) enum Arriving<R> {
    /// From the inner device.
    Frame(R),
    /// From us.
    Made(Made),
}

impl<R, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize> phy::RxToken
    for GatedRxToken<'_, R, S, CONNECTIONS, SEGMENTS, FRAME>
where
    R: phy::RxToken,
    S: ControllerSource,
{
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, f: F) -> T {
        let Self {
            arriving,
            table,
            now,
        } = self;
        match arriving {
            Arriving::Made(made) => {
                let mut frame = [0; MAX_ACK_FRAME];
                let medium = table.borrow().medium();
                let length = write_ack(medium, made.link, made.tuple, made.ack, &mut frame);
                f(frame.get(..length).unwrap_or_default())
            }
            Arriving::Frame(token) => token.consume(|frame| {
                // The table is released before the stack sees the frame: its reply needs it.
                let verdict = table.borrow_mut().on_arrival(now, frame, FRAME);
                match verdict {
                    Verdict::Pass => f(frame),
                    // The stack skips empty frames.
                    Verdict::Drop => f(&[]),
                    Verdict::Edit(segment, edits) => {
                        let mut copy = [0; FRAME];
                        let Some(copy) = copy.get_mut(..frame.len()) else {
                            return f(&[]);
                        };
                        copy.copy_from_slice(frame);
                        edits.apply(copy, &segment);
                        f(copy)
                    }
                }
            }),
        }
    }

    fn meta(&self) -> PacketMeta {
        match &self.arriving {
            Arriving::Frame(token) => token.meta(),
            Arriving::Made(_) => PacketMeta::default(),
        }
    }
}

/// Room for one frame of the stack.
pub struct GatedTxToken<
    'a,
    D: Device,
    S: ControllerSource,
    const CONNECTIONS: usize,
    const SEGMENTS: usize,
    const FRAME: usize,
> {
    pub(super) room: Room<'a, D>,
    pub(super) meta: PacketMeta,
    pub(super) table: &'a RefCell<Table<S, CONNECTIONS, SEGMENTS>>,
    pub(super) now: Timestamp,
}

/// Where a frame of the stack goes.
pub(super) enum Room<'a, D: Device> {
    /// Here.
    Token(D::TxToken<'a>),
    /// Wherever the inner device has room, should the stack reply to what we made.
    Ask(&'a mut D, Instant),
}

impl<D, S, const CONNECTIONS: usize, const SEGMENTS: usize, const FRAME: usize> phy::TxToken
    for GatedTxToken<'_, D, S, CONNECTIONS, SEGMENTS, FRAME>
where
    D: Device,
    S: ControllerSource,
{
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        let Self {
            room,
            meta,
            table,
            now,
        } = self;
        let token = match room {
            Room::Token(token) => Some(token),
            Room::Ask(device, instant) => device.transmit(instant),
        };
        // Written beside the inner device first: its tokens always send, and some frames must not
        // leave. `GatedDevice::new` made sure that no frame of the stack is longer than `FRAME`.
        let mut copy = [0; FRAME];
        let frame = &mut copy[..len.min(FRAME)];
        let result = f(frame);
        let mut table = table.borrow_mut();
        match (table.on_departure(now, frame), token) {
            (Fate::Drop, _) => {}
            (Fate::Send, None) => count(&mut table.tally.drops.replies),
            (Fate::Send, Some(mut token)) => {
                count(&mut table.tally.frames_departed);
                token.set_meta(meta);
                token.consume(frame.len(), |room| room.copy_from_slice(frame));
            }
        }
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}
