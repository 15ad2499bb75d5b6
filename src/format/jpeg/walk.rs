//! The walk from marker to marker that finds where a picture begins and ends, and whether it is whole.

use super::coded;
use super::markers::{
    BEGINNING, DAC, DHT, DQT, DRI, EOI, JPG, MARKER_BYTES, Marker, RST0, RST7, SOF0, SOF1, SOF15, SOI, SOS,
    next,
};
use super::segments::is_application;
use crate::format::search::find;
use memchr::memchr;

/// Stray bytes among a picture's segments. Decoders pass over them; where there are more, something is missing.
pub const MOST_STRAY_BYTES: usize = 16;
/// No picture, not even the smallest thumbnail, fits in a segment of fewer bytes.
const LEAST_PICTURE_BYTES: usize = 64;

/// A walk from marker to marker, which can pause where the bytes end and go on when there are more.
#[derive(Default)]
pub struct Walk {
    /// The picture's SOI: the last one of those cameras that write several.
    pub start: usize,
    /// Up to here all is known; beyond the end of the bytes while the rest of a segment is awaited.
    pub at: usize,
    has_segments: bool,
    /// The segment before `at` while no other one behind it shows that its length is right.
    unproven: Option<usize>,
    /// The first segment in which a picture begins: a thumbnail, mostly.
    hiding: Option<usize>,
    stray_bytes: usize,
    /// In entropy-coded data, where every 0xff that is no marker is followed by a zero (B.1.1.5).
    in_scan: bool,
    /// Width and height in pixels, by the frame header.
    pub size: Option<(u16, u16)>,
    /// Sequential with Huffman coding, 8 bits: what Annex K's tables are for.
    pub plain: bool,
    has_quantization: bool,
    has_tables: bool,
    /// Scans that have begun.
    pub scans: usize,
    pub tables_at: Option<usize>,
}

pub enum Step {
    More,
    /// There is an EOI before `at`.
    End,
    Damaged(&'static str),
}

impl Walk {
    /// `data` is what it was at the last step, and maybe more. Each byte is looked at once.
    pub fn go_on(&mut self, data: &[u8]) -> Step {
        loop {
            let rest = data.get(self.at..).unwrap_or_default();
            if self.in_scan {
                let Some(coded) = memchr(0xff, rest) else {
                    self.at = self.at.max(data.len());
                    return Step::More;
                };
                self.at += coded;
                match rest.get(coded + 1) {
                    None => return Step::More,
                    Some(0 | RST0..=RST7) => self.at += MARKER_BYTES,
                    Some(0xff) => self.at += 1,
                    Some(_) => self.in_scan = false,
                }
                continue;
            }
            if self.at == 0 {
                match *rest {
                    [] | [0xff] => return Step::More,
                    [0xff, SOI, ..] => self.at = MARKER_BYTES,
                    _ => return Step::Damaged("it does not begin as a JPEG picture does"),
                }
                continue;
            }
            let marker = next(rest);
            if matches!(marker, Marker::Segment { .. }) {
                let proven = self.unproven.take();
                if self.hiding.is_none() {
                    self.hiding =
                        proven.filter(|from| has_beginning(data.get(*from..self.at).unwrap_or_default()));
                }
            }
            match marker {
                Marker::More => return Step::More,
                Marker::Fill => self.at += 1,
                Marker::Alone(EOI) if self.size.is_some() && self.scans > 0 => {
                    self.at += MARKER_BYTES;
                    return Step::End;
                }
                Marker::Alone(EOI) => return Step::Damaged("there is no picture in it"),
                // SOI, again and at once.
                Marker::Alone(_) if !self.has_segments => {
                    self.start = self.at;
                    self.at += MARKER_BYTES;
                }
                Marker::Alone(_) => return Step::Damaged("its end is missing"),
                Marker::Misplaced => return Step::Damaged("a wrong marker is in it"),
                Marker::Nothing if self.stray_bytes < MOST_STRAY_BYTES && !self.may_be_cut_off(data) => {
                    self.stray_bytes += 1;
                    self.at += 1;
                }
                Marker::Nothing => return Step::Damaged("bytes between its segments"),
                Marker::Segment {
                    marker,
                    length,
                    after,
                } => {
                    self.has_segments = true;
                    let end = MARKER_BYTES + length;
                    if !is_application(marker) || length < LEAST_PICTURE_BYTES {
                        if !(2..=most_bytes(marker)).contains(&length) {
                            return Step::Damaged("a segment of a wrong length is in it");
                        }
                        // With what is behind it: the last bytes may be the first of the next picture.
                        let behind = match rest.get(end..) {
                            Some([0xff, EOI, ..]) => MARKER_BYTES,
                            _ => BEGINNING.len(),
                        };
                        let Some(whole) = rest.get(..end + behind) else {
                            return Step::More;
                        };
                        if has_beginning(whole) {
                            self.unproven = Some(self.at);
                            return Step::Damaged("a segment is cut off");
                        }
                        if !after
                            .get(..length - 2)
                            .is_some_and(|segment| is_sound(marker, segment))
                        {
                            return Step::Damaged("its tables or headers are damaged");
                        }
                    }
                    match marker {
                        DQT => self.has_quantization = true,
                        DHT => self.has_tables = true,
                        SOF0..=SOF15 if !matches!(marker, JPG | DAC) => {
                            // B.2.2: precision, lines, samples per line.
                            let Some((&[precision, h, l, w, x], _)) = after.split_first_chunk() else {
                                return Step::More;
                            };
                            let (width, height) = (u16::from_be_bytes([w, x]), u16::from_be_bytes([h, l]));
                            if width == 0 || height == 0 {
                                return Step::Damaged("it has no size");
                            }
                            if self.size.is_some() {
                                return Step::Damaged("two pictures are mixed");
                            }
                            self.size = Some((width, height));
                            self.plain = matches!(marker, SOF0 | SOF1) && precision == 8;
                        }
                        SOS if !self.has_quantization => {
                            return Step::Damaged("its quantization tables are missing");
                        }
                        SOS if matches!(rest.get(end..), Some([0xff, 1..=0xff, ..])) => {
                            return Step::Damaged("its coded data are missing");
                        }
                        SOS => {
                            if self.scans == 0 && self.plain && !self.has_tables {
                                self.tables_at = Some(self.at);
                            }
                            self.scans += 1;
                            self.in_scan = true;
                        }
                        _ => {}
                    }
                    self.unproven = Some(self.at).filter(|_| !self.in_scan);
                    self.at += end;
                }
            }
        }
    }

