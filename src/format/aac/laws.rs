//! Laws that hold for any sound, as functions that panic where one is broken: for tests and fuzz targets.

use super::books::{Code, STARTS, codes};
use super::encoder::{Encoder, FRAME};
use super::rates::{RATES, rate};
use super::shape::Sequence;
use crate::format::bits::{BitReader, SyntaxError};

/// What a frame tells of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    /// window_sequence.
    pub sequence: u32,
    /// The lines that are not 0, of all channels.
    pub lines: u32,
}

/// Reads a raw_data_block of one element as the standard has it. Panics where the syntax is broken.
///
/// # Errors
/// The frame ends too early.
pub fn read(frame: &[u8], hz: u32) -> Result<Content, SyntaxError> {
    let reader = &mut BitReader::new(frame);
    let codes = codes();
    let element = reader.u(3, "id_syn_ele")?;
    assert!(element < 2, "ID_SCE or ID_CPE");
    assert_eq!(reader.u(4, "element_instance_tag")?, 0);
    let mut info = None;
    if element == 1 {
        assert!(reader.flag("common_window")?);
        info = Some(Info::read(reader, hz)?);
        assert_ne!(reader.u(2, "ms_mask_present")? % 2, 1, "all bands or none");
    }
    let mut content = Content {
        sequence: 0,
        lines: 0,
    };
    for _ in 0..=element {
        let global_gain = reader.u(8, "global_gain")?;
        let own = match &info {
            Some(info) => info.clone(),
            None => Info::read(reader, hz)?,
        };
        content.sequence = own.sequence;
        content.lines += own.channel(reader, &codes, global_gain as i32)?;
    }
    assert_eq!(reader.u(3, "id_syn_ele")?, 7, "ID_END");
    let padding = frame.len() * 8 - reader.position_bits();
    assert!(padding < 8, "{padding} bits are left");
    assert_eq!(reader.u(padding as u32, "byte_alignment")?, 0);
    Ok(content)
}

/// ics_info.
#[derive(Clone)]
struct Info {
    sequence: u32,
    /// The widths of the bands of each group.
    groups: Vec<Vec<u32>>,
}

impl Info {
    fn read(reader: &mut BitReader<'_>, hz: u32) -> Result<Info, SyntaxError> {
        let rate = rate(hz).unwrap_or(&RATES[0]);
        assert_eq!(reader.u(1, "ics_reserved_bit")?, 0);
        let sequence = reader.u(2, "window_sequence")?;
        assert_eq!(reader.u(1, "window_shape")?, 0);
        let short = sequence == Sequence::EightShort as u32;
        let widths = if short { rate.short } else { rate.long };
        let max_sfb = reader.u(if short { 4 } else { 6 }, "max_sfb")? as usize;
        assert!(max_sfb <= widths.len());
        let mut lengths = vec![1];
        for _ in 0..if short { 7 } else { 0 } {
            match reader.flag("scale_factor_grouping")? {
                true => *lengths.last_mut().unwrap_or(&mut 0) += 1,
                false => lengths.push(1),
            }
        }
        if !short {
            assert!(!reader.flag("predictor_data_present")?);
        }
        let group = |windows: u32| {
            widths[..max_sfb]
                .iter()
                .map(|&width| u32::from(width) * windows)
                .collect()
        };
        let groups = lengths.into_iter().map(group).collect();
        Ok(Info { sequence, groups })
    }

