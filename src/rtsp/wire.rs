//! What one client is sent of a ring: packets of the tracks that it has set up, and when their frames were captured.

use super::udp::Udp;
use crate::format::fmp4::{FRAME_SAMPLES, Fragment, Init};
use crate::format::h264::nal;
use crate::format::jpeg::RtpPicture;
use crate::format::rtp::{CNAME_BYTES, Packet, SOUND, Track};
use crate::ring::Batch;
use crate::serve::{SendBuffer, Wire};
use crate::sys::clock;
use std::io::IoSlice;
use std::net::TcpStream;
use std::sync::Arc;

/// Each track's report is sent so often while its frames flow.
const REPORT_EVERY_US: u64 = 5_000_000;

/// The tracks of one client.
pub struct Rtp {
    pub tracks: Vec<Track>,
    /// Where the client did not ask for them over the connection.
    pub udp: Udp,
    /// What the client was told of; `None` for JPEG pictures.
    pub init: Option<Arc<Init>>,
    /// By this name the client knows that its tracks belong together.
    pub cname: [u8; CNAME_BYTES],
    /// The client has asked for a pause.
    pub is_paused: bool,
    /// Nothing is sent before a picture that can be begun with. That one's time: no sound from before it is sent.
    pub waits: bool,
    pub since_90k: u64,
    /// When something was last sent, and when reports were: CLOCK_MONOTONIC in microseconds.
    pub sent_us: u64,
    pub reported_us: u64,
    /// What comes now is of another format.
    pub is_over: bool,
}

impl Rtp {
    /// Begins a pause, or goes on with a picture that can be begun with; true if it goes on.
    pub fn pause(&mut self, is_paused: bool) -> bool {
        let is_other = self.is_paused != is_paused;
        self.is_paused = is_paused;
        self.waits |= is_other;
        is_other && !is_paused
    }

    /// Appends each track's report for that moment; that of one that has not started says nothing but that the connection lives.
    pub fn report(&mut self, at_us: u64, out: &mut Vec<u8>) {
        self.reported_us = at_us;
        let offset_us = clock::unix_offset_us();
        for track in &self.tracks {
            match track.captured_us() {
                0 => out.extend_from_slice(&track.empty_report()),
                _ => out.extend_from_slice(&track.report(at_us, offset_us, &self.cname)),
            }
        }
    }

    /// Sends what was put together for the connection as datagrams, if they are used.
    pub fn divert(&mut self, framed: &mut Vec<u8>) {
        if self.udp.is_used() {
            let is_behind = !self.udp.waiting.is_empty();
            self.udp.waiting.append(framed);
            if !is_behind {
                self.udp.send(false);
            }
        }
    }
}

impl Wire for Rtp {
    /// Each picture in one write, with the sound before it.
    fn send(
        &mut self,
        batch: &Batch,
        socket: &TcpStream,
        buffer: &mut SendBuffer,
        room: &mut Vec<u8>,
    ) -> u64 {
        let (mut bytes, mut packets) = (0, Vec::new());
        room.clear();
        if self.is_paused {
            return 0;
        }
        self.waits |= batch.skipped > 0;
        for fragment in &batch.fragments {
            let is_start = fragment.is_start();
            if fragment.is_sound() {
                if self.waits || fragment.time_90k < self.since_90k {
                    continue;
                }
            } else if !self.init.as_ref().is_some_and(|init| init.serves(&fragment.init)) {
                self.is_over = true;
                break;
            } else if self.waits {
                if !is_start {
                    continue;
                }
                self.since_90k = fragment.time_90k;
                self.start(fragment.captured_us, room);
            }
            self.add(fragment, is_start, batch.made_us, (&mut packets, room));
            if !fragment.is_sound() {
                bytes += self.send_packets(&mut packets, socket, buffer, room);
            }
        }
        bytes + self.send_packets(&mut packets, socket, buffer, room)
    }

    fn is_over(&self) -> bool {
        self.is_over || !self.udp.waiting.is_empty()
    }
}

impl Rtp {
    /// Appends the packets of a JPEG picture, and before them the reports that are due.
    pub fn add_jpeg(&mut self, picture: &RtpPicture<'_>, captured_us: u64, out: &mut Vec<u8>) {
        if self.waits {
            self.start(captured_us, out);
        }
        self.report_if_due(captured_us, out);
        if let Some(track) = self.tracks.first_mut() {
            track.begin(captured_us * 9 / 100, captured_us);
            track.jpeg(picture, out);
        }
        self.sent_us = clock::monotonic_us();
    }

    /// Begins or goes on with what was captured at that moment, and appends the tracks' reports.
    fn start(&mut self, captured_us: u64, out: &mut Vec<u8>) {
        self.waits = false;
        for track in &mut self.tracks {
            track.start(captured_us);
        }
        self.report(captured_us, out);
    }

    fn report_if_due(&mut self, captured_us: u64, out: &mut Vec<u8>) {
        if captured_us >= self.reported_us + REPORT_EVERY_US {
            self.report(captured_us, out);
        }
    }

    /// Adds a fragment's packets, and before them the reports that are due.
    fn add<'a>(
        &mut self,
        fragment: &'a Fragment,
        is_start: bool,
        now_us: u64,
        (packets, reports): (&mut Vec<Packet<'a>>, &mut Vec<u8>),
    ) {
        let is_sound = fragment.is_sound();
        let mut tracks = self.tracks.iter_mut();
        let Some(track) = tracks.find(|track| (track.payload_type == SOUND) == is_sound) else {
            return;
        };
        if is_sound {
            for (number, frame) in (0..).zip(fragment.sound_frames()) {
                let since = number * u64::from(FRAME_SAMPLES);
                track.begin(
                    fragment.time_from(0) + since,
                    fragment.captured_us + track.micros(since),
                );
                track.sound(frame, packets);
            }
        } else {
            // The very moment of the capture, not the ring's time, which is smoothed.
            track.begin(fragment.captured_us * 9 / 100, fragment.captured_us);
            let parameters = &fragment.init.parameters;
            let sets = [&parameters.sps].into_iter().chain(&parameters.pps);
            let sets = sets.filter(|_| is_start).map(Vec::as_slice);
            let is_sent = |unit: &&[u8]| !is_start || !matches!(nal::unit_type(unit), nal::SPS | nal::PPS);
            track.picture(sets.chain(fragment.nal_units().filter(is_sent)), packets);
        }
        self.sent_us = now_us;
        self.report_if_due(fragment.captured_us, reports);
    }

    /// Sends the reports and the packets, and leaves none.
    fn send_packets(
        &mut self,
        packets: &mut Vec<Packet<'_>>,
        socket: &TcpStream,
        buffer: &mut SendBuffer,
        reports: &mut Vec<u8>,
    ) -> u64 {
        if packets.is_empty() && reports.is_empty() {
            return 0;
        }
        if self.udp.is_used() {
            for slice in packets.iter().flat_map(Packet::slices) {
                reports.extend_from_slice(slice);
            }
            let bytes = reports.len() as u64;
            self.divert(reports);
            packets.clear();
            return bytes;
        }
        let mut slices = Vec::with_capacity(1 + 2 * packets.len());
        slices.push(IoSlice::new(reports));
        for packet in packets.iter() {
            slices.extend(packet.slices().map(IoSlice::new));
        }
        let bytes = buffer.send(socket, &slices);
        packets.clear();
        reports.clear();
        bytes
    }
}
