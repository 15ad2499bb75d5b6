//! RTP and RTCP (RFC 3550) as RTSP sends them over its own connection (RFC 2326, 10.12), and without its four bytes as
//! datagrams: H.264 (RFC 6184), AAC (RFC 3640) and JPEG (RFC 2435).

use super::h264::nal;
use super::jpeg::RtpPicture;

/// An RTP packet has this many bytes at most, so that it goes over Ethernet in one datagram, of IPv6 too.
const PACKET_BYTES: usize = 1452;
/// RTP's header (RFC 3550, 5.1) without what we never send.
const HEADER_BYTES: usize = 12;
const PAYLOAD_BYTES: usize = PACKET_BYTES - HEADER_BYTES;
/// `$`, channel and length (RFC 2326, 10.12).
const FRAMING_BYTES: usize = 4;
/// The bit of a packet that is the last one of its frame, beside the payload type.
const LAST: u8 = 0x80;
/// From 1900, where NTP's time begins, to 1970 (RFC 3550, 4).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// Bytes of a [`Track::report`].
pub const REPORT_BYTES: usize = FRAMING_BYTES + 28 + 28;
/// The length of the name by which a receiver knows what belongs together.
pub const CNAME_BYTES: usize = 16;

/// What a track of H.264 is called in the SDP and in each of its packets.
pub const VIDEO: u8 = 96;
/// What one of AAC is called.
pub const SOUND: u8 = 97;
/// What one of JPEG pictures is called, by everybody (RFC 3551, 6).
pub const JPEG: u8 = 26;

/// A packet of a track: what stands before a piece of a frame, and the piece.
#[derive(Debug)]
pub struct Packet<'a> {
    head: [u8; FRAMING_BYTES + HEADER_BYTES + 4],
    head_bytes: usize,
    payload: &'a [u8],
}

impl Packet<'_> {
    /// All of its bytes.
    pub fn slices(&self) -> [&[u8]; 2] {
        [&self.head[..self.head_bytes], self.payload]
    }
}

/// One track, as it is sent to one client.
#[derive(Debug, Clone)]
pub struct Track {
    /// Its channels on the connection, for RTP and RTCP.
    pub channels: [u8; 2],
    /// What it is called: [`VIDEO`], [`SOUND`] or [`JPEG`].
    pub payload_type: u8,
    /// The number by which the receiver tells it from others.
    pub ssrc: u32,
    /// Units of its timestamps in a second.
    rate: u32,
    /// The number of the next packet, and what is added to times: as random as the one before (RFC 3550, 5.1).
    sequence: u16,
    base: u32,
    /// The time of the newest frame, in its units, and its capture in microseconds.
    time: u64,
    captured_us: u64,
    packets: u32,
    octets: u32,
}

impl Track {
    /// One of which nothing was sent yet; `random` are bytes that nobody can guess.
    pub fn new(payload_type: u8, rate: u32, channels: [u8; 2], random: [u8; 10]) -> Track {
        let [a, b, c, d, e, f, g, h, i, j] = random;
        Track {
            channels,
            payload_type,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            rate,
            sequence: u16::from_be_bytes([e, f]),
            base: u32::from_be_bytes([g, h, i, j]),
            time: 0,
            captured_us: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// The number of its first packet, and the timestamp of the moment of its start, which is that of the first picture.
    pub fn first(&self) -> (u16, u32) {
        (self.sequence, self.base)
    }

    /// Starts at that moment, unless it has started already. All tracks of a client start at the same one, so that those know
    /// from the first packet on what belongs together.
    pub fn start(&mut self, captured_us: u64) {
        if self.captured_us == 0 {
            self.captured_us = captured_us;
        }
    }

    /// Begins a frame of that time, in the track's units, which was captured at `captured_us`. No two frames have one time:
    /// packets of the same time are one frame.
    pub fn begin(&mut self, time: u64, captured_us: u64) {
        let time = time.max(self.time + 1);
        if self.time == 0 {
            self.base = self.timestamp_at(captured_us).wrapping_sub(time as u32);
        }
        self.time = time;
        self.captured_us = captured_us;
    }

    /// Adds the packets of a picture: each NAL unit in one, or in several where it is longer (RFC 6184, 5.6, 5.8).
    pub fn picture<'a>(&mut self, nal_units: impl Iterator<Item = &'a [u8]>, out: &mut Vec<Packet<'a>>) {
        const FU_A: u8 = 28;
        let before = out.len();
        for unit in nal_units {
            let Some((&header, rest)) = unit.split_first() else {
                continue;
            };
            let kind = nal::unit_type(unit);
            if matches!(kind, nal::AUD | nal::FILLER) {
                continue;
            }
            if unit.len() <= PAYLOAD_BYTES {
                self.packet(&[], unit, out);
                continue;
            }
            let mut begins = 0x80;
            let mut pieces = rest.chunks(PAYLOAD_BYTES - 2).peekable();
            while let Some(piece) = pieces.next() {
                let ends = if pieces.peek().is_none() { 0x40 } else { 0 };
                self.packet(&[header & 0xe0 | FU_A, begins | ends | kind], piece, out);
                begins = 0;
            }
        }
        if let Some(last) = out[before..].last_mut() {
            mark(last);
        }
    }

    /// Adds the packet of an AAC frame (RFC 3640, 3.3.6). One of more than 1,436 bytes, which are rare, makes it longer than
    /// others: the connection takes it.
    pub fn sound<'a>(&mut self, frame: &'a [u8], out: &mut Vec<Packet<'a>>) {
        // One AU header of 16 bits: 13 of them are the size.
        let [high, low] = ((frame.len() << 3) as u16).to_be_bytes();
        self.packet(&[0, 16, high, low], frame, out);
        if let Some(last) = out.last_mut() {
            mark(last);
        }
    }

