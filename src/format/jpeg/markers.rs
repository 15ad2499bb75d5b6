//! The markers between which a JPEG picture stands (Rec. ITU-T T.81, table B.1 and B.1.1).

pub const SOF0: u8 = 0xc0;
pub const SOF1: u8 = 0xc1;
pub const SOF15: u8 = 0xcf;
pub const DHT: u8 = 0xc4;
pub const JPG: u8 = 0xc8;
pub const DAC: u8 = 0xcc;
pub const RST0: u8 = 0xd0;
pub const RST7: u8 = 0xd7;
pub const SOI: u8 = 0xd8;
pub const EOI: u8 = 0xd9;
pub const SOS: u8 = 0xda;
pub const DQT: u8 = 0xdb;
pub const DRI: u8 = 0xdd;
pub const APP0: u8 = 0xe0;
pub const APP4: u8 = 0xe4;
pub const COM: u8 = 0xfe;
/// The last of the reserved ones, from the stuffed zero of entropy-coded data on; TEM is among them. None of them stands
/// in a picture.
const LAST_RESERVED: u8 = 0xbf;

/// The first bytes of a picture: SOI, and the next marker's first byte.
pub const BEGINNING: [u8; 3] = [0xff, SOI, 0xff];

/// The beginning of some bytes of a picture, outside of entropy-coded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker<'a> {
    /// More bytes are needed to know.
    More,
    /// A fill byte (B.1.1.2): the marker begins behind it.
    Fill,
    /// SOI or EOI, which have no segment.
    Alone(u8),
    /// RSTm or a reserved marker, which has no place here.
    Misplaced,
    /// A marker with its segment (B.1.1.4).
    Segment {
        /// Its second byte.
        marker: u8,
        /// Bytes of the segment behind the marker. They count the two of the length itself, so less is an error.
        length: usize,
        /// The bytes behind the length: the segment, as far as it is there, and what follows.
        after: &'a [u8],
    },
    /// Bytes that are no marker.
    Nothing,
}

/// Bytes of a marker itself.
pub const MARKER_BYTES: usize = 2;

/// Names what `bytes` begin with.
pub fn next(bytes: &[u8]) -> Marker<'_> {
    match *bytes {
        [] | [0xff] => Marker::More,
        [0xff, 0xff, ..] => Marker::Fill,
        [0xff, marker @ (SOI | EOI), ..] => Marker::Alone(marker),
        [0xff, 0..=LAST_RESERVED | RST0..=RST7, ..] => Marker::Misplaced,
        [0xff, _] | [0xff, _, _] => Marker::More,
        [0xff, marker, high, low, ref after @ ..] => Marker::Segment {
            marker,
            length: u16::from_be_bytes([high, low]).into(),
            after,
        },
        _ => Marker::Nothing,
    }
}
