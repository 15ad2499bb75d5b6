//! Entropy-coded data (Rec. ITU-T T.81, Annex F.2): where those of a whole picture end. So a picture without EOI can be
//! told from one that was cut off.

use super::markers::{DHT, DRI, MARKER_BYTES, Marker, RST0, RST7, SOF0, SOF1, SOS, next};
use super::tables::TABLES;
use memchr::memchr;

/// Gives where the coded data of a picture end that is sequential, with Huffman coding; None if some are missing.
pub fn end(picture: &[u8]) -> Option<usize> {
    let mut tables = Tables::default();
    tables.read(TABLES.get(MARKER_BYTES + 2..)?)?;
    let mut frame = None;
    let (mut interval, mut at) = (0, 0);
    loop {
        match next(picture.get(at..)?) {
            Marker::More => return None,
            // What decoders pass over, too.
            Marker::Fill | Marker::Nothing => at += 1,
            Marker::Alone(_) | Marker::Misplaced => at += MARKER_BYTES,
            Marker::Segment {
                marker,
                length,
                after,
            } => {
                let segment = after.get(..length.checked_sub(2)?)?;
                at += MARKER_BYTES + length;
                match (marker, segment) {
                    (DHT, _) => tables.read(segment)?,
                    (DRI, [high, low, ..]) => interval = u16::from_be_bytes([*high, *low]).into(),
                    (SOF0 | SOF1, _) => frame = Some(Frame::read(segment)?),
                    (SOS, _) => {
                        let frame = frame.as_mut()?;
                        at = frame.scan(segment, &tables, interval, Bits::new(picture, at))?;
                        if frame.components.iter().all(|component| component.came) {
                            return Some(at);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// True if a DHT segment has nothing but tables that can be decoded by.
pub fn are_tables(segment: &[u8]) -> bool {
    Tables::default().read(segment).is_some()
}

/// A component (colour) of a frame: its identifier, and how often it is sampled.
struct Component {
    id: u8,
    wide: usize,
    high: usize,
    /// A scan had it.
    came: bool,
}

/// What a frame header says (B.2.2).
struct Frame {
    width: usize,
    height: usize,
    components: Vec<Component>,
}

impl Frame {
    fn read(segment: &[u8]) -> Option<Frame> {
        let &[_, h, l, w, x, _, ref rest @ ..] = segment else {
            return None;
        };
        let component = |bytes: &[u8]| {
            let &[id, factors, _] = bytes else { return None };
            let (wide, high) = (usize::from(factors >> 4), usize::from(factors & 15));
            ((1..=4).contains(&wide) && (1..=4).contains(&high)).then_some(Component {
                id,
                wide,
                high,
                came: false,
            })
        };
        Some(Frame {
            width: u16::from_be_bytes([w, x]).into(),
            height: u16::from_be_bytes([h, l]).into(),
            components: rest.chunks(3).map(component).collect::<Option<_>>()?,
        })
    }

    /// Decodes a scan whose header (B.2.3) is given; gives where it ends.
    fn scan(&mut self, header: &[u8], tables: &Tables<'_>, interval: usize, bits: Bits<'_>) -> Option<usize> {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max();
        let (wide, high) = (most(|c| c.wide)?, most(|c| c.high)?);
        let (&count, header) = header.split_first()?;
        // Blocks of each component in a unit (MCU), with the tables that they are coded with.
        let mut blocks = Vec::new();
        let (mut across, mut down) = (self.width.div_ceil(8 * wide), self.height.div_ceil(8 * high));
        for bytes in header.get(..2 * usize::from(count))?.chunks_exact(2) {
            let &[id, which] = bytes else { return None };
            let component = self.components.iter_mut().find(|component| component.id == id)?;
            component.came = true;
            let coding = (tables.dc(which >> 4)?, tables.ac(which & 15)?);
            let mut of_unit = component.wide * component.high;
            if count == 1 {
                // Alone it has no units, only blocks (A.2.2).
                across = (self.width * component.wide).div_ceil(wide).div_ceil(8);
                down = (self.height * component.high).div_ceil(high).div_ceil(8);
                of_unit = 1;
            }
            blocks.extend((0..of_unit).map(|_| coding));
        }
        let mut bits = bits;
        for unit in 0..across * down {
            if interval > 0 && unit > 0 && unit % interval == 0 {
                bits.restart()?;
            }
            for (dc, ac) in &blocks {
                block(&mut bits, dc, ac)?;
            }
        }
        Some(bits.end())
    }
}

/// Passes over a block of 8x8 samples (F.2.2.1 and F.2.2.2).
fn block(bits: &mut Bits<'_>, dc: &Table<'_>, ac: &Table<'_>) -> Option<()> {
    let size = dc.decode(bits)?;
    bits.skip(size)?;
    let mut k = 1;
    while k < 64 {
        let symbol = ac.decode(bits)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => k += 16,
            (_, 0) => break,
            (run, size) => {
                k += usize::from(run) + 1;
                bits.skip(size)?;
            }
        }
    }
    (k <= 64).then_some(())
}

/// Huffman tables by their destination, those for DC first.
#[derive(Default)]
struct Tables<'a>([Option<Table<'a>>; 8]);

impl<'a> Tables<'a> {
    /// Reads a DHT segment (B.2.4.2).
    fn read(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let Some((&place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk()?;
            let codes = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, rest) = rest.split_at_checked(codes)?;
            // Class 1 is AC's.
            let (class, at) = (place >> 4, usize::from(place & 15));
            let is_sound = class < 2 && at < 4 && (class == 1 || values.iter().all(|size| *size < 16));
            let table = Table::new(counts, values).filter(|_| is_sound)?;
            *self.0.get_mut(usize::from(class) * 4 + at)? = Some(table);
            segment = rest;
        }
        Some(())
    }

    fn dc(&self, place: u8) -> Option<&Table<'a>> {
        self.0.get(usize::from(place & 3))?.as_ref()
    }

    fn ac(&self, place: u8) -> Option<&Table<'a>> {
        self.0.get(4 + usize::from(place & 3))?.as_ref()
    }
}

struct Table<'a> {
    /// Codes of each length.
    counts: &'a [u8; 16],
    values: &'a [u8],
    /// Of the codes of at most eight bits, by the byte that begins with one: its length, or 0, and its value.
    short: [(u8, u8); 256],
}

impl<'a> Table<'a> {
    /// None if there are more codes than bits for them.
    fn new(counts: &'a [u8; 16], values: &'a [u8]) -> Option<Table<'a>> {
        let room = |left: u32, count: &u8| (left * 2).checked_sub((*count).into());
        counts.iter().try_fold(1, room)?;
        let mut short = [(0, 0); 256];
        let mut places = short.iter_mut();
        let mut left = values.iter();
        for (&count, length) in counts.iter().zip(1..=8) {
            for value in left.by_ref().take(count.into()) {
                for place in places.by_ref().take(256 >> length) {
                    *place = (length, *value);
                }
            }
        }
        Some(Table {
            counts,
            values,
            short,
        })
    }

    /// Decodes a value (F.2.2.3).
    fn decode(&self, bits: &mut Bits<'_>) -> Option<u8> {
        bits.fill();
        let (length, value) = self.short[usize::from((bits.held >> 24) as u8)];
        if length > 0 {
            return bits.skip(length).map(|()| value);
        }
        // The first code of each length, and its value's place.
        let (mut first, mut place) = (0, 0);
        for (&count, length) in self.counts.iter().zip(1..) {
            let code = bits.held >> (32 - u32::from(length));
            let count = u32::from(count);
            if let Some(after) = code.checked_sub(first).filter(|after| *after < count) {
                bits.skip(length)?;
                return self.values.get((place + after) as usize).copied();
            }
            place += count;
            first = (first + count) << 1;
        }
        None
    }
}

