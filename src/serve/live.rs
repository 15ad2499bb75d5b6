//! What all live streams have in common: a sink that sends to one client from whichever thread, without waiting; what the
//! socket did not take of it; and the client's own numbers for fragments.

use super::connection::Connection;
use super::head::Head;
use crate::format::fmp4::{Fragment, Init};
use crate::ring::{Batch, Sink};
use crate::stream::{Stream, Viewer, Watching};
use crate::sys::sock;
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kernel takes no more slices in one write (IOV_MAX).
const SLICES: usize = 1024;

/// What a socket did not take at once; nothing may go before it.
#[derive(Debug, Default)]
pub struct SendBuffer {
    rest: Vec<u8>,
    broken: Option<io::Error>,
}

impl SendBuffer {
    /// Sends without waiting. Gives the bytes of it all.
    pub fn send(&mut self, socket: &TcpStream, slices: &[IoSlice<'_>]) -> u64 {
        let mut bytes = 0;
        for slices in slices.chunks(SLICES) {
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            bytes += length as u64;
            let mut sent = 0;
            if self.is_empty() {
                match sock::send_now(socket, slices) {
                    Ok(n) if n == length => continue,
                    Ok(n) => sent = n,
                    Err(e) => self.broken = Some(e),
                }
            }
            for slice in slices {
                let skip = sent.min(slice.len());
                self.rest.extend_from_slice(&slice[skip..]);
                sent -= skip;
            }
        }
        bytes
    }

    /// True if the socket took all.
    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.broken.is_none()
    }

    /// Sends the rest, and waits for it.
    fn flush(&mut self, connection: &Connection) -> io::Result<()> {
        if let Some(e) = self.broken.take() {
            return Err(e);
        }
        connection.write(&mem::take(&mut self.rest))
    }
}

/// How fragments are put on the wire.
pub trait Wire: Send {
    /// Sends a batch without waiting, with what belongs before and between its fragments, which is put together in `room`.
    /// Gives the bytes of it all.
    fn send(&mut self, batch: &Batch, socket: &TcpStream, buffer: &mut SendBuffer, room: &mut Vec<u8>)
    -> u64;

    /// True if the client's own thread is to see to it: what comes now can't be sent on this wire, or waits for it.
    fn is_over(&self) -> bool {
        false
    }
}

/// What sends a live stream to one client, for the client's own thread and for those that send in its place.
pub struct LiveSink<W> {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    viewer: Arc<Viewer>,
    out: Mutex<Out<W>>,
}

struct Out<W> {
    wire: W,
    buffer: SendBuffer,
}

impl<W: Wire> LiveSink<W> {
    pub fn new(
        connection: &Arc<Connection>,
        stream: &Arc<Stream>,
        watching: &Watching<'_>,
        wire: W,
    ) -> Arc<LiveSink<W>> {
        Arc::new(LiveSink {
            connection: Arc::clone(connection),
            stream: Arc::clone(stream),
            viewer: Arc::clone(&watching.viewer),
            out: Mutex::new(Out {
                wire,
                buffer: SendBuffer::default(),
            }),
        })
    }

    /// Looks at the wire's own state, or changes it.
    pub fn with_wire<T>(&self, look: impl FnOnce(&mut W) -> T) -> T {
        look(&mut self.lock().wire)
    }

