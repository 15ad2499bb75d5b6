//! What is done with what an open source gives: it is checked, goes into its ring, and is counted.

use super::run::{NO_KEY, Pump};
use crate::format::fmp4::{Fragment, Init};
use crate::format::h264::{AccessUnit, Parameters, Reader, Refused};
use crate::format::{Codec, jpeg};
use crate::ring::pictures::Picture;
use crate::source::{self, Drops, Frame, Signal};
use crate::stream::{Condition, Losses};
use crate::{log_info, log_warning};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// What is known of a source's stream while it is open.
pub(super) struct Ingest {
    reader: Reader,
    /// What comes before the next key frame can't be decoded.
    pub needs_key: bool,
    key_missed_since: Instant,
    /// Frames have come since then, whether of use or not.
    keyless: bool,
    /// What has been said of key frames that are missing or far apart.
    key_trouble: String,
    long_groups: bool,
    unreadable: u64,
    after_loss: u64,
    last_key_us: Option<u64>,
    pub measured: Measured,
    pub refused: Option<Refused>,
    /// No fragment yet.
    pub first: bool,
}

impl Ingest {
    pub fn new(now: Instant) -> Ingest {
        Ingest {
            reader: Reader::new(),
            needs_key: true,
            key_missed_since: now,
            keyless: false,
            key_trouble: String::new(),
            long_groups: false,
            unreadable: 0,
            after_loss: 0,
            last_key_us: None,
            measured: Measured {
                since: now,
                frames: 0,
                bytes: 0,
            },
            refused: None,
            first: true,
        }
    }

    /// All losses since the program started, with those of this source.
    pub fn losses(&self, before: Losses, drops: Drops) -> Losses {
        Losses {
            gaps: before.gaps + drops.gaps,
            damaged: before.damaged + drops.damaged,
            short: before.short + drops.short,
            unreadable: before.unreadable + self.unreadable,
            after_loss: before.after_loss + self.after_loss,
            bad_time: before.bad_time + drops.bad_time,
            slow: before.slow + drops.slow,
        }
    }
}

pub(super) struct Measured {
    pub since: Instant,
    frames: u64,
    bytes: usize,
}