/// Coded data, bit by bit.
struct Bits<'a> {
    data: &'a [u8],
    /// The next byte to be held.
    next: usize,
    /// The next bits, from the highest on.
    held: u32,
    count: u8,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8], at: usize) -> Bits<'a> {
        Bits {
            data,
            next: at,
            held: 0,
            count: 0,
        }
    }

    /// Holds 25 bits or more, or all up to the next marker.
    fn fill(&mut self) {
        while self.count <= 24 {
            let bytes = match self.data.get(self.next..).unwrap_or_default() {
                [0xff, 0, ..] => 2,
                [] | [0xff, ..] => return,
                _ => 1,
            };
            self.held |= u32::from(self.data[self.next]) << (24 - self.count);
            self.count += 8;
            self.next += bytes;
        }
    }

    /// Passes over up to 25 bits; None if there are not so many.
    fn skip(&mut self, count: u8) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        self.held <<= count;
        Some(())
    }

    /// Passes over a restart marker, and what is before it.
    fn restart(&mut self) -> Option<()> {
        (self.held, self.count) = (0, 0);
        loop {
            self.next += memchr(0xff, self.data.get(self.next..)?)?;
            match self.data.get(self.next + 1)? {
                RST0..=RST7 => break self.next += MARKER_BYTES,
                0 => self.next += MARKER_BYTES,
                0xff => self.next += 1,
                _ => return None,
            }
        }
        Some(())
    }

    /// Behind the last byte of which a bit was taken.
    fn end(&self) -> usize {
        (0..self.count / 8).fold(self.next, |end, _| {
            let stuffed = self.data[..end].ends_with(&[0xff, 0]);
            end - 1 - usize::from(stuffed)
        })
    }
}
