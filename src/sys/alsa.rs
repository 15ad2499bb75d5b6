//! Capturing sound from a PCM device of ALSA, by its ioctls alone. Names and numbers are those of the kernel's
//! `include/uapi/sound/asound.h`.
//!
//! Errors of the calls here: EAGAIN: nothing has been captured yet; EPIPE: an overrun, [`Pcm::start`] again; ESTRPIPE: the
//! machine was suspended, [`Pcm::resume`] or start it again; ENODEV: unplugged; EBADFD: not started; EINVAL: the device can't do
//! that; ENOTTY: it is no PCM device.

use super::errno::{Result, uninterrupted};
use nix::{request_code_none, request_code_read, request_code_readwrite};
use std::fs::File;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// `struct snd_interval`; `flags` are bits: the bounds are excluded (1, 2), whole numbers only (4), empty (8).
#[repr(C)]
#[derive(Clone, Copy)]
struct Interval {
    min: u32,
    max: u32,
    flags: u32,
}

/// `struct snd_pcm_hw_params`; the masks and intervals that the kernel has no names for yet are among them.
#[repr(C)]
#[derive(Clone, Copy)]
struct HwParams {
    flags: u32,
    masks: [[u32; 8]; 8],
    intervals: [Interval; 21],
    requested: u32,
    changed: u32,
    info: u32,
    most_significant_bits: u32,
    rate: [u32; 2],
    fifo_size: usize,
    reserved: [u32; 16],
}

const _: () = assert!(offset_of!(HwParams, intervals) == 260 && offset_of!(HwParams, requested) == 512);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<HwParams>() == 608);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<HwParams>() == 604);

// Places in `HwParams::masks` (`SNDRV_PCM_HW_PARAM_*`).
const ACCESS: usize = 0;
const FORMAT: usize = 1;
const SUBFORMAT: usize = 2;
// Places in `HwParams::intervals`, from `SNDRV_PCM_HW_PARAM_FIRST_INTERVAL`.
const CHANNELS: usize = 2;
const RATE: usize = 3;
const PERIOD_TIME: usize = 4;
const PERIOD_SIZE: usize = 5;
const BUFFER_TIME: usize = 8;
const BUFFER_SIZE: usize = 9;

/// `SNDRV_PCM_ACCESS_RW_INTERLEAVED`
const RW_INTERLEAVED: u32 = 3;

/// `struct snd_pcm_sw_params`
#[repr(C)]
struct SwParams {
    tstamp_mode: i32,
    period_step: u32,
    sleep_min: u32,
    avail_min: usize,
    xfer_align: usize,
    start_threshold: usize,
    stop_threshold: usize,
    silence: [usize; 2],
    boundary: usize,
    proto: u32,
    tstamp_type: u32,
    reserved: [u32; 14],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SwParams>() == 136 && offset_of!(SwParams, proto) == 72);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<SwParams>() == 104 && offset_of!(SwParams, proto) == 40);

/// `struct snd_pcm_status` with times of 64 bits, which 32-bit kernels take since Linux 5.6. (To an older one musl's ioctl(3)
/// translates it; with glibc there is no sound then, nor a camera.) Of a time its seconds and nanoseconds are here; on 32-bit
/// machines the latter are in one half of a word, whose other half is filler.
#[repr(C)]
#[derive(Default)]
struct RawStatus {
    state: u32,
    filler: u32,
    trigger_tstamp: [i64; 2],
    tstamp: [i64; 2],
    appl_ptr: usize,
    hw_ptr: usize,
    delay: isize,
    avail: usize,
    avail_max: usize,
    overrange: usize,
    suspended_state: u32,
    audio_tstamp_data: u32,
    audio_tstamp: [i64; 2],
    driver_tstamp: [i64; 2],
    audio_tstamp_accuracy: u32,
    reserved: [u32; 5],
}

const _: () = assert!(offset_of!(RawStatus, tstamp) == 24 && offset_of!(RawStatus, appl_ptr) == 40);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<RawStatus>() == 152 && offset_of!(RawStatus, avail) == 64);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<RawStatus>() == 128 && offset_of!(RawStatus, avail) == 52);

/// `struct snd_xferi`; `buffer` is an address.
#[repr(C)]
struct Transfer {
    result: isize,
    buffer: usize,
    frames: usize,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Transfer>() == 24);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Transfer>() == 12);

