//! Edits change what they name, and the checksums only as far as they must.

use proptest::prelude::*;
use smoltcp::phy::{Checksum, ChecksumCapabilities, Medium};
use smoltcp::wire::{TcpPacket, TcpSeqNumber, TcpTimestampRepr};

use super::super::{Direction, Ecn, EcnFlag, Editor, Parsed, Segment, parse};
use super::plan::{plain, plan};
use super::{Family, checksums_hold, segment_of, segment_of_either};

#[derive(Clone, Copy, Debug)]
enum Edit {
    Window(u16),
    Sequence(i32),
    WindowScale(u8),
    Set(EcnFlag),
    Clear(EcnFlag),
    Ecn(Ecn),
}

impl Edit {
    fn on_frame(self, frame: &mut [u8], segment: &Segment) {
        let mut editor = Editor::new(frame, segment);
        match self {
            Self::Window(window) => editor.set_window(window),
            Self::Sequence(number) => editor.set_sequence(TcpSeqNumber(number)),
            Self::WindowScale(scale) => editor.set_window_scale(scale),
            Self::Set(flag) => editor.set_flag(flag),
            Self::Clear(flag) => editor.clear_flag(flag),
            Self::Ecn(ecn) => editor.set_ecn(ecn),
        };
    }

    fn on_segment(self, segment: &mut Segment) {
        match self {
            Self::Window(window) => segment.window = window,
            Self::Sequence(number) => segment.sequence = TcpSeqNumber(number),
            Self::WindowScale(scale) => {
                if let Some(place) = &mut segment.options.window_scale {
                    *place = scale.min(14);
                }
            }
            Self::Set(EcnFlag::Ece) => segment.flags.ece = true,
            Self::Set(EcnFlag::Cwr) => segment.flags.cwr = true,
            Self::Clear(EcnFlag::Ece) => segment.flags.ece = false,
            Self::Clear(EcnFlag::Cwr) => segment.flags.cwr = false,
            Self::Ecn(ecn) => segment.ecn = ecn,
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let flag = prop_oneof![Just(EcnFlag::Ece), Just(EcnFlag::Cwr)];
    prop_oneof![
        any::<u16>().prop_map(Edit::Window),
        any::<i32>().prop_map(Edit::Sequence),
        prop_oneof![Just(0), Just(u16::MAX)].prop_map(Edit::Window),
        any::<u8>().prop_map(Edit::WindowScale),
        flag.clone().prop_map(Edit::Set),
        flag.prop_map(Edit::Clear),
        any::<u8>().prop_map(|bits| Edit::Ecn(Ecn::from_bits(bits))),
    ]
}

fn capability() -> impl Strategy<Value = Checksum> {
    prop_oneof![
        Just(Checksum::Both),
        Just(Checksum::Rx),
        Just(Checksum::Tx),
        Just(Checksum::None),
    ]
}

proptest! {
    #[test]
    fn an_edit_changes_what_it_names_and_keeps_checksums_as_right_or_wrong_as_they_were(
        plan in plan(),
        edits in prop::collection::vec(edit(), 1..5),
        damage in any::<Option<(prop::sample::Index, u8)>>(),
    ) {
        let mut frame = plan.build();
        let mut segment = segment_of(plan.medium, &frame);
        prop_assert_eq!(checksums_hold(&segment, &frame), (true, true));
        if let Some((at, byte)) = damage {
            // A wrong checksum, or a damaged payload.
            let tcp = segment.layout.tcp;
            let mut places = vec![tcp + 16, tcp + 17];
            if plan.family == Family::V4 {
                places.extend([segment.layout.ip + 10, segment.layout.ip + 11]);
            }
            let end = segment.layout.ip + segment.wire_bytes as usize;
            places.extend(end - plan.payload.len()..end);
            frame[places[at.index(places.len())]] ^= byte;
        }
        let before = checksums_hold(&segment, &frame);
        for edit in edits {
            let untouched = frame.clone();
            edit.on_frame(&mut frame, &segment);
            edit.on_segment(&mut segment);
            prop_assert_eq!(checksums_hold(&segment, &frame), before, "{:?}", edit);
            let ignored = ChecksumCapabilities::ignored();
            let parsed = parse(plan.medium, Direction::Arriving, &ignored, &frame);
            prop_assert_eq!(parsed, Parsed::Tcp(segment));
            prop_assert_eq!(frame.len(), untouched.len());
            let changed = frame.iter().zip(&untouched).filter(|(a, b)| a != b).count();
            prop_assert!(changed <= 6, "{:?} changed {} bytes", edit, changed);
        }
    }

    #[test]
    fn an_edit_never_panics_on_the_frame_of_another_segment(
        plan in plan(),
        edit in edit(),
        mut other in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let segment = segment_of(plan.medium, &plan.build());
        let length = other.len();
        edit.on_frame(&mut other, &segment);
        prop_assert_eq!(other.len(), length);
    }

    #[test]
    fn checksums_that_the_device_fills_in_are_left_alone(
        plan in plan(),
        edit in edit(),
        tcp in capability(),
        ipv4 in capability(),
    ) {
        let mut frame = plan.build();
        let mut checksums = ChecksumCapabilities::default();
        checksums.tcp = tcp;
        checksums.ipv4 = ipv4;
        let parsed = parse(plan.medium, Direction::Departing, &checksums, &frame);
        let Parsed::Tcp(segment) = parsed else { panic!("{parsed:?}") };
        let layout = segment.layout;
        let fields = |frame: &[u8]| -> [[u8; 2]; 2] {
            [layout.tcp + 16, layout.ip + 10].map(|at| [frame[at], frame[at + 1]])
        };
        let before = fields(&frame);
        edit.on_frame(&mut frame, &segment);
        let after = fields(&frame);
        let held = checksums_hold(&segment_of_either(plan.medium, &frame), &frame);
        let unharmed = if tcp.tx() { held.1 } else { before[0] == after[0] };
        prop_assert!(unharmed);
        if plan.family == Family::V4 {
            let unharmed = if ipv4.tx() { held.0 } else { before[1] == after[1] };
            prop_assert!(unharmed);
        }
    }
}

#[test]
fn of_two_window_scales_the_last_counts_and_is_edited_at_any_offset() {
    let mut plan = plain(Medium::Ip, Family::V4);
    plan.repr.timestamp = Some(TcpTimestampRepr::new(0, 0));
    for shift in 0..5 {
        let mut frame = plan.build();
        // Over the timestamps: a first scale, no-operations, the scale that counts.
        let mut options = [1; 12];
        options[..3].copy_from_slice(&[3, 3, 200]);
        options[3 + shift..6 + shift].copy_from_slice(&[3, 3, 9]);
        frame[40..52].copy_from_slice(&options);
        let (source, destination) = plan.addresses();
        let mut packet = TcpPacket::new_unchecked(&mut frame[20..]);
        packet.fill_checksum(&source, &destination);
        let segment = segment_of(Medium::Ip, &frame);
        assert_eq!(segment.options.window_scale, Some(9));
        Editor::new(&mut frame, &segment).set_window_scale(15);
        assert_eq!(segment_of(Medium::Ip, &frame).layout, segment.layout);
        assert_eq!(frame[45 + shift], 14, "RFC 7323 allows no more");
        Editor::new(&mut frame, &segment).set_window_scale(5);
        let edited = segment_of(Medium::Ip, &frame);
        assert_eq!(edited.options.window_scale, Some(5));
        assert_eq!(frame[42], 200, "the first is untouched");
    }
}
