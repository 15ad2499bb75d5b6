//! The walk from marker to marker that finds a picture's end, and whether it is whole.

use super::markers::{
    DAC, DHT, EOI, JPG, MARKER_BYTES, Marker, RST0, RST7, SOF0, SOF1, SOF15, SOI, SOS, next,
};
use memchr::memchr;

/// A walk from marker to marker, which can pause where the bytes end and go on when there are more.
#[derive(Default)]
pub struct Walk {
    /// Up to here all is known; beyond the end of the bytes while the rest of a segment is awaited.
    pub at: usize,
    /// In entropy-coded data, where every 0xff that is no marker is followed by a zero (B.1.1.5).
    in_scan: bool,
    size: Option<(u16, u16)>,
    /// Sequential with Huffman coding, 8 bits: what Annex K's tables are for.
    plain: bool,
    has_tables: bool,
    scans: bool,
    pub tables_at: Option<usize>,
}

pub enum Step {
    More,
    End { width: u16, height: u16 },
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
            match next(rest) {
                Marker::More => return Step::More,
                Marker::Fill => self.at += 1,
                Marker::Alone(EOI) => {
                    self.at += MARKER_BYTES;
                    return match self.size {
                        Some((width, height)) if self.scans => Step::End { width, height },
                        _ => Step::Damaged("there is no picture in it"),
                    };
                }
                Marker::Alone(_) => return Step::Damaged("its end is missing"),
                Marker::Misplaced => return Step::Damaged("a wrong marker is in it"),
                Marker::Nothing => return Step::Damaged("bytes between its segments"),
                Marker::Segment { length: 0 | 1, .. } => {
                    return Step::Damaged("a segment without a length is in it");
                }
                Marker::Segment {
                    marker,
                    length,
                    after,
                } => {
                    match marker {
                        DHT => self.has_tables = true,
                        SOF0..=SOF15 if !matches!(marker, JPG | DAC) && self.size.is_none() => {
                            // B.2.2: precision, lines, samples per line.
                            let Some((&[precision, h, l, w, x], _)) = after.split_first_chunk() else {
                                return Step::More;
                            };
                            let (width, height) = (u16::from_be_bytes([w, x]), u16::from_be_bytes([h, l]));
                            if width == 0 || height == 0 {
                                return Step::Damaged("it has no size");
                            }
                            self.size = Some((width, height));
                            self.plain = matches!(marker, SOF0 | SOF1) && precision == 8;
                        }
                        SOS => {
                            if !self.scans && self.plain && !self.has_tables {
                                self.tables_at = Some(self.at);
                            }
                            (self.scans, self.in_scan) = (true, true);
                        }
                        _ => {}
                    }
                    self.at += MARKER_BYTES + length;
                }
            }
        }
    }
}