const HW_REFINE: libc::Ioctl = request_code_readwrite!(b'A', 0x10, size_of::<HwParams>());
const HW_PARAMS: libc::Ioctl = request_code_readwrite!(b'A', 0x11, size_of::<HwParams>());
const SW_PARAMS: libc::Ioctl = request_code_readwrite!(b'A', 0x13, size_of::<SwParams>());
const STATUS: libc::Ioctl = request_code_read!(b'A', 0x20, size_of::<RawStatus>());
const PREPARE: libc::Ioctl = request_code_none!(b'A', 0x40);
const START: libc::Ioctl = request_code_none!(b'A', 0x42);
const RESUME: libc::Ioctl = request_code_none!(b'A', 0x47);
const READI_FRAMES: libc::Ioctl = request_code_read!(b'A', 0x51, size_of::<Transfer>());

/// The protocol that `SwParams` is of: the first with a choice of clocks.
const PROTOCOL: u32 = 2 << 16 | 12;

/// The shortest period, after each of which we are woken up, in µs: about an AAC frame at 48 kHz.
const PERIOD_US: u32 = 20_000;
/// The longest time that the device may keep for us, in µs.
const BUFFER_US: u32 = 500_000;

/// How a sample is written; each is signed, and its lowest byte comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SampleFormat {
    /// `S16_LE`
    S16 = 2,
    /// `S24_LE`: the lower three of four bytes.
    S24 = 6,
    /// `S32_LE`
    S32 = 10,
    /// `S24_3LE`: three bytes.
    S24Packed = 32,
}

impl SampleFormat {
    /// All of them, the best first: of a quiet microphone 16 bits are few.
    pub const ALL: [SampleFormat; 4] = [
        SampleFormat::S32,
        SampleFormat::S24,
        SampleFormat::S24Packed,
        SampleFormat::S16,
    ];

    /// The bits of a sample that count.
    pub fn bits(self) -> u32 {
        match self {
            SampleFormat::S16 => 16,
            SampleFormat::S24 | SampleFormat::S24Packed => 24,
            SampleFormat::S32 => 32,
        }
    }

    /// The bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            SampleFormat::S16 => 2,
            SampleFormat::S24Packed => 3,
            SampleFormat::S24 | SampleFormat::S32 => 4,
        }
    }
}

/// What a device is asked for; None leaves it open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// How samples are written.
    pub format: Option<SampleFormat>,
    /// Samples of one moment, which make a frame.
    pub channels: Option<u32>,
    /// Frames a second.
    pub rate: Option<u32>,
}

/// What a device can do as wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The formats, the best first.
    pub formats: Vec<SampleFormat>,
    /// The fewest and the most channels; not all between them need to be there.
    pub channels: [u32; 2],
    /// The lowest and the highest rate; not all between them need to be there.
    pub rate: [u32; 2],
}

impl HwParams {
    fn of(wish: &Wish) -> HwParams {
        let any = Interval {
            min: 0,
            max: u32::MAX,
            flags: 0,
        };
        let mut params = HwParams {
            flags: 0,
            masks: [[u32::MAX; 8]; 8],
            intervals: [any; 21],
            requested: u32::MAX,
            changed: 0,
            info: u32::MAX,
            most_significant_bits: 0,
            rate: [0; 2],
            fifo_size: 0,
            reserved: [0; 16],
        };
        params.choose(ACCESS, RW_INTERLEAVED);
        params.choose(SUBFORMAT, 0);
        if let Some(format) = wish.format {
            params.choose(FORMAT, format as u32);
        }
        for (place, number) in [(CHANNELS, wish.channels), (RATE, wish.rate)] {
            if let Some(number) = number {
                params.intervals[place] = Interval {
                    min: number,
                    max: number,
                    flags: 4,
                };
            }
        }
        params
    }

    /// Leaves one bit of a mask.
    fn choose(&mut self, mask: usize, bit: u32) {
        self.masks[mask] = [0; 8];
        self.masks[mask][bit as usize / 32] = 1 << (bit % 32);
    }

    fn bounds(&self, place: usize) -> [u32; 2] {
        let Interval { min, max, flags } = self.intervals[place];
        [min.saturating_add(flags & 1), max.saturating_sub(flags >> 1 & 1)]
    }
}

/// Asks with an argument of ours.
///
/// # Safety
/// The request is one whose argument is a `T`, in which every address is of memory that the kernel may write to.
unsafe fn ask<T>(file: &File, request: libc::Ioctl, argument: &mut T) -> Result<()> {
    // SAFETY: the caller vouches for it; every bit pattern of the structs here is a value of theirs.
    let ask = || unsafe { libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(&mut *argument)) };
    uninterrupted(ask).map(drop)
}