    /// True if a picture begins in the segment before `at`: a thumbnail, or the next picture where the segment was cut off.
    fn may_be_cut_off(&self, data: &[u8]) -> bool {
        let segment = self.unproven.and_then(|from| data.get(from..self.at));
        segment.is_some_and(has_beginning)
    }

    /// Where the next picture is to be looked for, after damage: if a segment was cut off, its end by its length may be far
    /// behind the next picture's beginning.
    pub fn resume_at(&self) -> usize {
        let segment = self.hiding.or(self.unproven);
        segment.map_or(self.at, |from| from + MARKER_BYTES)
    }
}

/// The most bytes that a segment can have, with its length (B.2.2 to B.2.4). Where one was cut off, what comes next is
/// taken for its length.
fn most_bytes(marker: u8) -> usize {
    match marker {
        DRI => 4,
        SOS => 6 + 2 * 4,
        DQT => 2 + 4 * (1 + 2 * 64),
        DHT => 2 + 8 * (1 + 16 + 256),
        SOF0..=SOF15 if !matches!(marker, JPG | DAC) => 8 + 3 * 255,
        _ => usize::MAX,
    }
}

/// True if decoders can do something with tables or a header: browsers show nothing of a picture where they can't.
fn is_sound(marker: u8, segment: &[u8]) -> bool {
    match (marker, segment) {
        (DHT, _) => coded::are_tables(segment),
        (DQT, _) => {
            let mut rest = segment;
            while let Some((&place, after)) = rest.split_first() {
                let values = if place & 0x10 == 0 { 64 } else { 128 };
                match after.get(values..) {
                    Some(next) if place & 0xec == 0 => rest = next,
                    _ => return false,
                }
            }
            true
        }
        (SOS, &[count, ref rest @ ..]) => {
            (1..=4).contains(&count) && rest.len() == 2 * usize::from(count) + 3
        }
        (SOF0..=SOF15, &[_, _, _, _, _, count, ref rest @ ..]) if !matches!(marker, JPG | DAC) => {
            (1..=4).contains(&count) && rest.len() == 3 * usize::from(count)
        }
        _ => true,
    }
}

/// True if a picture begins in these bytes, by the marker of its first segment. In tables, the three bytes of
/// [`BEGINNING`] alone are possible.
fn has_beginning(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(behind) = find(rest, &BEGINNING).and_then(|at| rest.get(at + BEGINNING.len()..)) {
        match behind {
            [SOF0..=SOF15 | DQT | DRI, ..] => return true,
            [marker, ..] if is_application(*marker) => return true,
            _ => rest = behind,
        }
    }
    false
}
