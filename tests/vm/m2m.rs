//! Raw pictures of vivid through the encoder device. An IDR picture of `vh264enc` is uncompressed, so what comes out can be
//! compared with what the camera gave.

use super::*;
use fmp4streamer::format::Codec;
use fmp4streamer::format::bits::{BitReader, unescape};
use fmp4streamer::format::h264::{nal, nal_units};
use fmp4streamer::format::raw::{self, Lines};
use fmp4streamer::source::chain::{self, Chain, Memory};
use fmp4streamer::sys::v4l2::{BufferKind, Format, Layout, Queue};

const ENCODER: &str = "/dev/video11";
const NV12: FourCc = FourCc(u32::from_le_bytes(*b"NV12"));
const YU12: FourCc = FourCc(u32::from_le_bytes(*b"YU12"));

/// Loads the encoder's driver anew, with these parameters; the defaults come back on drop.
struct Driver;

impl Driver {
    fn with(parameters: &[&str]) -> Driver {
        modprobe(&["-r", "vh264enc"]);
        modprobe(&[&["vh264enc"], parameters].concat());
        Driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        modprobe(&["-r", "vh264enc"]);
        modprobe(&["vh264enc"]);
    }
}

fn modprobe(arguments: &[&str]) {
    assert!(
        Command::new("modprobe")
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
}

/// A parameter that can be changed while the driver is loaded.
fn set(parameter: &str, value: u32) {
    let file = format!("/sys/module/vh264enc/parameters/{parameter}");
    fs::write(file, value.to_string()).unwrap();
}

/// A vivid device of one plane, or of several, that shows a picture without a motion: its squares are other ones in each
/// line and in each column.
fn still(index: usize, input: &str) -> PathBuf {
    let path = driven_by("vivid").swap_remove(index);
    v4l2_ctl(&path, &["-i", input]);
    v4l2_ctl(&path, &["-c", "osd_text_mode=2,test_pattern=6,show_square=1"]);
    path
}

fn wanted<'a>(path: &'a Path, (width, height): (u32, u32), input: FourCc) -> chain::Wanted<'a> {
    chain::Wanted {
        path,
        width,
        height,
        fps: 10,
        controls: &[],
        input,
        decoder: None,
        decoder_input: None,
        decoder_controls: &[],
        encoder: Path::new(ENCODER),
        encoder_input: None,
        encoder_controls: &[],
        camera_memory: Memory::Auto,
        decoder_memory: Memory::Auto,
    }
}

/// What came of polling.
#[derive(Default)]
struct Output {
    h264: Vec<(Vec<u8>, u64)>,
    jpeg: Vec<Vec<u8>>,
    /// How many access units had come at each gap.
    gaps: Vec<usize>,
}

/// Polls as the pump does until `done`: after a gap it asks for a key frame.
fn run(chain: &mut Chain, mut done: impl FnMut(&Output) -> bool) -> Result<Output, Error> {
    let (wake, _never) = UnixStream::pair().unwrap();
    let mut output = Output::default();
    let start = Instant::now();
    while !done(&output) {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{} units",
            output.h264.len()
        );
        let gaps = output.gaps.len();
        chain.poll(wake.as_fd(), Duration::from_secs(1), &mut |signal| match signal {
            Signal::Gap => output.gaps.push(output.h264.len()),
            Signal::Frame(frame) if frame.codec == Codec::H264 => {
                output.h264.push((frame.data.to_vec(), frame.captured_us));
            }
            Signal::Frame(frame) => output.jpeg.push(frame.data.to_vec()),
        })?;
        if output.gaps.len() > gaps {
            assert!(chain.force_key());
        }
    }
    Ok(output)
}

fn is_key(unit: &[u8]) -> bool {
    nal_units(unit).any(|unit| nal::unit_type(unit) == nal::IDR)
}