/// `HW_REFINE`: what the device can do as wished. EINVAL: nothing. Nothing is set on it.
pub fn offer(file: &File, wish: &Wish) -> Result<Offer> {
    let mut params = HwParams::of(wish);
    // SAFETY: the argument of this request, which has no addresses.
    unsafe { ask(file, HW_REFINE, &mut params) }?;
    let mask = params.masks[FORMAT];
    let has = |format: &SampleFormat| mask[*format as usize / 32] >> (*format as u32 % 32) & 1 != 0;
    Ok(Offer {
        formats: SampleFormat::ALL.into_iter().filter(has).collect(),
        channels: params.bounds(CHANNELS),
        rate: params.bounds(RATE),
    })
}

/// What a device that captures is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It captures.
    Running,
    /// It stopped as nobody read what it had: start it again.
    Overrun,
    /// The machine was suspended: resume it, or start it again.
    Suspended,
    /// It was unplugged.
    Gone,
    /// It was not started.
    Idle,
}

/// The device at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// The moment, by CLOCK_MONOTONIC in microseconds.
    pub at_us: u64,
    /// The frames that were captured by then and not read: those that can be read, and what is still on its way.
    pub delay: u64,
    /// The frames that can be read.
    pub available: usize,
}

impl RawStatus {
    fn read(&self) -> Status {
        let [seconds, nanoseconds] = self.tstamp;
        // Where a word is half of it, the other half is filler (see the struct).
        let nanoseconds = if cfg!(target_pointer_width = "32") && cfg!(target_endian = "big") {
            nanoseconds >> 32
        } else {
            nanoseconds & i64::from(u32::MAX)
        };
        Status {
            state: match self.state {
                3 => State::Running,
                4 => State::Overrun,
                7 => State::Suspended,
                8 => State::Gone,
                _ => State::Idle,
            },
            at_us: seconds as u64 * 1_000_000 + nanoseconds as u64 / 1000,
            delay: self.delay.max(0) as u64,
            available: self.avail,
        }
    }
}

/// A PCM device that is set up to capture. It stops when this is dropped.
#[derive(Debug)]
pub struct Pcm {
    file: File,
    frame_bytes: usize,
    /// The frames that it keeps at most.
    pub buffer: usize,
}

impl Pcm {
    /// Sets a device up. It does not capture before [`Pcm::start`].
    ///
    /// # Errors
    /// EINVAL: it can't do that.
    pub fn set_up(file: File, format: SampleFormat, channels: u32, rate: u32) -> Result<Pcm> {
        let wish = HwParams::of(&Wish {
            format: Some(format),
            channels: Some(channels),
            rate: Some(rate),
        });
        let mut params = wish;
        // Of what is left open the kernel takes the shortest period and the largest buffer.
        params.intervals[PERIOD_TIME].min = PERIOD_US;
        params.intervals[BUFFER_TIME].max = BUFFER_US;
        // SAFETY: the argument of this request, which has no addresses.
        unsafe { ask(&file, HW_PARAMS, &mut params) }.or_else(|_| {
            // Some devices have but one.
            params = wish;
            // SAFETY: as above.
            unsafe { ask(&file, HW_PARAMS, &mut params) }
        })?;
        let period = params.intervals[PERIOD_SIZE].min as usize;
        let buffer = params.intervals[BUFFER_SIZE].min as usize;
        let mut params = SwParams {
            // ENABLE, of the clock MONOTONIC
            tstamp_mode: 1,
            tstamp_type: 1,
            proto: PROTOCOL,
            period_step: 1,
            sleep_min: 0,
            avail_min: period,
            xfer_align: 1,
            start_threshold: 1,
            // It stops when the buffer is full, rather than to write over what was not read.
            stop_threshold: buffer,
            silence: [0; 2],
            boundary: 0,
            reserved: [0; 14],
        };
        // SAFETY: the argument of this request, which has no addresses.
        unsafe { ask(&file, SW_PARAMS, &mut params) }?;
        Ok(Pcm {
            file,
            frame_bytes: format.bytes() * channels as usize,
            buffer,
        })
    }

    /// `PREPARE` and `START`: begins to capture, or does so again after an overrun. What was not read is lost.
    pub fn start(&self) -> Result<()> {
        self.command(PREPARE)?;
        self.command(START)
    }

    /// `RESUME`: goes on after a suspension. EAGAIN: not yet; ENOSYS: it can't, [`Pcm::start`].
    pub fn resume(&self) -> Result<()> {
        self.command(RESUME)
    }

