//! Raw pictures of vivid through the encoder device. An IDR picture of `vh264enc` is uncompressed, so what comes out can be
//! compared with what the camera gave.

use super::support::Dir;
use super::*;
use fmp4streamer::format::Codec;
use fmp4streamer::format::bits::{BitReader, unescape};
use fmp4streamer::format::h264::{nal, nal_units};
use fmp4streamer::format::raw::{self, Lines};
use fmp4streamer::motion::Motion;
use fmp4streamer::source::chain::{self, Chain, Transfer};
use fmp4streamer::sys::v4l2::{BufferKind, Format, Layout, Queue};

pub const ENCODER: &str = "/dev/video11";
const NV12: FourCc = FourCc::of(b"NV12");
const YU12: FourCc = FourCc::of(b"YU12");
const YUYV: FourCc = FourCc::of(b"YUYV");

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

/// A parameter that is set for a time.
pub struct Fault(&'static str);

impl Fault {
    pub fn new(parameter: &'static str, value: u32) -> Fault {
        let fault = Fault(parameter);
        fault.set(value);
        fault
    }

    fn set(&self, value: u32) {
        let file = format!("/sys/module/vh264enc/parameters/{}", self.0);
        fs::write(file, value.to_string()).unwrap();
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A vivid device of one plane, or of several, that shows a picture without a motion: its squares are other ones in each
/// line and in each column.
pub fn still(index: usize, input: &str) -> PathBuf {
    let path = driven_by("vivid").swap_remove(index);
    v4l2_ctl(&path, &["-i", input]);
    v4l2_ctl(&path, &["-c", "osd_text_mode=2,test_pattern=6,show_square=1"]);
    path
}

fn wanted<'a>(path: &'a Path, (width, height): (u32, u32), input: FourCc) -> chain::ChainConfig<'a> {
    chain::ChainConfig {
        camera: CaptureConfig {
            path,
            width,
            height,
            fps: 10,
            format: input,
            muxed: false,
            controls: &[],
            input: &PRESENT_INPUT,
        },
        decoder: None,
        decoder_input: None,
        decoder_controls: &[],
        encoder: Path::new(ENCODER),
        encoder_input: None,
        encoder_controls: &[],
        motion: false,
        camera_transfer: Transfer::Auto,
        decoder_transfer: Transfer::Auto,
    }
}

/// What came of polling.
#[derive(Default)]
struct Output {
    h264: Vec<(Vec<u8>, u64)>,
    jpeg: Vec<Vec<u8>>,
    /// Samples of raw pictures.
    looks: Vec<(Vec<u8>, u64)>,
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
            Signal::Raw { captured_us, samples } => output.looks.push((samples.to_vec(), captured_us)),
            Signal::Gap | Signal::Sound { .. } | Signal::Motion { .. } => output.gaps.push(output.h264.len()),
            Signal::Frame(frame) if frame.codec == Codec::H264 => {
                output.h264.push((frame.data.to_vec(), frame.captured_us));
            }
            Signal::Frame(frame) => output.jpeg.push(frame.data.to_vec()),
        })?;
        if output.gaps.len() > gaps {
            chain.request_key_frame();
        }
    }
    Ok(output)
}

/// Checks the samples of the first raw picture, which was this one; here it is NV12 without padding.
fn check_samples(output: &Output, picture: &[u8], (width, height): (usize, usize)) {
    let lines = Lines {
        fourcc: *b"NV12",
        stride_bytes: width,
        height,
    };
    let mut expected = Vec::new();
    assert!(raw::luma((width, height), (picture, lines), &mut expected));
    // An I_PCM macroblock has no sample that is 0.
    let samples: Vec<u8> = output.looks[0].0.iter().map(|sample| (*sample).max(1)).collect();
    assert!(
        samples == expected,
        "other samples than those of a {width}x{height} picture"
    );
    let in_time = |pair: &[(Vec<u8>, u64)]| pair[0].1 + 190_000 <= pair[1].1;
    assert!(output.looks.windows(2).all(in_time));
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
    let pixel_bytes = if fourcc == YUYV { 2 } else { 1 };
    let tight = lines(width * pixel_bytes);
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
    if fourcc == YUYV {
        // Of two lines, the colours of the first one.
        let luma = picture.iter().step_by(2).copied();
        let colours = picture
            .chunks(2 * w)
            .step_by(2)
            .flat_map(|line| line.iter().skip(1).step_by(2));
        picture = luma.chain(colours.copied()).collect();
    }
    picture.iter().map(|sample| (*sample).max(1)).collect()
}