/// The picture of an access unit that is all I_PCM macroblocks (H.264, 7.3.5), as NV12 without padding.
fn pcm(unit: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let slice = nal_units(unit).find(|unit| nal::unit_type(unit) == nal::IDR);
    let rbsp = unescape(slice.expect("a key picture"));
    let mut bits = BitReader::new(&rbsp[1..]);
    for _ in ["first_mb_in_slice", "slice_type", "pic_parameter_set_id"] {
        bits.ue("").unwrap();
    }
    bits.u(8, "frame_num").unwrap();
    bits.ue("idr_pic_id").unwrap();
    bits.u(2, "dec_ref_pic_marking").unwrap();
    bits.ue("slice_qp_delta").unwrap();
    bits.ue("disable_deblocking_filter_idc").unwrap();
    let mut rest = &rbsp[1..];
    let mut skip = bits.position_bits();
    let mut picture = vec![0; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)];
    for row in 0..height.div_ceil(16) {
        for column in 0..width.div_ceil(16) {
            let mut bits = BitReader::new(rest);
            bits.u(skip as u32, "").unwrap();
            assert_eq!(bits.ue("mb_type").unwrap(), 25, "I_PCM");
            let (macroblock, after) = rest[bits.position_bits().div_ceil(8)..].split_at(384);
            (rest, skip) = (after, 0);
            for (at, &sample) in macroblock.iter().enumerate() {
                // 256 of luma, then 64 each of Cb and Cr.
                let (x, y, place, limit) = match at {
                    0..256 => (column * 16 + at % 16, row * 16 + at / 16, 0, (width, height)),
                    _ => {
                        let (at, plane) = ((at - 256) % 64, (at - 256) / 64);
                        let x = (column * 8 + at % 8) * 2 + plane;
                        (
                            x,
                            row * 8 + at / 8,
                            width * height,
                            (width.div_ceil(2) * 2, height.div_ceil(2)),
                        )
                    }
                };
                if x < limit.0 && y < limit.1 {
                    picture[place + y * limit.0 + x] = sample;
                }
            }
        }
    }
    picture
}

/// A picture of the camera as the encoder should show it: NV12 without padding, and no zeros, which I_PCM can't have.
fn captured(path: &Path, kind: BufferKind, (width, height): (u32, u32), fourcc: FourCc) -> Vec<u8> {
    let file = open_raw(path).unwrap();
    let format = Format {
        width,
        height,
        fourcc,
    };
    let layout = v4l2::set_layout(&file, kind, &Layout::new(format)).unwrap();
    assert_eq!(layout.format, format);
    let mut queue = Queue::new(file.into(), kind, 4).unwrap();
    queue.start().unwrap();
    let lent = eventually("a picture", || queue.dequeue().unwrap());
    let (w, h) = (width as usize, height as usize);
    let lines = |stride_bytes: u32| Lines {
        fourcc: fourcc.0.to_le_bytes(),
        stride_bytes: stride_bytes as usize,
        height: h,
    };
    let tight = lines(width.next_multiple_of(2));
    let mut picture = vec![0; tight.size_bytes().unwrap()];
    let from = lines(layout.stride_bytes);
    let whole = raw::copy((w, h), (lent.data(), from), (&mut picture, tight));
    assert!(whole, "{layout:?}: {} bytes", lent.data().len());
    if fourcc == YU12 {
        let (luma, chroma) = picture.split_at(w * h);
        let (cb, cr) = chroma.split_at(chroma.len() / 2);
        let pairs = cb.iter().zip(cr).flat_map(|(cb, cr)| [*cb, *cr]);
        picture = luma.iter().copied().chain(pairs).collect();
    }
    picture.iter().map(|sample| (*sample).max(1)).collect()
}

#[test]
fn a_key_picture_is_what_the_camera_gave() {
    let Some(_) = rig() else { return };
    // A webcam's sizes, and those of a scaler, with lines of any length; of one plane and of several.
    for (encoder, cameras) in [
        (1, [(0, BufferKind::Single), (1, BufferKind::Multi)]),
        (0, [(1, BufferKind::Multi), (0, BufferKind::Single)]),
    ] {
        let _driver = Driver::with(&[&format!("multiplanar={encoder}")]);
        for (index, kind) in cameras {
            for (input, sizes) in [
                ("0", &[(640, 360), (320, 180), (1920, 1080)][..]),
                // vivid itself is off where half a line of YU12 is odd.
                ("3", &[(644, 362), (322, 182), (650, 490)]),
            ] {
                let path = still(index, input);
                for &size in sizes {
                    for fourcc in [NV12, YU12] {
                        for memory in [Memory::Auto, Memory::Mmap] {
                            let slow = size.0 > 1000 && (memory == Memory::Auto) != (fourcc == NV12);
                            if slow || fourcc == YU12 && size.0 % 4 != 0 {
                                continue;
                            }
                            let words =
                                format!("{fourcc} {size:?} {memory:?} camera {index} encoder {encoder}");
                            let expected = captured(&path, kind, size, fourcc);
                            let wanted = chain::Wanted {
                                camera_memory: memory,
                                ..wanted(&path, size, fourcc)
                            };
                            let mut chain = chain::open(&wanted, &mut HashSet::new()).unwrap();
                            let got = run(&mut chain, |o| !o.h264.is_empty()).unwrap();
                            let key = pcm(&got.h264[0].0, (size.0 as usize, size.1 as usize));
                            let differs = key.iter().zip(&expected).position(|(a, b)| a != b);
                            assert_eq!((differs, key.len()), (None, expected.len()), "{words}");
                            println!("{words}: {}", chain.facts().chain);
                        }
                    }
                }
            }
        }
    }
}