    /// `STATUS`, by which the kernel looks how far the device is.
    pub fn status(&self) -> Result<Status> {
        let mut status = RawStatus::default();
        // SAFETY: the argument of this request, which has no addresses.
        unsafe { ask(&self.file, STATUS, &mut status) }?;
        Ok(status.read())
    }

    /// `READI_FRAMES`: puts what was captured into `buffer`, as many whole frames as there are and as it holds, at least one.
    /// Gives how many. EAGAIN: there is none yet.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut transfer = Transfer {
            result: 0,
            buffer: buffer.as_mut_ptr().expose_provenance(),
            frames: buffer.len() / self.frame_bytes,
        };
        // SAFETY: the argument of this request; its address is of a buffer that is lent to this call alone and holds as many
        // frames of the size that was set up.
        unsafe { ask(&self.file, READI_FRAMES, &mut transfer) }?;
        Ok(transfer.result.max(0) as usize)
    }

    fn command(&self, request: libc::Ioctl) -> Result<()> {
        // SAFETY: requests without an argument.
        uninterrupted(|| unsafe { libc::ioctl(self.file.as_raw_fd(), request) }).map(drop)
    }
}

impl AsFd for Pcm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Errno;

    #[test]
    fn numbers_are_the_kernels() {
        // As the kernel's headers give them for these machines (docs: `include/uapi/sound/asound.h`).
        let numbers = [HW_REFINE, HW_PARAMS, SW_PARAMS, STATUS, READI_FRAMES].map(|number| number as u32);
        #[cfg(target_pointer_width = "64")]
        assert_eq!(
            numbers,
            [0xc260_4110, 0xc260_4111, 0xc088_4113, 0x8098_4120, 0x8018_4151]
        );
        #[cfg(target_pointer_width = "32")]
        assert_eq!(
            numbers,
            [0xc25c_4110, 0xc25c_4111, 0xc068_4113, 0x8080_4120, 0x800c_4151]
        );
        assert_eq!(
            [PREPARE, START, RESUME].map(|n| n as u32),
            [0x4140, 0x4142, 0x4147]
        );
    }

    #[test]
    fn a_wish_leaves_one_bit_or_number() {
        let wish = Wish {
            format: Some(SampleFormat::S24Packed),
            channels: None,
            rate: Some(48_000),
        };
        let params = HwParams::of(&wish);
        assert_eq!(params.masks[ACCESS], [8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(params.masks[FORMAT], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(params.bounds(RATE), [48_000, 48_000]);
        assert_eq!(params.bounds(CHANNELS), [0, u32::MAX]);
    }

    #[test]
    fn bounds_may_be_excluded() {
        let mut params = HwParams::of(&Wish::default());
        params.intervals[RATE] = Interval {
            min: 7999,
            max: 48_001,
            flags: 3,
        };
        assert_eq!(params.bounds(RATE), [8000, 48_000]);
    }

    #[test]
    fn a_status_is_read() {
        let status = RawStatus {
            state: 3,
            tstamp: [5, 6_007_008],
            delay: 1000,
            avail: 960,
            ..RawStatus::default()
        };
        let read = Status {
            state: State::Running,
            at_us: 5_006_007,
            delay: 1000,
            available: 960,
        };
        assert_eq!(status.read(), read);
    }

    #[test]
    fn each_state_of_the_kernels_is_known() {
        // SNDRV_PCM_STATE_*
        for (state, known) in [
            (2, State::Idle), // PREPARED
            (3, State::Running),
            (4, State::Overrun), // XRUN
            (7, State::Suspended),
            (8, State::Gone), // DISCONNECTED
        ] {
            let status = RawStatus {
                state,
                ..RawStatus::default()
            };
            assert_eq!(status.read().state, known, "{state}");
        }
    }

    #[test]
    fn what_is_no_sound_device_says_so() {
        let null = || File::open("/dev/null").unwrap();
        assert_eq!(offer(&null(), &Wish::default()), Err(Errno::ENOTTY));
        let set_up = Pcm::set_up(null(), SampleFormat::S16, 1, 48_000);
        assert_eq!(set_up.map(drop), Err(Errno::ENOTTY));
        let pcm = Pcm {
            file: null(),
            frame_bytes: 2,
            buffer: 960,
        };
        assert_eq!(pcm.start(), Err(Errno::ENOTTY));
        assert_eq!(pcm.resume(), Err(Errno::ENOTTY));
        assert_eq!(pcm.status(), Err(Errno::ENOTTY));
        assert_eq!(pcm.read(&mut [0; 4]), Err(Errno::ENOTTY));
    }
}