#[test]
fn a_key_picture_is_what_the_camera_gave() {
    let Some(_) = rig() else { return };
    // A webcam's sizes, and those of a scaler, with lines of any length; of one plane and of several.
    for (encoder, cameras) in [
        (
            ["multiplanar=1", "stride_align=32", "height_align=2"],
            [(0, BufferKind::Single), (1, BufferKind::Multi)],
        ),
        (
            ["multiplanar=0", "stride_align=128", "height_align=16"],
            [(1, BufferKind::Multi), (0, BufferKind::Single)],
        ),
    ] {
        let _driver = Driver::with(&encoder);
        for (index, kind) in cameras {
            for (input, sizes) in [
                ("0", &[(640, 360), (320, 180), (1920, 1080)][..]),
                // vivid itself is off where half a line of YU12 is odd.
                ("3", &[(644, 362), (322, 182), (650, 490)]),
            ] {
                let path = still(index, input);
                for &size in sizes {
                    for fourcc in [NV12, YU12] {
                        for transfer in [Transfer::Auto, Transfer::Copy] {
                            let all = size == (640, 360) || (transfer == Transfer::Auto) == (fourcc == NV12);
                            if !all || fourcc == YU12 && size.0 % 4 != 0 {
                                continue;
                            }
                            let words = format!("{fourcc} {size:?} {transfer:?} camera {index} {encoder:?}");
                            let expected = captured(&path, kind, size, fourcc);
                            let wanted = chain::ChainConfig {
                                camera_transfer: transfer,
                                motion: true,
                                ..wanted(&path, size, fourcc)
                            };
                            let mut chain = chain::open(&wanted, &mut Vec::new()).unwrap();
                            let got = run(&mut chain, |o| !o.h264.is_empty()).unwrap();
                            let key = pcm(&got.h264[0].0, (size.0 as usize, size.1 as usize));
                            let differs = key.iter().zip(&expected).position(|(a, b)| a != b);
                            assert_eq!((differs, key.len()), (None, expected.len()), "{words}");
                            check_samples(&got, &key, small(size));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn pictures_are_in_the_encoders_memory_where_they_fit() {
    let Some(_) = rig() else { return };
    let path = still(0, "3");
    // Lines of 640 bytes are as the encoder wants them; those of 644 are not.
    for (size, copied) in [((640, 360), false), ((644, 362), true)] {
        let wanted = chain::ChainConfig {
            camera_transfer: Transfer::Share,
            ..wanted(&path, size, NV12)
        };
        let mut said = Vec::new();
        let mut chain = chain::open(&wanted, &mut said).unwrap();
        let told = said.iter().any(|words| words.contains("its frames are copied"));
        assert_eq!(told, copied, "{said:?}");
        let got = run(&mut chain, |o| o.h264.len() > 30).unwrap();
        assert_eq!(chain.drops().damaged, 0);
        assert!(got.looks.is_empty(), "nobody wants to know of motion");
    }
}

#[test]
fn what_goes_and_comes_shows_in_raw_pictures() {
    let Some(_) = rig() else { return };
    let path = still(0, "0");
    let wanted = chain::ChainConfig {
        motion: true,
        ..wanted(&path, (640, 360), NV12)
    };
    let mut chain = chain::open(&wanted, &mut Vec::new()).unwrap();
    let motion = Motion::default();
    motion.want(Some((6, Duration::from_secs(1))));
    let mut until = |state: &str| {
        let (state, mut known) = (format!("{{\"state\":\"{state}\""), 0);
        let got = run(&mut chain, |output| {
            for (samples, captured_us) in &output.looks[known..] {
                motion.look(*captured_us, samples);
            }
            known = output.looks.len();
            motion.describe().unwrap().starts_with(&state)
        });
        got.unwrap();
    };
    until("rest");
    v4l2_ctl(&path, &["-c", "show_square=0"]);
    until("motion");
    v4l2_ctl(&path, &["-c", "show_square=1"]);
    until("rest");
    assert!(motion.describe().unwrap().contains("\"by\":\"raw pictures\""));
}

#[test]
fn a_slow_encoder_loses_the_oldest_frames() {
    let Some(_) = rig() else { return };
    let path = still(0, "0");
    for transfer in [Transfer::Auto, Transfer::Copy] {
        let wanted = chain::ChainConfig {
            camera_transfer: transfer,
            ..wanted(&path, (640, 360), NV12)
        };
        let mut chain = chain::open(&wanted, &mut Vec::new()).unwrap();
        let mut slow = 0;
        for delay_ms in [500, 0] {
            let _fault = Fault::new("delay_ms", delay_ms);
            let got = run(&mut chain, |o| o.h264.len() >= 12).unwrap();
            let now_us = fmp4streamer::sys::clock::monotonic_us();
            assert!(got.gaps.is_empty(), "what is encoded is a stream without gaps");
            let times: Vec<u64> = got.h264.iter().map(|(_, time)| *time).collect();
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
            assert!(times[0] < now_us);
            let drops = chain.drops();
            // What makes room is a frame of ours, never one that the camera is about to give.
            println!("{delay_ms} ms: {drops:?}");
            if drops.gaps > drops.slow {
                println!(
                    "skipped: this machine is too slow to take frames in time: the driver itself lost {drops:?}"
                );
                return;
            }
            if delay_ms > 0 {
                assert!(is_key(&got.h264[0].0));
                assert!(drops.slow >= 10, "{drops:?}");
            }
            slow = drops.slow;
        }
        assert!(slow > 0);
    }
}

#[test]
fn what_the_encoder_spoils_ends_with_a_key_frame() {
    let Some(_) = rig() else { return };
    let path = still(0, "0");
    // Of itself it would make one key frame only.
    let settings = [setting("h264_i_frame_period", "1000")];
    let wanted = chain::ChainConfig {
        encoder_controls: &settings,
        ..wanted(&path, (320, 180), NV12)
    };
    let mut chain = chain::open(&wanted, &mut Vec::new()).unwrap();
    let failing = Fault::new("fail_every", 7);
    let got = run(&mut chain, |o| o.gaps.len() >= 6).unwrap();
    drop(failing);
    let rest = run(&mut chain, |o| o.h264.len() >= 10).unwrap();
    assert_eq!(chain.drops().damaged, (got.gaps.len() + rest.gaps.len()) as u64);
    let units: Vec<bool> = got
        .h264
        .iter()
        .chain(&rest.h264)
        .map(|(unit, _)| is_key(unit))
        .collect();
    for gap in got.gaps {
        assert!(units[gap..].iter().take(7).any(|key| *key), "{gap}: {units:?}");
    }
}

#[test]
fn a_hung_encoder_is_told() {
    let Some(_) = rig() else { return };
    let path = still(0, "0");
    let mut chain = chain::open(&wanted(&path, (320, 180), NV12), &mut Vec::new()).unwrap();
    run(&mut chain, |o| o.h264.len() >= 2).unwrap();
    let hanging = Fault::new("delay_ms", 8000);
    let lost = run(&mut chain, |_| false).err().unwrap().to_string();
    drop(hanging);
    assert!(
        lost.contains("/dev/video11: camera lost: the encoder hangs"),
        "{lost}"
    );
    drop(chain);
    let mut chain = chain::open(&wanted(&path, (320, 180), NV12), &mut Vec::new()).unwrap();
    run(&mut chain, |o| o.h264.len() >= 2).unwrap();
}

#[test]
fn the_encoder_is_set_as_live_streams_need_it() {
    let Some(_) = rig() else { return };
    let path = still(0, "0");
    v4l2_ctl(&path, &["-c", "colorspace=1"]);
    let key_frames = |settings: &[Setting], said: &mut Vec<String>| {
        let wanted = chain::ChainConfig {
            encoder_controls: settings,
            ..wanted(&path, (320, 180), NV12)
        };
        let mut chain = chain::open(&wanted, said).unwrap();
        let got = run(&mut chain, |o| o.h264.len() >= 21).unwrap();
        let keys = got
            .h264
            .iter()
            .take(21)
            .enumerate()
            .filter(|(_, (unit, _))| is_key(unit));
        keys.map(|(number, (unit, _))| {
            // The parameter sets are there each time.
            let kinds: Vec<u8> = nal_units(unit).map(nal::unit_type).collect();
            assert_eq!(kinds, [nal::SPS, nal::PPS, nal::IDR]);
            number
        })
        .collect::<Vec<_>>()
    };
    assert!(Command::new("dmesg").arg("--clear").status().unwrap().success());
    fs::write("/sys/class/video4linux/video11/dev_debug", "3").unwrap();
    let mut said = Vec::new();
    assert_eq!(
        key_frames(&[], &mut said),
        [0, 10, 20],
        "a second at 10 frames a second"
    );
    assert!(said.is_empty(), "{said:?}");
    fs::write("/sys/class/video4linux/video11/dev_debug", "0").unwrap();
    let log = Command::new("dmesg").arg("--raw").output().unwrap();
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    let told = |call: &str, words: &str| {
        let line = log.lines().find(|line| line.contains(call));
        let line = line.unwrap_or_else(|| panic!("no {call}"));
        assert!(line.contains(words), "{line}");
    };
    told("VIDIOC_S_FMT: type=vid-out-mplane", "colorspace=3,");
    told("VIDIOC_S_PARM: type=vid-out-mplane", "timeperframe=1000/10000");

    let settings = [
        setting("h264_i_frame_period", "7"),
        setting("video_bitrate", "2000000"),
        setting("h264_profile", "Main"),
        setting("brightness", "7"),
    ];
    assert_eq!(key_frames(&settings, &mut said), [0, 7, 14]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said.iter()
            .any(|words| words.contains("brightness = 7: not set: there is no such control"))
    );
    v4l2_ctl(&path, &["-c", "colorspace=3"]);
}

/// The decoder's driver, which is there for this test only: no other one has a `/dev/video10`.
pub struct Decoder;

impl Decoder {
    pub const PATH: &str = "/dev/video10";

    pub fn new(parameters: &[&str]) -> Decoder {
        modprobe(&[&["vjpegdec"], parameters].concat());
        Decoder
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        modprobe(&["-r", "vjpegdec"]);
    }
}

/// Plugs a webcam of JPEG pictures in.
pub fn webcam(rig: &Path, dir: &Dir, size: (u32, u32), frames: &[Vec<u8>]) -> (Running, PathBuf) {
    let file = dir.write("frames.mjpeg", frames.concat());
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    let size = format!("{}x{}", size.0, size.1);
    let running = Running::start(command.arg("-m").arg(file).args(["-r", "10", "-s", &size]));
    let [path, _] = two_nodes();
    (running, path)
}

fn through_decoder<'a>(path: &'a Path, size: (u32, u32)) -> chain::ChainConfig<'a> {
    chain::ChainConfig {
        decoder: Some(Path::new(Decoder::PATH)),
        ..wanted(path, size, FourCc::MJPEG)
    }
}

pub fn small((width, height): (u32, u32)) -> (usize, usize) {
    (width as usize, height as usize)
}

#[test]
fn jpeg_pictures_become_h264_and_stay_as_they_are() {
    let Some(rig) = rig() else { return };
    for (parameter, sizes) in [
        ("always_tell=0", &[(640, 480), (1920, 1080), (322, 180)][..]),
        ("always_tell=1", &[(640, 360), (1920, 1080)]),
    ] {
        let _decoder = Decoder::new(&[parameter]);
        for &size in sizes {
            let dir = Dir::new();
            let sent = blocks::jpeg(small(size), blocks::places);
            let padded = [&sent[..], &[0; 100]].concat();
            let (camera, path) = webcam(&rig, &dir, size, &[padded]);
            for transfer in [Transfer::Share, Transfer::Copy] {
                let words = format!("{size:?} {parameter} {transfer:?}");
                let wanted = chain::ChainConfig {
                    decoder_transfer: transfer,
                    motion: true,
                    ..through_decoder(&path, size)
                };
                let mut said = Vec::new();
                let mut chain = chain::open(&wanted, &mut said).unwrap();
                println!("{words}: {}", chain.info().chain);
                let got = run(&mut chain, |o| o.h264.len() > 2 && o.jpeg.len() > 5).unwrap();
                let key = pcm(&got.h264[0].0, small(size));
                let expected = blocks::nv12(small(size), blocks::places);
                let differs = key.iter().zip(&expected).position(|(a, b)| a != b);
                assert_eq!((differs, key.len()), (None, expected.len()), "{words}");
                check_samples(&got, &key, small(size));
                assert!(
                    got.jpeg.iter().all(|picture| picture.starts_with(&sent)),
                    "{words}"
                );
                // Lines of 322 bytes, of which the decoder makes 352: the encoder takes those, too.
                assert!(said.is_empty(), "{words}: {said:?}");
                assert_eq!((chain.drops().damaged, chain.drops().short), (0, 0));
            }
            drop(camera);
            no_nodes();
        }
    }
}

#[test]
fn raw_pictures_may_go_through_a_converter() {
    let Some(_) = rig() else { return };
    let _decoder = Decoder::new(&[]);
    // Lines of 1280 bytes stay where they are, those of 1288 are copied.
    for (size, copied) in [((640, 360), false), ((644, 362), true)] {
        let path = still(0, "3");
        let wanted = chain::ChainConfig {
            camera_transfer: Transfer::Share,
            decoder: Some(Path::new(Decoder::PATH)),
            motion: true,
            ..wanted(&path, size, YUYV)
        };
        let expected = captured(&path, BufferKind::Single, size, YUYV);
        let mut said = Vec::new();
        let mut chain = chain::open(&wanted, &mut said).unwrap();
        let told = said.iter().any(|words| words.contains("its frames are copied"));
        assert_eq!(told, copied, "{said:?}");
        let got = run(&mut chain, |o| o.h264.len() >= 20).unwrap();
        let key = pcm(&got.h264[0].0, small(size));
        let differs = key.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!((differs, key.len()), (None, expected.len()), "{size:?}");
        // Not of those before the converter, too.
        check_samples(&got, &key, small(size));
        assert!(got.jpeg.is_empty());
    }
}

#[test]
fn broken_jpeg_pictures_are_left_out() {
    let Some(rig) = rig() else { return };
    let (_decoder, dir, size) = (Decoder::new(&[]), Dir::new(), (640, 480));
    let good = blocks::jpeg(small(size), blocks::places);
    let mut frames = vec![good.clone(); 4];
    frames[2].truncate(good.len() / 2);
    let (camera, path) = webcam(&rig, &dir, size, &frames);
    let mut chain = chain::open(&through_decoder(&path, size), &mut Vec::new()).unwrap();
    let got = run(&mut chain, |o| o.h264.len() >= 12).unwrap();
    assert!(got.gaps.is_empty(), "{:?}", got.gaps);
    assert!(got.jpeg.iter().all(|picture| picture.starts_with(&good)));
    assert!(chain.drops().damaged >= 3, "{:?}", chain.drops());
    drop(camera);
    no_nodes();
}

#[test]
fn pictures_may_change_their_size() {
    let Some(rig) = rig() else { return };
    let (_decoder, dir) = (Decoder::new(&[]), Dir::new());
    let sizes = [(640, 480), (320, 240)];
    // The driver says 640x480 all the time.
    let frames: Vec<Vec<u8>> = (0..40)
        .map(|number| blocks::jpeg(small(sizes[number / 20]), blocks::places))
        .collect();
    let (camera, path) = webcam(&rig, &dir, sizes[0], &frames);
    let mut chain = chain::open(&through_decoder(&path, sizes[0]), &mut Vec::new()).unwrap();
    let got = run(&mut chain, |o| o.gaps.len() >= 2).unwrap();
    assert!(got.gaps[0] > 0 && got.gaps[1] > got.gaps[0]);
    for (at, size) in [(0, sizes[0]), (got.gaps[0], sizes[1])] {
        let key = pcm(&got.h264[at].0, small(size));
        assert!(key == blocks::nv12(small(size), blocks::places), "{size:?}");
    }
    drop(camera);
    no_nodes();
}
