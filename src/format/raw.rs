//! Raw pictures in memory, by the kernel's names of their formats (Linux Media Userspace API, part I, "Image Formats"):
//! where their lines are, and copies from one layout into another.

/// One of the planes that follow each other in a piece of memory.
struct Plane {
    /// So many bytes ...
    bytes: usize,
    /// ... for so many pixels of a line.
    pixels: usize,
    /// Its lines are as far apart as those of the first plane, divided by this.
    stride_divisor: usize,
    /// It has as many lines as the first one, divided by this.
    line_divisor: usize,
}

const fn plane(bytes: usize, pixels: usize, stride_divisor: usize, line_divisor: usize) -> Plane {
    Plane {
        bytes,
        pixels,
        stride_divisor,
        line_divisor,
    }
}

const LUMA: Plane = plane(1, 1, 1, 1);
const NV12: &[Plane] = &[LUMA, plane(2, 2, 1, 2)];
const NV16: &[Plane] = &[LUMA, plane(2, 2, 1, 1)];
const YU12: &[Plane] = &[LUMA, plane(1, 2, 2, 2), plane(1, 2, 2, 2)];
const YUV422P: &[Plane] = &[LUMA, plane(1, 2, 2, 1), plane(1, 2, 2, 1)];
const YUYV: &[Plane] = &[plane(4, 2, 1, 1)];
const BYTES_2: &[Plane] = &[plane(2, 1, 1, 1)];
const BYTES_3: &[Plane] = &[plane(3, 1, 1, 1)];
const BYTES_4: &[Plane] = &[plane(4, 1, 1, 1)];

fn planes(fourcc: [u8; 4]) -> Option<&'static [Plane]> {
    Some(match &fourcc {
        b"NV12" | b"NV21" => NV12,
        b"NV16" | b"NV61" => NV16,
        b"YU12" | b"YV12" => YU12,
        b"422P" => YUV422P,
        b"YUYV" | b"UYVY" | b"YVYU" | b"VYUY" => YUYV,
        b"GREY" => &[LUMA],
        b"RGBP" => BYTES_2,
        b"RGB3" | b"BGR3" => BYTES_3,
        b"RGB4" | b"BGR4" | b"XR24" | b"XB24" | b"BX24" | b"RX24" | b"AR24" | b"AB24" => BYTES_4,
        _ => return None,
    })
}

/// True if this module knows the format, so that pictures of it can be copied.
pub fn is_known(fourcc: [u8; 4]) -> bool {
    planes(fourcc).is_some()
}

/// The layout of a format's pictures in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// The format's four letters.
    pub fourcc: [u8; 4],
    /// From one line of the first plane to the next.
    pub stride_bytes: usize,
    /// Lines of the first plane, with those below the picture.
    pub height: usize,
}

impl Lines {
    /// The least bytes that hold a picture; None for a format that is not known, or one too large for this machine.
    pub fn size_bytes(&self) -> Option<usize> {
        let sizes = planes(self.fourcc)?.iter().map(|plane| self.plane_bytes(plane));
        sizes.sum()
    }

    fn plane_bytes(&self, plane: &Plane) -> Option<usize> {
        let lines = self.height.div_ceil(plane.line_divisor);
        (self.stride_bytes / plane.stride_divisor).checked_mul(lines)
    }
}

/// Copies a picture of these pixels line by line from one layout into another of the same format; what lies beside it
/// stays as it was. False: the format is not known, or the picture is not all there or does not fit.
pub fn copy(
    (width, height): (usize, usize),
    (from, of): (&[u8], Lines),
    (to, at): (&mut [u8], Lines),
) -> bool {
    let Some(planes) = planes(of.fourcc).filter(|_| of.fourcc == at.fourcc) else {
        return false;
    };
    if height > of.height || height > at.height {
        return false;
    }
    let (mut read, mut write) = (0, 0);
    for plane in planes {
        let (of_bytes, at_bytes) = (of.plane_bytes(plane), at.plane_bytes(plane));
        let (Some(of_bytes), Some(at_bytes)) = (of_bytes, at_bytes) else {
            return false;
        };
        let (Some(source), Some(target)) = (
            from.get(read..).and_then(|rest| rest.get(..of_bytes)),
            to.get_mut(write..).and_then(|rest| rest.get_mut(..at_bytes)),
        ) else {
            return false;
        };
        let (of_stride, at_stride) = (
            of.stride_bytes / plane.stride_divisor,
            at.stride_bytes / plane.stride_divisor,
        );
        let line_bytes = width.div_ceil(plane.pixels) * plane.bytes;
        if line_bytes == 0 || line_bytes > of_stride || line_bytes > at_stride {
            return false;
        }
        let lines = height.div_ceil(plane.line_divisor);
        let pairs = target.chunks_mut(at_stride).zip(source.chunks(of_stride));
        for (target, source) in pairs.take(lines) {
            if let (Some(target), Some(source)) = (target.get_mut(..line_bytes), source.get(..line_bytes)) {
                target.copy_from_slice(source);
            }
        }
        (read, write) = (read + of_bytes, write + at_bytes);
    }
    true
}