    /// Adds the packets of a JPEG picture, all of their bytes in a row: its head goes before each piece of its coded data,
    /// with the piece's place in it, and the tables before the first (RFC 2435, 3.1).
    pub fn jpeg(&mut self, picture: &RtpPicture<'_>, out: &mut Vec<u8>) {
        let (mut at, mut rest) = (0usize, picture.coded);
        let mut before = picture.head.clone();
        // 28 bytes before each 1,428 at most, and the tables.
        out.reserve_exact(rest.len() + rest.len() / 50 + 200);
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(PAYLOAD_BYTES - before.len()));
            let mut head = self.head(before.len() + piece.len());
            if behind.is_empty() {
                head[5] |= LAST;
            }
            before[1..4].copy_from_slice(&(at as u32).to_be_bytes()[1..]);
            for part in [&head[..], &before, piece] {
                out.extend_from_slice(part);
            }
            if behind.is_empty() {
                return;
            }
            before.truncate(picture.repeated_bytes);
            (at, rest) = (at + piece.len(), behind);
        }
    }

    fn packet<'a>(&mut self, before: &[u8], payload: &'a [u8], out: &mut Vec<Packet<'a>>) {
        let mut packet = Packet {
            head: [0; FRAMING_BYTES + HEADER_BYTES + 4],
            head_bytes: FRAMING_BYTES + HEADER_BYTES + before.len(),
            payload,
        };
        let head = self.head(before.len() + payload.len());
        packet.head[..head.len()].copy_from_slice(&head);
        packet.head[head.len()..packet.head_bytes].copy_from_slice(before);
        out.push(packet);
    }

    /// What stands before so many bytes in the next packet.
    fn head(&mut self, bytes: usize) -> [u8; FRAMING_BYTES + HEADER_BYTES] {
        let [high, low] = ((HEADER_BYTES + bytes) as u16).to_be_bytes();
        let number = self.sequence.to_be_bytes();
        let words = [
            [b'$', self.channels[0], high, low],
            [0x80, self.payload_type, number[0], number[1]], // version 2
            self.timestamp().to_be_bytes(),
            self.ssrc.to_be_bytes(),
        ];
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(bytes as u32);
        let mut head = [0; FRAMING_BYTES + HEADER_BYTES];
        head.copy_from_slice(words.as_flattened());
        head
    }

    fn timestamp(&self) -> u32 {
        self.base.wrapping_add(self.time as u32)
    }

    /// The timestamp of that moment.
    fn timestamp_at(&self, at_us: u64) -> u32 {
        let since = (at_us as i64 - self.captured_us as i64) * i64::from(self.rate) / 1_000_000;
        self.timestamp().wrapping_add(since as u32)
    }

    /// So much time of the track in microseconds.
    pub fn micros(&self, time: u64) -> u64 {
        time * 1_000_000 / u64::from(self.rate)
    }

    /// When the newest frame was captured, in microseconds; 0 before the start.
    pub fn captured_us(&self) -> u64 {
        self.captured_us
    }

    /// A sender report with the source's name (RFC 3550, 6.4.1, 6.5): which timestamp the moment `at_us` has, and what it is on
    /// the wall clock. `offset_us` is what the two clocks differ by.
    pub fn report(&self, at_us: u64, offset_us: i64, cname: &[u8; CNAME_BYTES]) -> [u8; REPORT_BYTES] {
        let unix_us = at_us.saturating_add_signed(offset_us);
        let (seconds, micros) = (unix_us / 1_000_000 + NTP_TO_UNIX_S, unix_us % 1_000_000);
        let ssrc = self.ssrc.to_be_bytes();
        let mut report = [0; REPORT_BYTES];
        let words = [
            [b'$', self.channels[1], 0, (REPORT_BYTES - FRAMING_BYTES) as u8],
            [0x80, 200, 0, 6], // version 2, no reception reports, SR, seven words
            ssrc,
            (seconds as u32).to_be_bytes(),
            (((micros << 32) / 1_000_000) as u32).to_be_bytes(),
            self.timestamp_at(at_us).to_be_bytes(),
            self.packets.to_be_bytes(),
            self.octets.to_be_bytes(),
            [0x81, 202, 0, 6], // one source, SDES, seven words
            ssrc,
        ];
        report[..40].copy_from_slice(words.as_flattened());
        (report[40], report[41]) = (1, CNAME_BYTES as u8);
        report[42..58].copy_from_slice(cname);
        report
    }

    /// A receiver report about nothing (RFC 3550, 6.4.2).
    pub fn empty_report(&self) -> [u8; 12] {
        let [a, b, c, d] = self.ssrc.to_be_bytes();
        [b'$', self.channels[1], 0, 8, 0x80, 201, 0, 1, a, b, c, d]
    }
}