    /// Sends what the socket did not take before, and waits for it.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().buffer.flush(&self.connection)
    }

    /// Sends these bytes after what the socket did not take before, and waits until it took all.
    ///
    /// # Errors
    /// Those of [`LiveSink::flush`].
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.connection.write(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Out<W>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Wire> Sink for LiveSink<W> {
    fn try_send(&self, batch: &Batch, room: &mut Vec<u8>) -> bool {
        let mut out = self.lock();
        let Out { wire, buffer } = &mut *out;
        let sent = wire.send(batch, &self.connection.socket, buffer, room);
        account(batch, sent, &self.stream, &self.viewer);
        buffer.is_empty() && !wire.is_over()
    }
}

/// Counts a batch for its viewer, to whom so many bytes were sent, and asks for the key frame that it needs.
fn account(batch: &Batch, sent: u64, stream: &Stream, viewer: &Viewer) {
    if batch.skipped > 0 {
        viewer.skipped.fetch_add(batch.skipped, Relaxed);
    }
    if batch.needs_key_frame {
        stream.request_key_frame();
    }
    viewer.bytes.fetch_add(sent, Relaxed);
    let mut newest_first = batch.fragments.iter().rev();
    if let Some(last) = newest_first.find(|fragment| !fragment.is_sound()) {
        stream.note_age(viewer, batch.made_us.saturating_sub(last.captured_us));
    }
}

/// A client's own numbers for the fragments that it is sent: the first is 1, and its time is 0, or the camera's.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Times are the camera's media time, of which /status tells.
    camera_times: bool,
    /// The client is sent the sound, too.
    with_sound: bool,
    /// That of the fragment before.
    sequence: u32,
    /// The init segment that was sent last, and the media time that is this client's zero.
    start: Option<(Arc<Init>, u64)>,
    /// Pictures were left out: the next one is one to go on with.
    resumes: bool,
    /// The time of the picture with which the client began or went on. No sound from before it is sent.
    since_90k: u64,
}

impl Numbers {
    /// Those of a client that asks by this head.
    pub fn asked_for(head: &Head) -> Numbers {
        Numbers {
            camera_times: head.asked("times") == Some("camera"),
            ..Numbers::from_zero(head)
        }
    }

    /// Those of a client that asks by this head, whose first time is 0.
    pub fn from_zero(head: &Head) -> Numbers {
        Numbers {
            with_sound: head.asks_for_sound(),
            ..Numbers::default()
        }
    }

    /// Whether a player can go on with this picture by the init segment that was sent last; None: none was.
    pub fn serves(&self, picture: &Fragment) -> Option<bool> {
        let (init, _) = self.start.as_ref()?;
        let (old, new) = (init.bytes(self.with_sound), picture.init.bytes(self.with_sound));
        // Who is sent no sound does not care for its format.
        Some(init.serves(&picture.init) || !self.with_sound && old == new)
    }