/// [`luma`] takes so many samples of a line, and so many lines: of 640x480, one of 64.
pub const GRID: (usize, usize) = (80, 60);

/// Takes samples of a picture's luma, all over it and line by line; false: they are not all there, or the format is not one whose luma is
/// found so.
pub fn luma((width, height): (usize, usize), (bytes, of): (&[u8], Lines), samples: &mut Vec<u8>) -> bool {
    let (columns, rows) = GRID;
    let (first, step) = match &of.fourcc {
        b"YUYV" | b"YVYU" => (0, 2),
        b"UYVY" | b"VYUY" => (1, 2),
        b"NV12" | b"NV21" | b"NV16" | b"NV61" | b"YU12" | b"YV12" | b"422P" | b"GREY" => (0, 1),
        _ => return false,
    };
    if of.size_bytes().is_none_or(|size_bytes| size_bytes > bytes.len()) {
        return false;
    }
    samples.clear();
    // Once, and not for each line: a Raspberry Pi Zero can't divide.
    let at: [usize; GRID.0] =
        std::array::from_fn(|column| first + (2 * column + 1) * width / (2 * columns) * step);
    for row in 0..rows {
        let y = (2 * row + 1) * height / (2 * rows);
        for at in at {
            let Some(sample) = bytes.get(y * of.stride_bytes + at) else {
                return false;
            };
            samples.push(*sample);
        }
    }
    true
}

/// Laws that hold for any bytes, as functions that panic where one does not; for tests and fuzz targets.
pub mod laws {
    use super::{Lines, copy};

    const FORMATS: [&[u8; 4]; 6] = [b"NV12", b"YU12", b"422P", b"YUYV", b"RGB3", b"BA81"];