/// Says that it is the last packet of its frame (RFC 3550, 5.1).
fn mark(packet: &mut Packet<'_>) {
    packet.head[5] |= LAST;
}

/// What must hold whatever the frames are; for fuzzing and for tests.
pub mod laws {
    use super::{FRAMING_BYTES, HEADER_BYTES, PACKET_BYTES, Packet, SOUND, Track, VIDEO};

    /// The NAL units and AAC frames that a receiver makes of packets, which it looks at.
    fn received(packets: &[Packet<'_>], is_sound: bool) -> Vec<Vec<u8>> {
        let (mut frames, mut first) = (Vec::new(), None);
        for (number, packet) in packets.iter().enumerate() {
            let bytes = packet.slices().concat();
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            assert_eq!(
                (bytes[0], bytes[1], length),
                (b'$', 6, bytes.len() - FRAMING_BYTES)
            );
            let packet = &bytes[FRAMING_BYTES..];
            assert!(packet.len() <= PACKET_BYTES || is_sound);
            let is_last = is_sound || number + 1 == packets.len();
            assert_eq!((packet[0], packet[1] & 0x80 != 0), (0x80, is_last));
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let first = *first.get_or_insert(sequence);
            assert_eq!(sequence, first.wrapping_add(number as u16));
            let payload = &packet[HEADER_BYTES..];
            match *payload {
                [0, 16, high, low, ..] if is_sound => {
                    assert_eq!(
                        usize::from(u16::from_be_bytes([high, low]) >> 3),
                        payload.len() - 4
                    );
                    frames.push(payload[4..].to_vec());
                }
                [indicator, fu, ref rest @ ..] if indicator & 0x1f == 28 && !is_sound => {
                    if fu & 0x80 != 0 {
                        frames.push(vec![indicator & 0xe0 | fu & 0x1f]);
                    }
                    frames
                        .last_mut()
                        .into_iter()
                        .for_each(|nal: &mut Vec<u8>| nal.extend(rest));
                }
                _ => frames.push(payload.to_vec()),
            }
        }
        frames
    }

    /// A receiver gets what was sent, but for delimiters and filler.
    pub fn rtp(data: &[u8]) {
        let frames: Vec<Vec<u8>> = data
            .chunks_exact(3)
            .take(8)
            .map(|three| {
                let length = u16::from_be_bytes([three[0] & 0x0f, three[1]]);
                let mut frame: Vec<u8> = (0..length)
                    .map(|n| n.wrapping_mul(251) as u8 ^ three[0])
                    .collect();
                // No unit of a camera has the type that is RTP's for pieces (RFC 6184, 5.2).
                let first = if three[2] & 0x1f == 28 { 0x65 } else { three[2] };
                frame.iter_mut().take(1).for_each(|byte| *byte = first);
                frame
            })
            .collect();
        let is_sent = |frame: &&Vec<u8>| frame.first().is_some_and(|first| !matches!(first & 0x1f, 9 | 12));
        for is_sound in [false, true] {
            let kind = if is_sound { SOUND } else { VIDEO };
            let mut track = Track::new(kind, 90_000, [6, 7], [0xff; 10]);
            let mut packets = Vec::new();
            match is_sound {
                true => frames.iter().for_each(|frame| track.sound(frame, &mut packets)),
                false => track.picture(frames.iter().map(Vec::as_slice), &mut packets),
            }
            let got = received(&packets, is_sound);
            match is_sound {
                true => assert_eq!(got, frames),
                false => assert!(got.iter().eq(frames.iter().filter(is_sent))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_unit_goes_in_pieces_and_a_short_one_by_itself() {
        let mut track = Track::new(
            VIDEO,
            90_000,
            [0, 1],
            [1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        );
        track.start(7);
        track.begin(4, 7);
        let (long, short, longest) = (vec![0x65; 3000], [0x06, 1], vec![0x41; PAYLOAD_BYTES]);
        let mut packets = Vec::new();
        let units = [&short[..], &[9, 0xf0], &long, &[], &longest];
        track.picture(units.into_iter(), &mut packets);
        let shown: Vec<_> = packets
            .iter()
            .map(|packet| (packet.head_bytes, packet.payload.len()))
            .collect();
        assert_eq!(shown, [(16, 2), (18, 1438), (18, 1438), (18, 123), (16, 1440)]);
        assert_eq!(
            packets[1].head[..18],
            [
                b'$', 0, 5, 172, 0x80, 96, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 0x7c, 0x85
            ]
        );
        assert_eq!(packets[3].head[16..18], [0x7c, 0x45]);
        let marked: Vec<bool> = packets.iter().map(|packet| packet.head[5] & 0x80 != 0).collect();
        assert_eq!(marked, [false, false, false, false, true]);
    }

    #[test]
    fn frames_of_one_time_stay_apart() {
        let mut track = Track::new(VIDEO, 90_000, [0, 1], [0; 10]);
        let times = [5, 5, 4, 9].map(|time| {
            track.begin(time, 0);
            track.timestamp()
        });
        assert_eq!(times, [0, 1, 2, 4]);
    }

    #[test]
    fn a_report_says_when_a_timestamp_was() {
        let mut track = Track::new(SOUND, 48_000, [2, 3], [0, 0, 0, 9, 0, 7, 0, 0, 0, 100]);
        assert_eq!(track.first(), (7, 100));
        // It starts with a picture, a tenth of a second before its own first frame.
        track.start(4_900_000);
        let timestamp = |report: [u8; REPORT_BYTES]| u32::from_be_bytes(report[20..24].try_into().unwrap());
        assert_eq!(timestamp(track.report(4_900_000, 0, &[0; 16])), 100);
        track.begin(48_000, 5_000_000);
        let mut packets = Vec::new();
        track.sound(&[1, 2, 3], &mut packets);
        let report = track.report(5_500_000, 1_000_000, b"0123456789abcdef");
        let word = |number: usize| u32::from_be_bytes(report[4 * number..][..4].try_into().unwrap());
        assert_eq!(word(0), 0x2403_0038);
        assert_eq!((word(1), word(2)), (0x80c8_0006, 9));
        assert_eq!((word(3), word(4)), (2_208_988_806, 0x8000_0000));
        assert_eq!(word(5), 100 + 4_800 + 24_000);
        assert_eq!((word(6), word(7)), (1, 7));
        assert_eq!((word(8), word(9)), (0x81ca_0006, 9));
        assert_eq!(report[40..], *b"\x01\x100123456789abcdef\0\0");
        // Before the newest frame, too; and what is told once does not change.
        assert_eq!(timestamp(track.report(4_900_000, 0, &[0; 16])), 100);
        track.start(6_000_000);
        track.begin(49_024, 5_021_333);
        assert_eq!(track.timestamp(), 100 + 4_800 + 1_024);
    }

    /// As a receiver puts it together (RFC 2435, 3.1).
    #[test]
    fn a_jpeg_picture_goes_in_pieces_of_which_the_first_has_the_tables() {
        let coded: Vec<u8> = (0..4000u32).map(|n| (n % 251) as u8).collect();
        for (repeated_bytes, sizes) in [(8, [1300, 1432, 1268]), (12, [1296, 1428, 1276])] {
            let head: Vec<u8> = (0..repeated_bytes as u8 + 132).collect();
            let picture = RtpPicture {
                head: head.clone(),
                repeated_bytes,
                coded: &coded,
            };
            let mut track = Track::new(JPEG, 90_000, [4, 5], [7; 10]);
            let mut out = vec![1, 2, 3];
            track.jpeg(&picture, &mut out);
            let (mut rest, mut got, mut is_last) = (&out[3..], Vec::new(), false);
            for (number, size) in (0..).zip(sizes) {
                let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                let (packet, behind) = rest.split_at(4 + length);
                assert_eq!((packet[0], packet[1], length <= PACKET_BYTES), (b'$', 4, true));
                is_last = behind.is_empty();
                assert_eq!(packet[4..6], [0x80, JPEG | if is_last { LAST } else { 0 }]);
                assert_eq!(packet[6..8], (0x0707u16 + number).to_be_bytes());
                let place = (got.len() as u32).to_be_bytes();
                let mut expected = head[..if number == 0 { head.len() } else { repeated_bytes }].to_vec();
                expected[1..4].copy_from_slice(&place[1..]);
                let (before, piece) = packet[16..].split_at(expected.len());
                assert_eq!((before, piece.len()), (&expected[..], size));
                got.extend_from_slice(piece);
                rest = behind;
            }
            assert!(is_last && got == coded);
        }
    }
}