impl Pump<'_> {
    pub(super) fn take(&mut self, ingest: &mut Ingest, signal: Signal<'_>, info: &source::SourceInfo) {
        let frame = match signal {
            Signal::Frame(frame) => frame,
            Signal::Gap => return ingest.needs_key = true,
        };
        let trouble = match frame.codec {
            Codec::H264 => self.take_h264(ingest, frame, info),
            Codec::Jpeg => self.take_jpeg(ingest, frame, info),
        };
        if let Err(what) = trouble {
            ingest.unreadable += 1;
            ingest.needs_key = true;
            let line = format!("a frame is of no use ({what}); such frames are counted in /status");
            if ingest.unreadable == 1 {
                log_warning!("{}: {line}", self.stream.name);
            }
            // Who waits for the first one is to know why, but not for each one anew.
            if ingest.first && self.state().why != line {
                self.stream.publish(|state| state.why = line);
                self.stream.notify_viewers();
            }
        }
    }

    /// The error is what is wrong with this frame.
    fn take_h264(
        &mut self,
        ingest: &mut Ingest,
        frame: Frame<'_>,
        info: &source::SourceInfo,
    ) -> Result<(), String> {
        ingest.keyless = true;
        match ingest.reader.read(frame.data) {
            Ok(Some(unit)) => {
                let parameters = ingest.reader.parameters().cloned();
                match parameters.and_then(|parameters| self.init_for(parameters)) {
                    Some(init) => self.mux(ingest, &unit, frame, init, info),
                    None => Ok(()),
                }
            }
            Ok(None) => Ok(()),
            Err(Refused::Damaged(what)) => Err(what.to_string()),
            Err(why) => {
                ingest.needs_key = true;
                ingest.refused = Some(why);
                Ok(())
            }
        }
    }

    /// Each picture stands alone: it is checked and copied, and that is all.
    fn take_jpeg(
        &mut self,
        ingest: &mut Ingest,
        frame: Frame<'_>,
        info: &source::SourceInfo,
    ) -> Result<(), String> {
        if info.jpeg_too {
            // What is wrong with one shows in the H.264 that is made of it.
            if let (true, Ok(picture)) = (
                self.stream.pictures.has_subscribers(),
                jpeg::Picture::parse(frame.data),
            ) {
                self.stream.pictures.push(Picture {
                    captured_us: frame.captured_us,
                    bytes: picture.to_vec(),
                });
            }
            return Ok(());
        }
        let picture = jpeg::Picture::parse(frame.data)?;
        ingest.needs_key = false;
        let size = (u32::from(picture.width), u32::from(picture.height));
        let picture = Picture {
            captured_us: frame.captured_us,
            bytes: picture.to_vec(),
        };
        self.arrived(ingest, info, (Codec::Jpeg, "JPEG"), picture.bytes.len(), size);
        self.stream.pictures.push(picture);
        Ok(())
    }

    /// The init segment for these parameter sets: another one only if its bytes are.
    fn init_for(&mut self, parameters: Arc<Parameters>) -> Option<Arc<Init>> {
        let known = self.parameters.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &parameters)) {
            let new = Init::new(Arc::clone(&parameters), self.camera.rotation);
            if self.init.as_ref().is_none_or(|old| old.bytes != new.bytes) {
                self.init = Some(Arc::new(new));
            }
            self.parameters = Some(parameters);
        }
        self.init.clone()
    }

    fn mux(
        &mut self,
        ingest: &mut Ingest,
        unit: &AccessUnit<'_>,
        frame: Frame<'_>,
        init: Arc<Init>,
        info: &source::SourceInfo,
    ) -> Result<(), String> {
        if ingest.needs_key && !unit.key {
            ingest.after_loss += u64::from(!ingest.first);
            return Ok(());
        }
        let span = self.timeline.place(frame.captured_us);
        let fragment = Fragment::new(Arc::clone(&init), unit, span, frame.captured_us, self.epoch)
            .map_err(|e| e.to_string())?;
        let key = fragment.key;
        let mut interval_ms = None;
        if key {
            ingest.needs_key = false;
            (ingest.key_missed_since, ingest.keyless) = (Instant::now(), false);
            interval_ms = ingest
                .last_key_us
                .map(|last| frame.captured_us.saturating_sub(last) / 1000);
            ingest.last_key_us = Some(frame.captured_us);
        }
        let (size, codec) = ((init.width, init.height), &init.codec);
        self.arrived(ingest, info, (Codec::H264, codec), fragment.size_bytes(), size);
        self.stream.publish(|state| {
            if key {
                state.key_interval_ms = interval_ms.or(state.key_interval_ms);
            }
            state.init = Some(Arc::clone(&init));
        });
        self.stream.ring.push(Arc::new(fragment));
        Ok(())
    }

    /// Publishes that a frame of so many bytes came, before it goes into its ring: who has the first one finds the
    /// camera live.
    fn arrived(
        &mut self,
        ingest: &mut Ingest,
        info: &source::SourceInfo,
        (codec, name): (Codec, &str),
        bytes: usize,
        size: (u32, u32),
    ) {
        ingest.measured.frames += 1;
        ingest.measured.bytes += bytes;
        let first = mem::take(&mut ingest.first);
        let now = Instant::now();
        self.stream.publish(|state| {
            state.frames += 1;
            state.last_frame = Some(now);
            state.size = Some(size);
            if first {
                (state.condition, state.since) = (Condition::Live, Some(now));
                state.codec = Some(codec);
                state.why.clear();
            }
        });
        if first {
            self.stream.notify_viewers();
            self.known = true;
            let (width, height) = size;
            let until = if info.placeholder {
                ", until a camera appears"
            } else {
                ""
            };
            let camera = &self.stream.name;
            self.last_said = format!(
                "{camera}: live: {}, {width}x{height}, {name}{until}",
                info.description
            );
            log_info!("{}", self.last_said);
        }
    }

    /// Names a stream that can't be joined, or not at any time: without key frames, or with too few of them.
    pub(super) fn watch_keys(&mut self, ingest: &mut Ingest, now: Instant) {
        let missed = now.saturating_duration_since(ingest.key_missed_since);
        let why = if missed >= NO_KEY && ingest.keyless {
            format!(
                "no key frame for {} s: nobody can join before the next one. Set the encoder to one every second or two",
                NO_KEY.as_secs()
            )
        } else if ingest.long_groups || self.stream.ring.too_long_to_join() {
            ingest.long_groups = true;
            "key frames are far apart: who comes in between waits for the next one (join_max_s, join_max_mb). \
             Set the encoder to one every second or two"
                .to_string()
        } else {
            String::new()
        };
        if why != ingest.key_trouble {
            if !why.is_empty() && self.history.warned.insert(why.clone()) {
                log_warning!("{}: {why}", self.stream.name);
            }
            ingest.key_trouble.clone_from(&why);
            self.stream.publish(|state| state.why = why);
            self.stream.notify_viewers();
        }
    }

    pub(super) fn measure(&mut self, ingest: &mut Ingest, now: Instant) {
        let measured = &mut ingest.measured;
        let seconds = now.saturating_duration_since(measured.since).as_secs_f64();
        let fps = measured.frames as f64 / seconds;
        let bits = (measured.bytes * 8) as f64 / seconds;
        *measured = Measured {
            since: now,
            frames: 0,
            bytes: 0,
        };
        self.stream
            .publish(|state| (state.fps, state.bitrate_bps) = (fps, bits as u64));
    }
}