    /// Whatever the layouts, what can be copied from one into the other can be copied back, to where it was.
    pub fn raw(data: &[u8]) {
        let Some((&[format, width, height, stride, lines, other_stride, other_lines], bytes)) =
            data.split_first_chunk()
        else {
            return;
        };
        let size = (usize::from(width), usize::from(height));
        let layout = |stride: u8, height: u8| Lines {
            fourcc: *FORMATS[usize::from(format) % FORMATS.len()],
            stride_bytes: stride.into(),
            height: height.into(),
        };
        let (of, at) = (layout(stride, lines), layout(other_stride, other_lines));
        let mut there = vec![0; at.size_bytes().unwrap_or(100)];
        if copy(size, (bytes, of), (&mut there, at)) {
            let mut back = vec![0; bytes.len()];
            assert!(copy(size, (&there, at), (&mut back, of)));
            assert!(back.iter().zip(bytes).all(|(new, old)| new == old || *new == 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fourcc: &[u8; 4], stride_bytes: usize, height: usize) -> Lines {
        Lines {
            fourcc: *fourcc,
            stride_bytes,
            height,
        }
    }

    #[test]
    fn a_picture_has_so_many_bytes() {
        for (fourcc, stride, bytes) in [
            (b"NV12", 640, 640 * 480 * 3 / 2),
            (b"YU12", 640, 640 * 480 * 3 / 2),
            (b"NV16", 640, 640 * 480 * 2),
            (b"422P", 640, 640 * 480 * 2),
            (b"YUYV", 1280, 1280 * 480),
            (b"RGB3", 1920, 1920 * 480),
            (b"GREY", 640, 640 * 480),
        ] {
            assert_eq!(lines(fourcc, stride, 480).size_bytes(), Some(bytes));
        }
        // Of an odd number of lines there is half a pair of chroma lines more.
        assert_eq!(lines(b"NV12", 4, 3).size_bytes(), Some(12 + 8));
        assert_eq!(lines(b"pBAA", 640, 480).size_bytes(), None);
        assert_eq!(lines(b"NV12", usize::MAX, 2).size_bytes(), None);
    }

    /// A picture whose every byte says where it is, with `padding` in between.
    fn picture(width: usize, height: usize, of: Lines, padding: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, plane) in planes(of.fourcc).unwrap().iter().enumerate() {
            let line = width.div_ceil(plane.pixels) * plane.bytes;
            for y in 0..of.height.div_ceil(plane.line_divisor) {
                for x in 0..of.stride_bytes / plane.stride_divisor {
                    let inside = x < line && y < height.div_ceil(plane.line_divisor);
                    let place = (number * 100 + y * 31 + x * 7) as u8;
                    bytes.push(if inside { place } else { padding });
                }
            }
        }
        bytes
    }

    #[test]
    fn lines_come_to_their_places() {
        for fourcc in [
            b"NV12", b"NV16", b"YU12", b"422P", b"YUYV", b"RGBP", b"RGB3", b"XR24", b"GREY",
        ] {
            // Odd sizes; 16-line heights; each of the two strides the longer one; the same.
            for (width, height) in [(6, 4), (5, 3), (7, 5)] {
                for (of_stride, of_height, at_stride, at_height) in
                    [(28, height, 64, height), (32, 16, 28, height), (40, 16, 40, 8)]
                {
                    let (of, at) = (
                        lines(fourcc, of_stride, of_height),
                        lines(fourcc, at_stride, at_height),
                    );
                    let from = picture(width, height, of, 0xaa);
                    assert_eq!(Some(from.len()), of.size_bytes());
                    let mut to = vec![0xbb; at.size_bytes().unwrap()];
                    assert!(copy((width, height), (&from, of), (&mut to, at)), "{fourcc:?}");
                    assert!(
                        to == picture(width, height, at, 0xbb),
                        "{fourcc:?} {width}x{height}"
                    );
                }
            }
        }
    }

    #[test]
    fn luma_is_found_in_each_format() {
        for (fourcc, first, step) in [
            (b"NV12", 0, 1),
            (b"YU12", 0, 1),
            (b"422P", 0, 1),
            (b"GREY", 0, 1),
            (b"YUYV", 0, 2),
            (b"UYVY", 1, 2),
        ] {
            let of = lines(fourcc, 400, 125);
            let bytes: Vec<u8> = (0..of.size_bytes().unwrap())
                .map(|n| (n + n / 251) as u8)
                .collect();
            let mut samples = vec![9];
            assert!(luma((160, 120), (&bytes, of), &mut samples));
            let expected: Vec<u8> = (0..GRID.1)
                .flat_map(|row| (0..GRID.0).map(move |column| (2 * column + 1, 2 * row + 1)))
                .map(|(x, y)| bytes[400 * y + first + x * step])
                .collect();
            assert_eq!(samples, expected, "{fourcc:?}");
            let cut = &bytes[..400 * 119];
            assert!(!luma((160, 120), (cut, of), &mut samples), "not all there");
        }
        let rgb = lines(b"RGB3", 480, 120);
        assert!(!luma((160, 120), (&[0; 480 * 120], rgb), &mut Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_not_copied() {
        let (of, at) = (lines(b"NV12", 8, 4), lines(b"NV12", 16, 4));
        let from = picture(8, 4, of, 0);
        let mut to = vec![0; at.size_bytes().unwrap()];
        assert!(copy((8, 4), (&from, of), (&mut to, at)));
        assert!(!copy((8, 4), (&from[1..], of), (&mut to, at)), "not all there");
        assert!(!copy((8, 4), (&from, of), (&mut to[1..], at)), "no room");
        assert!(!copy((9, 4), (&from, of), (&mut to, at)), "too wide");
        assert!(!copy((8, 5), (&from, of), (&mut to, at)), "too high");
        assert!(!copy((8, 4), (&from, of), (&mut to, lines(b"NV21", 16, 4))));
        let bayer = lines(b"BA81", 8, 4);
        assert!(!copy((8, 4), (&from, bayer), (&mut to, bayer)));
    }
}
