//! Frames: what is written is read, however it is cut; what is nonsense is an error, and costs no memory.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use lumberjack::{Decoder, Frame, FrameError, Frames, Limits, PayloadTooLarge, ack, window_of};
use proptest::prelude::*;

const LIMITS: Limits =
    Limits { event_bytes_max: 1000, compressed_bytes_max: 5000, inflated_bytes_max: 5000 };

fn frames_of(payloads: &[Vec<u8>]) -> Frames {
    let mut frames = Frames::with_capacity(payloads.len(), 0);
    for payload in payloads {
        frames.push(LIMITS.event_bytes_max, |out| out.extend_from_slice(payload)).expect("it fits");
    }
    frames
}

/// Feeds `bytes` in pieces of these sizes, again and again, and gives the frames until the end or an error.
fn decode(mut decoder: Decoder, bytes: &[u8], sizes: &[usize]) -> (Vec<Frame>, Option<FrameError>) {
    let mut found = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    (found, None)
}

fn numbered(payloads: &[Vec<u8>]) -> Vec<Frame> {
    let event =
        |(sequence, payload): (u32, &Vec<u8>)| Frame::Json { sequence, payload: payload.clone() };
    (1..).zip(payloads).map(event).collect()
}

fn compressed_frame(inside: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(inside).expect("it is written to memory");
    let compressed = encoder.finish().expect("it is written to memory");
    let length = u32::try_from(compressed.len()).expect("it is short");
    [b"2C".as_slice(), &length.to_be_bytes(), &compressed].concat()
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        sizes in prop::collection::vec(1_usize..50, 1..9),
        level in 0_u32..=9,
        from in 0_usize..20,
    ) {
        let mut frames = frames_of(&payloads);
        let from = from % payloads.len();
        let window = &payloads[from..];
        let count = u32::try_from(window.len()).expect("it is small");
        let bytes = if level == 0 {
            [&window_of(count), frames.numbered(from..payloads.len())].concat()
        } else {
            frames.compressed(from..payloads.len(), level)
        };
        let mut expected = vec![Frame::Window(count)];
        expected.extend(numbered(window));
        let (found, error) = decode(Decoder::of_sender(LIMITS), &bytes, &sizes);
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn acknowledgements_are_read_however_they_are_cut(
        numbers in prop::collection::vec(any::<u32>(), 0..50),
        sizes in prop::collection::vec(1_usize..20, 1..9),
    ) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| ack(*number)).collect();
        let (found, error) = decode(Decoder::of_receiver(), &bytes, &sizes);
        prop_assert!(error.is_none(), "{error:?}");
        let expected: Vec<Frame> = numbers.into_iter().map(Frame::Ack).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(
        start in prop::sample::select(vec![
            &b""[..], b"2", b"2W", b"2J", b"2C", b"2A", b"2C\0\0\0\x09x\x9c",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        sizes in prop::collection::vec(1_usize..100, 1..9),
    ) {
        let bytes = [start, &bytes].concat();
        for decoder in [Decoder::of_sender(LIMITS), Decoder::of_receiver()] {
            let (found, _error) = decode(decoder, &bytes, &sizes);
            let total: usize = found.iter().map(payload_bytes).sum();
            // Each compressed frame takes some bytes of those that came.
            prop_assert!(total <= bytes.len() / 6 * LIMITS.inflated_bytes_max + bytes.len());
        }
    }

    /// One bit of a window that was right is turned over.
    #[test]
    fn a_damaged_window_is_frames_or_an_error(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..5),
        level in 1_u32..=9,
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut bytes = frames_of(&payloads).compressed(0..payloads.len(), level);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let (found, _error) = decode(Decoder::of_sender(LIMITS), &bytes, &[7]);
        let total: usize = found.iter().map(payload_bytes).sum();
        prop_assert!(total <= LIMITS.inflated_bytes_max + bytes.len());
    }
}

fn payload_bytes(frame: &Frame) -> usize {
    match frame {
        Frame::Json { payload, .. } => payload.len(),
        Frame::Window(_) | Frame::Ack(_) => 0,
    }
}