    /// Has this picture's init segment sent before it, which is given; the first such picture makes the client's zero: its
    /// time, or up to a millisecond before it where that is no whole number in the sound's timescale.
    pub fn begin<'a>(&mut self, picture: &'a Fragment) -> &'a [u8] {
        let init = &picture.init;
        let zero_90k = match self.with_sound {
            _ if self.camera_times => 0,
            true => picture.zero_90k(),
            false => picture.time_90k,
        };
        let base_90k = self.start.as_ref().map_or(zero_90k, |(_, base)| *base);
        self.start = Some((Arc::clone(init), base_90k));
        self.resumes = true;
        init.bytes(self.with_sound)
    }

    /// Notes that so many pictures are left out.
    pub fn skip(&mut self, pictures: u64) {
        self.resumes |= pictures > 0;
    }

    /// True if this sound is sent to the client.
    pub fn has(&self, sound: &Fragment) -> bool {
        self.with_sound
            && !self.resumes
            && sound.time_90k >= self.since_90k
            && self.serves(sound) == Some(true)
    }

    /// The fragment's time at this client.
    pub fn time_90k(&self, fragment: &Fragment) -> u64 {
        fragment.time_90k.saturating_sub(self.base_90k())
    }

    /// Appends the head of the next fragment.
    pub fn head(&mut self, fragment: &Fragment, out: &mut Vec<u8>) {
        if mem::take(&mut self.resumes) {
            self.since_90k = fragment.time_90k;
        }
        self.sequence = self.sequence.wrapping_add(1);
        fragment.head(self.sequence, self.base_90k(), out);
    }

    fn base_90k(&self) -> u64 {
        self.start.as_ref().map_or(0, |(_, base_90k)| *base_90k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fmp4::{SoundFormat, SoundFrame, Span};
    use crate::format::h264::{AccessUnit, Parameters, Refresh, Sps};
    use crate::serve::head::parse;
    use crate::support::hex::hex;

    struct Rig {
        init: Arc<Init>,
        numbers: Numbers,
    }

    impl Rig {
        fn new(query: &str) -> Rig {
            let sps = hex("6764001eacb201407b6022000003000200000300791e2c5c90");
            let parameters = Parameters {
                info: Sps::parse(&sps).unwrap(),
                sps,
                pps: vec![hex("68ebc3cb22c0")],
            };
            let sound = SoundFormat {
                rate: 48_000,
                channels: 1,
                config: [0x11, 0x88],
            };
            let request = format!("GET /stream.mp4?{query} HTTP/1.1\r\nHost: a\r\n\r\n");
            let head = parse(request.as_bytes()).unwrap().unwrap().0;
            Rig {
                init: Arc::new(Init::new(Arc::new(parameters), 0, Some(sound))),
                numbers: Numbers::asked_for(&head),
            }
        }

        fn picture(&self, time_90k: u64) -> Fragment {
            let unit = AccessUnit {
                nals: vec![&[0x65]],
                key: true,
                refresh: Refresh::default(),
            };
            let span = Span {
                time_90k,
                duration_90k: 1,
            };
            Fragment::new(Arc::clone(&self.init), &unit, span, 0, 0).unwrap()
        }

        fn sound(&self, samples: u64) -> Fragment {
            let frame = SoundFrame {
                time_us: 0,
                data: vec![0x21],
            };
            Fragment::sound(Arc::clone(&self.init), &[frame], samples, 0).unwrap()
        }

        /// Its number and its time, as they are sent.
        fn sent(&mut self, fragment: &Fragment) -> (u8, u64) {
            let mut head = Vec::new();
            self.numbers.head(fragment, &mut head);
            (head[23], u64::from_be_bytes(head[60..68].try_into().unwrap()))
        }
    }

    #[test]
    fn both_tracks_are_counted_from_one_instant() {
        let mut rig = Rig::new("");
        let picture = rig.picture(1000);
        assert!(!rig.numbers.has(&rig.sound(600)), "nothing is told yet");
        assert_eq!(rig.numbers.begin(&picture), rig.init.bytes(true));
        assert_eq!(rig.sent(&picture), (1, 10), "990 ticks are 528 samples");
        let sounds = [533, 534].map(|samples| rig.sound(samples));
        assert_eq!(
            sounds.each_ref().map(|sound| rig.numbers.has(sound)),
            [false, true]
        );
        assert_eq!(rig.sent(&sounds[1]), (2, 6));

        let mut rig = Rig::new("times=camera");
        rig.numbers.begin(&picture);
        assert_eq!((rig.sent(&picture), rig.sent(&sounds[1])), ((1, 1000), (2, 534)));
    }

    #[test]
    fn the_video_alone_begins_at_zero() {
        let mut rig = Rig::new("audio=0");
        let picture = rig.picture(1000);
        assert_eq!(rig.numbers.begin(&picture), rig.init.bytes(false));
        assert_eq!(rig.sent(&picture), (1, 0));
        assert!(!rig.numbers.has(&rig.sound(10_000)));
    }

    /// A recording of the video alone does not end where a microphone is plugged in.
    #[test]
    fn sound_that_comes_is_of_another_format_to_who_is_sent_it() {
        for (query, wanted) in [("", false), ("audio=0", true)] {
            let mut rig = Rig::new(query);
            let picture = rig.picture(1000);
            assert_eq!(rig.numbers.serves(&picture), None);
            let (parameters, with_sound) = (Arc::clone(&rig.init.parameters), Arc::clone(&rig.init));
            rig.init = Arc::new(Init::new(parameters, 0, None));
            let without = rig.picture(1000);
            rig.numbers.begin(&without);
            rig.init = with_sound;
            assert_eq!(rig.numbers.serves(&without), Some(true));
            assert_eq!(rig.numbers.serves(&picture), Some(wanted));
        }
    }

    /// As at the start: what is heard was captured with the first picture that is seen, or later.
    #[test]
    fn after_a_skip_there_is_no_sound_from_before_the_picture() {
        let mut rig = Rig::new("");
        let (first, next, sound) = (rig.picture(0), rig.picture(90_000), rig.sound(47_000));
        rig.numbers.begin(&first);
        rig.sent(&first);
        assert!(rig.numbers.has(&sound));
        rig.numbers.skip(0);
        rig.sent(&next);
        assert!(rig.numbers.has(&sound), "nothing was skipped");
        rig.numbers.skip(3);
        assert!(!rig.numbers.has(&rig.sound(90_000)), "before the picture");
        rig.sent(&next);
        assert!(!rig.numbers.has(&sound) && rig.numbers.has(&rig.sound(48_000)));
    }
}