    /// The rest of individual_channel_stream, and how many lines are not 0.
    fn channel(
        &self,
        reader: &mut BitReader<'_>,
        codes: &[Code],
        global_gain: i32,
    ) -> Result<u32, SyntaxError> {
        let length_bits = if self.groups.len() > 1 || self.sequence == 2 {
            3
        } else {
            5
        };
        let full = (1 << length_bits) - 1;
        let mut bands = Vec::new();
        for group in &self.groups {
            let mut rest = &group[..];
            while !rest.is_empty() {
                let book = reader.u(4, "sect_cb")? as usize;
                assert!(book <= 11);
                let mut length = 0;
                loop {
                    let more = reader.u(length_bits, "sect_len_incr")?;
                    length += more as usize;
                    if more < full {
                        break;
                    }
                }
                assert!(0 < length && length <= rest.len());
                bands.extend(rest[..length].iter().map(|&width| (book, width)));
                rest = &rest[length..];
            }
        }
        let mut scalefactor = global_gain;
        for _ in bands.iter().filter(|band| band.0 > 0) {
            scalefactor += symbol(reader, codes, 12)? as i32 - 60;
            assert!((0..256).contains(&scalefactor));
        }
        assert_eq!(reader.u(3, "pulse, tns and gain_control_data_present")?, 0);
        let mut lines = 0;
        for (book, width) in bands.into_iter().filter(|band| band.0 > 0) {
            let (size, values, zero) =
                [(4, 3, 1), (4, 3, 0), (2, 9, 4), (2, 8, 0), (2, 13, 0), (2, 17, 0)][(book - 1) / 2];
            for _ in 0..width / size {
                let mut symbol = symbol(reader, codes, book)?;
                let mut escapes = 0;
                for _ in 0..size {
                    let value = symbol % values;
                    symbol /= values;
                    if value != zero {
                        lines += 1;
                        if zero == 0 {
                            reader.flag("sign")?;
                        }
                    }
                    escapes += u32::from(values == 17 && value == 16);
                }
                for _ in 0..escapes {
                    let mut bits = 4;
                    while reader.flag("escape_prefix")? {
                        bits += 1;
                    }
                    assert!(bits <= 12, "a line of at most 8191");
                    reader.u(bits, "escape_word")?;
                }
            }
        }
        Ok(lines)
    }
}

/// The next symbol of a book.
fn symbol(reader: &mut BitReader<'_>, codes: &[Code], book: usize) -> Result<u32, SyntaxError> {
    let start = STARTS[book - 1];
    let end = STARTS.get(book).copied().unwrap_or(codes.len());
    let (mut bits, mut length) = (0, 0);
    loop {
        bits = bits << 1 | reader.u(1, "hcod")?;
        length += 1;
        let found = codes[start..end]
            .iter()
            .position(|code| code.length() == length && code.bits() == bits);
        if let Some(symbol) = found {
            return Ok(symbol as u32);
        }
    }
}

/// Any sound gives frames that can be read, none of which is longer than the standard allows or the bit rate affords.
pub fn aac(data: &[u8]) {
    let Some((&[first, second], sound)) = data.split_first_chunk() else {
        return;
    };
    let hz = RATES[usize::from(first) % RATES.len()].hz;
    let channels = 1 + (first >> 7);
    let bit_rate = 32_000 + u32::from(second) * 500;
    let pcm: Vec<i16> = sound
        .chunks_exact(2)
        .map(|two| i16::from_le_bytes([two[0], two[1]]))
        .collect();
    // 159,500 bit/s at the most
    let Some(mut encoder) = Encoder::new(hz, channels, bit_rate) else {
        unreachable!("{hz} Hz, {channels} channels, {bit_rate} bit/s");
    };
    let average = u64::from(bit_rate) * FRAME as u64 / u64::from(hz);
    let mut total = 0;
    let mut last = Sequence::OnlyLong as u32;
    // The sound, and silence until all of it is out.
    let silence: &[i16] = &[];
    let blocks = pcm.chunks(FRAME * usize::from(channels)).take(8);
    for (i, block) in blocks.chain([silence; 2]).enumerate() {
        let mut frame = vec![0xaa];
        encoder.encode(block, &mut frame);
        assert_eq!(frame.remove(0), 0xaa, "what is there stays");
        total += frame.len() as u64 * 8;
        assert!(frame.len() <= 768 * usize::from(channels));
        assert!(total <= average * (i as u64 + 1) + 8, "frame {i}: {total}");
        let content = read(&frame, hz);
        assert!(content.is_ok(), "frame {i}: {content:?}");
        let sequence = content.map_or(0, |content| content.sequence);
        // A short slope follows a short slope.
        let fits = matches!((last, sequence), (0 | 3, 0 | 1) | (1 | 2, 2 | 3));
        assert!(fits, "{last} and {sequence}");
        last = sequence;
    }
}