fn check(decoder: Decoder, bytes: &[u8], expected: &str) {
    let (_, error) = decode(decoder, bytes, &[bytes.len().max(1)]);
    let shown = error.expect("it is refused").to_string();
    assert_eq!(shown, expected);
}

#[test]
fn nonsense_is_shown() {
    let sender = || Decoder::of_sender(LIMITS);
    check(
        Decoder::of_receiver(),
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
        r#"this is no frame of Lumberjack 2: "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n" (HTTP)"#,
    );
    check(
        Decoder::of_receiver(),
        &[0x15, 3, 1, 0, 2, 2, 70],
        r#"this is no frame of Lumberjack 2: "\x15\x03\x01\x00\x02\x02F" (a TLS alert: the server wants TLS)"#,
    );
    check(sender(), b"2X", r#"this is no frame of Lumberjack 2: "2X""#);
    check(sender(), &ack(1), r#"a frame of type `A` does not belong here: "2A\x00\x00\x00\x01""#);
    check(
        Decoder::of_receiver(),
        &window_of(1),
        r#"a frame of type `W` does not belong here: "2W\x00\x00\x00\x01""#,
    );
}

#[test]
fn lengths_are_compared_with_the_limits_before_anything_comes() {
    check(
        Decoder::of_sender(LIMITS),
        b"2J\0\0\0\x01\0\0\x03\xe9",
        "a frame of type `J` announces 1001 bytes, and the limit is 1000",
    );
    check(
        Decoder::of_sender(LIMITS),
        b"2C\xff\xff\xff\xff",
        "a frame of type `C` announces 4294967295 bytes, and the limit is 5000",
    );
}

#[test]
fn compressed_frames_hold_whole_events_within_the_limit() {
    let sender = || Decoder::of_sender(LIMITS);
    let event = b"2J\0\0\0\x01\0\0\0\x02{}";
    check(sender(), &compressed_frame(&event[..11]), "a compressed frame ends within an event");
    check(sender(), &compressed_frame(b"2J\0"), "a compressed frame ends within an event");
    let inner = compressed_frame(event);
    let (_, error) = decode(sender(), &compressed_frame(&inner), &[9]);
    assert!(matches!(error, Some(FrameError::Misplaced { kind: 'C', .. })), "{error:?}");
    check(
        sender(),
        &compressed_frame(&vec![0; 100_000]),
        "a compressed frame holds more than 5000 bytes",
    );
    check(sender(), b"2C\0\0\0\x04abcd", "a compressed frame cannot be read");
}

#[test]
fn an_event_that_is_too_large_leaves_no_trace() {
    let mut frames = Frames::default();
    frames.push(3, |out| out.extend_from_slice(b"abc")).expect("it fits");
    let refused = frames.push(3, |out| out.extend_from_slice(b"abcd"));
    assert_eq!(refused, Err(PayloadTooLarge { bytes: 4, max: 3 }));
    frames.push(3, |out| out.extend_from_slice(b"xy")).expect("it fits");
    assert_eq!((frames.len(), frames.payload(0), frames.payload(1)), (2, &b"abc"[..], &b"xy"[..]));
    assert_eq!(frames.bytes_of(0..2), 25);
    assert_eq!(frames.numbered(1..2), b"2J\0\0\0\x01\0\0\0\x02xy");
}

#[test]
fn an_event_that_is_moved_to_the_end_leaves_the_others_as_they_were() {
    for (index, expected) in
        [(0, ["bb", "", "dddd", "a"]), (1, ["a", "", "dddd", "bb"]), (3, ["a", "bb", "", "dddd"])]
    {
        let mut frames = frames_of(&[b"a".to_vec(), b"bb".to_vec(), vec![], b"dddd".to_vec()]);
        frames.move_to_end(index);
        let payloads: Vec<&[u8]> = (0..4).map(|index| frames.payload(index)).collect();
        assert_eq!(payloads, expected.map(str::as_bytes));
        let (found, error) = decode(Decoder::of_sender(LIMITS), frames.numbered(0..4), &[7]);
        assert_eq!((found.len(), error.is_none()), (4, true));
    }
}
