//! What an HDMI input tells its source of itself: a display's EDID (VESA E-EDID 1.3, CTA-861).

use crate::config::{Camera, Edid};
use crate::sys::v4l2;
use crate::sys::{self, Errno};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a block; the last one makes their sum a multiple of 256.
const BLOCK: usize = 128;
/// The first bytes of every EDID.
const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
/// As text, the most blocks that there can be have less.
const FILE_BYTES_MAX: u64 = 256 * BLOCK as u64 * 8;

/// The first block of our own, without its last byte.
#[rustfmt::skip]
const BASE: [u8; BLOCK - 1] = [
    0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
    0x31, 0xd8, 0, 0, 0, 0, 0, 0, 0, 36, // maker "LNX", no product or serial number, made in 1990 + 36
    1, 3, 0x80, 80, 45, 0x78, 0x0e, // EDID 1.3; digital, 80 x 45 cm, gamma 2.2; sRGB, the first timing is preferred
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, // the colours of sRGB
    0x20, 0, 0, // 640x480 at 60, and no other established or standard timings
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    // 1920x1080 at 30: 74.25 MHz is what two lanes of CSI-2 carry as RGB, and what a Raspberry Pi encodes
    0x01, 0x1d, 0x80, 0x18, 0x71, 0x38, 0x2d, 0x40, 0x58, 0x2c, 0x45, 0, 0x20, 0xc2, 0x31, 0, 0, 0x1e,
    // 1280x720 at 60
    0x01, 0x1d, 0x00, 0x72, 0x51, 0xd0, 0x1e, 0x20, 0x6e, 0x28, 0x55, 0, 0x20, 0xc2, 0x31, 0, 0, 0x1e,
    0, 0, 0, 0xfc, 0, b'f', b'm', b'p', b'4', b's', b't', b'r', b'e', b'a', b'm', b'e', b'r', b'\n',
    0, 0, 0, 0xfd, 0, 23, 61, 15, 46, 8, 0, b'\n', b' ', b' ', b' ', b' ', b' ', b' ', // 23 to 61 Hz, 15 to 46 kHz, 80 MHz
    1, // block follows
];

/// The second block, up to where it is empty: CTA-861, with RGB and without sound.
#[rustfmt::skip]
const EXTENSION: [u8; 24] = [
    2, 3, 24, 0x81, // nothing is cut off at the edges; the first timing above is the native one
    // Video: 1080p30, 1080p25, 1080p24, 720p60, 720p50, 576p50, 480p60, 640x480p60
    0x4a, 34, 33, 32, 4, 19, 18, 17, 3, 2, 1,
    // HDMI, at the physical address 1.0.0.0
    0x65, 0x03, 0x0c, 0x00, 0x10, 0x00,
    // Either range of RGB may be chosen; all of the picture is wanted, of films and of computers
    0xe2, 0, 0x4a,
];

fn builtin() -> Vec<u8> {
    let mut edid = vec![0; 2 * BLOCK];
    for (block, bytes) in edid.chunks_exact_mut(BLOCK).zip([&BASE[..], &EXTENSION[..]]) {
        block[..bytes.len()].copy_from_slice(bytes);
        block[BLOCK - 1] = sum(block).wrapping_neg();
    }
    edid
}

fn sum(block: &[u8]) -> u8 {
    block.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// The EDID in a file's bytes, which are its own, or hexadecimal text; None if there is none.
fn parse(bytes: &[u8]) -> Option<Vec<u8>> {
    let edid = match bytes.starts_with(&HEADER) {
        true => bytes.to_vec(),
        false => from_text(std::str::from_utf8(bytes).ok()?)?,
    };
    let good = edid.starts_with(&HEADER) && edid.len() % BLOCK == 0;
    let mut blocks = edid.chunks_exact(BLOCK);
    (good && blocks.all(|block| sum(block) == 0)).then_some(edid)
}

/// The bytes of words such as `00FF` and `0x00,`.
fn from_text(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
        let word = word.strip_prefix("0x").unwrap_or(word);
        for pair in word.as_bytes().chunks(2) {
            let &[high, low] = pair else { return None };
            let digit = |c: u8| char::from(c).to_digit(16);
            bytes.push((digit(high)? << 4 | digit(low)?) as u8);
        }
    }
    Some(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
        let hint = match errno {
            Errno::EACCES => {
                " (a running program reads no files in folders that it did not know at its start)"
            }
            _ => "",
        };
        format!("{} can't be read: {}{hint}", path.display(), sys::words(errno))
    })?;
    parse(&bytes).ok_or_else(|| {
        format!(
            "{} is no EDID: blocks of 128 bytes with right sums, as they are or as hexadecimal text",
            path.display()
        )
    })
}

/// What is wrong with the file of an EDID that a camera's section names; None if it names none, or a good one.
pub fn bad_edid(camera: &Camera) -> Option<String> {
    camera.source.edid_file().and_then(|file| read(file).err())
}

/// Has the input tell its source this, unless it does already: it looks unplugged to the source for a moment.
///
/// # Errors
/// The reason why it does not, in words.
pub(super) fn tell(file: &File, input: u32, edid: &Edid) -> Result<(), String> {
    let wanted = match edid {
        Edid::Builtin => builtin(),
        Edid::File(path) => read(path)?,
    };
    if v4l2::get_edid(file, input).is_ok_and(|is| is == wanted) {
        return Ok(());
    }
    v4l2::set_edid(file, input, &wanted).map_err(|errno| match errno {
        Errno::ENOTTY => "this device has none to set".to_owned(),
        Errno::E2BIG => "this device has no room for so many blocks".to_owned(),
        errno => format!("it can't be set: {}", sys::words(errno)),
    })
}

/// True if the input can tell its source what it takes, and tells nothing.
pub(super) fn is_untold(file: &File, input: u32) -> bool {
    match v4l2::get_edid(file, input) {
        Ok(edid) => edid.is_empty(),
        Err(errno) => errno == Errno::ENODATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_one_is_whole() {
        let edid = builtin();
        assert_eq!(edid.len(), 256);
        assert_eq!(parse(&edid), Some(edid.clone()));
        // The sums, as edid-decode knows them.
        assert_eq!([edid[127], edid[255]], [0xdc, 0xc5]);
    }

    #[test]
    fn a_file_is_bytes_or_text() {
        let edid = builtin();
        let lines = |between: &str, before: &str| -> Vec<u8> {
            let line = |bytes: &[u8]| {
                let words = bytes.iter().map(|byte| format!("{before}{byte:02X}"));
                words.collect::<Vec<_>>().join(between) + "\n"
            };
            edid.chunks(16).map(line).collect::<String>().into_bytes()
        };
        for text in [lines("", ""), lines(" ", ""), lines(", ", "0x"), edid.clone()] {
            assert_eq!(parse(&text).as_ref(), Some(&edid));
        }
        let mut spoilt = edid.clone();
        spoilt[60] ^= 1;
        for bad in [
            &b""[..],
            b"\n",
            b"00ffffffffffff00",
            b"0",
            b"1080p",
            &spoilt,
            &edid[..200],
        ] {
            assert_eq!(parse(bad), None);
        }
    }
}
