//! What cuts a command's output into pictures.

use crate::format::h264::assembler::Assembler;
use crate::format::h264::{Quiet, Sps, nal, nal_units};
use crate::format::{Chunk, Codec, jpeg};
use crate::sys::clock::monotonic_us;
use crate::sys::command::Packets;

/// What takes the pictures, each with its codec.
type Sink<'a> = dyn FnMut(Codec, Chunk<'_>) + 'a;
/// The same for one part, whose codec is known.
type PartSink<'a> = dyn FnMut(Chunk<'_>) + 'a;

/// Cuts the output into pictures: by one part for each codec, until a whole JPEG picture or H.264's parameter sets tell which
/// it is. Less would not tell: text may stand before the first picture, and start codes are in many JPEG pictures.
pub(super) struct Framer {
    h264: Option<Box<Assembler>>,
    jpeg: Option<Box<jpeg::Splitter>>,
    has_given: bool,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer {
            h264: Some(Box::default()),
            jpeg: Some(Box::default()),
            has_given: false,
        }
    }
}

impl Framer {
    pub fn spare_mut(&mut self) -> &mut [u8] {
        match (&mut self.h264, &mut self.jpeg) {
            (Some(assembler), _) => assembler.spare_mut(Packets::MIN_READ_BYTES),
            (None, Some(splitter)) => splitter.spare_mut(Packets::MIN_READ_BYTES),
            (None, None) => &mut [],
        }
    }

    /// Takes the bytes that were put at the beginning of [`Framer::spare_mut`].
    pub fn commit(&mut self, count: usize, ends_write: Option<bool>, sink: &mut Sink<'_>) {
        let now_us = monotonic_us();
        if let (Some(assembler), Some(splitter)) = (&mut self.h264, &mut self.jpeg) {
            let room = &assembler.spare_mut(count)[..count];
            splitter.spare_mut(count)[..count].copy_from_slice(room);
        }
        self.each(
            &mut |splitter, sink| splitter.commit(count, now_us, sink),
            &mut |assembler, sink| assembler.commit(count, ends_write, now_us, sink),
            sink,
        );
    }

    /// Notes that there is nothing more to read for now.
    pub fn empty(&mut self, sink: &mut Sink<'_>) {
        self.each(
            &mut |splitter, sink| splitter.empty(sink),
            &mut |assembler, _| assembler.empty(),
            sink,
        );
    }

    /// Hands out the picture that a quiet until now tells to be complete.
    pub fn close_quiet(&mut self, sink: &mut Sink<'_>) {
        let now_us = monotonic_us();
        self.each(
            // A picture's end is known at once.
            &mut |_, _| (),
            &mut |assembler, sink| assembler.close_quiet(now_us, sink),
            sink,
        );
    }

    /// Takes the end of the output, which may be in the middle of a picture if it was not `orderly`.
    pub fn finish(&mut self, orderly: bool, sink: &mut Sink<'_>) {
        self.each(
            &mut |splitter, sink| splitter.finish(sink),
            &mut |assembler, sink| assembler.finish(orderly, sink),
            sink,
        );
    }

    fn each(
        &mut self,
        jpeg: &mut dyn FnMut(&mut jpeg::Splitter, &mut PartSink<'_>),
        h264: &mut dyn FnMut(&mut Assembler, &mut PartSink<'_>),
        sink: &mut Sink<'_>,
    ) {
        let (mut is_jpeg, mut in_jpeg) = (false, false);
        if let Some(splitter) = &mut self.jpeg {
            jpeg(splitter, &mut |chunk| {
                is_jpeg |= matches!(chunk, Chunk::Unit { .. });
                sink(Codec::Jpeg, chunk);
            });
            in_jpeg = splitter.is_in_picture();
        }
        if is_jpeg {
            (self.h264, self.has_given) = (None, true);
        }
        let Some(assembler) = &mut self.h264 else { return };
        let mut is_h264 = false;
        h264(assembler, &mut |chunk| {
            if in_jpeg {
                return;
            }
            if let Chunk::Unit { data, .. } = chunk {
                self.has_given = true;
                is_h264 |= self.jpeg.is_some() && has_parameter_sets(data);
            }
            sink(Codec::H264, chunk);
        });
        if is_h264 {
            self.jpeg = None;
        }
    }

    /// True once a picture has come, or what may be one.
    pub fn has_given(&self) -> bool {
        self.has_given
    }

    /// The quiet that would tell that a picture is complete, if one would.
    pub fn quiet(&self) -> Option<Quiet> {
        self.h264.as_ref()?.quiet()
    }

    pub fn dropped_bytes(&self) -> u64 {
        let dropped = [
            self.h264.as_ref().map(|assembler| assembler.dropped_bytes()),
            self.jpeg.as_ref().map(|splitter| splitter.dropped_bytes()),
        ];
        dropped.into_iter().flatten().min().unwrap_or(0)
    }

    /// What was wrong with the last picture that was left out, where that is known.
    pub fn fault(&self) -> Option<&'static str> {
        self.jpeg.as_ref()?.fault()
    }

    pub fn closed_early(&self) -> u64 {
        self.h264.as_ref().map_or(0, |assembler| assembler.closed_early())
    }
}

fn has_parameter_sets(unit: &[u8]) -> bool {
    nal_units(unit).any(|unit| nal::unit_type(unit) == nal::SPS && Sps::parse(unit).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codecs of the units that come out of what a program writes at once.
    fn codecs(writes: &[&[u8]]) -> Vec<Codec> {
        let (mut framer, mut codecs) = (Framer::default(), Vec::new());
        for bytes in writes {
            framer.spare_mut()[..bytes.len()].copy_from_slice(bytes);
            framer.commit(bytes.len(), None, &mut |codec, chunk| {
                codecs.extend(matches!(chunk, Chunk::Unit { .. }).then_some(codec));
            });
        }
        codecs
    }

    #[test]
    fn jpeg_that_holds_start_codes_is_jpeg() {
        let picture = include_bytes!("../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
        let (head, rest) = picture.split_at(picture.len() - 60);
        // Slices and parameter sets, as they are in the data of flat pictures.
        let codes = [0, 0, 1, 0x65, 0x88, 1, 0, 0, 1, 0x67, 0xb9, 0xfc].repeat(9);
        let picture = [head, &codes, rest].concat();
        for middle in [300, head.len() + 40, picture.len() - 1] {
            let (one, two) = picture.split_at(middle);
            assert_eq!(codecs(&[one, two, &picture]), [Codec::Jpeg; 2], "{middle}");
        }
        // From the middle of one on: what was taken for H.264 before is no proof.
        let joined = codecs(&[&picture[head.len()..], &picture, &picture]);
        assert!(joined.ends_with(&[Codec::Jpeg; 2]), "{joined:?}");
    }

    #[test]
    fn h264_behind_text_and_without_parameter_sets_is_h264() {
        let fixture: &[u8] = include_bytes!("../../../tests/fixtures/x264/x264_two_slices.h264");
        let all = codecs(&[fixture]).len();
        assert!(all > 0);
        assert_eq!(
            codecs(&[b"Setting pipeline to PAUSED ...\n", fixture]),
            vec![Codec::H264; all]
        );
        let slices = [0, 0, 0, 1, 0x41, 0x9a, 5, 5, 5].repeat(4);
        assert_eq!(codecs(&[&slices]), [Codec::H264; 3]);
    }
}
