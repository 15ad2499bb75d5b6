//! When a source that is lost is opened again: a function of what happened and of the time, and of nothing else.

use std::time::{Duration, Instant};

/// A device that can't be used is tried again after this.
pub(super) const DEVICE_RETRY: Duration = Duration::from_secs(1);
/// One that is not there is looked for when the kernel reports a node, and after this in any case.
pub(super) const ABSENT_RETRY: Duration = Duration::from_secs(5);
/// A node that came can be the system's own for so long, while udev sets its permissions: no word of what is
/// wrong with it until then, ...
const SETTLE: Duration = Duration::from_secs(1);
/// ... and a try as often as this.
pub(super) const SETTLE_RETRY: Duration = Duration::from_millis(100);
/// A command is started again after this, and after twice as long each time that it ends without a frame, ...
const COMMAND_RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const COMMAND_RETRY_MOST: Duration = Duration::from_secs(30);
/// A stream that can't be served is looked at again after this: somebody may have mended its source.
const REFUSED_RETRY: Duration = Duration::from_secs(10);
/// After a fault of this program it is tried again after this.
const FAULT_RETRY: Duration = Duration::from_secs(10);

/// The time until the pump's next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// It takes no longer than this.
    pub most: Duration,
    /// A first viewer ends it, but no sooner than this after its beginning.
    pub soonest: Duration,
}

impl Wait {
    /// While the camera sleeps.
    pub const ASLEEP: Wait = Wait {
        most: ABSENT_RETRY,
        soonest: Duration::ZERO,
    };
    /// After a stream was refused.
    pub const REFUSED: Wait = Wait {
        most: REFUSED_RETRY,
        soonest: COMMAND_RETRY,
    };
    /// After a signal changed, which it may do some more times before it is steady.
    pub const CHANGED: Wait = Wait {
        most: SETTLE_RETRY,
        soonest: SETTLE_RETRY,
    };
    /// After a fault of this program, which no viewer mends.
    pub const FAULT: Wait = Wait {
        most: FAULT_RETRY,
        soonest: FAULT_RETRY,
    };

    /// Until a source is tried again: who comes to watch is not kept waiting for the whole of a long time.
    fn retry(after: Duration) -> Wait {
        Wait {
            most: after,
            soonest: after.min(COMMAND_RETRY),
        }
    }
}

/// The presence of a device's node, as its last opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Away,
    /// It came back at that time, and can't be opened yet.
    Back(Instant),
}

/// How a source was lost, or could not be opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    /// The device is not there.
    pub absent: bool,
    /// The reason of an earlier loss is what viewers see.
    pub shown: bool,
    /// A watch reports when the device's node comes.
    pub watched: bool,
}

/// What is done about a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The reason is published. As long as a device is just away, the first reason stays.
    pub is_news: bool,
    pub wait: Wait,
}

/// What the last tries came to.
#[derive(Debug)]
pub(super) struct Retry {
    presence: Presence,
    /// The source is a command, as its last opening found.
    is_command: bool,
    /// A command's next retry.
    backoff: Duration,
}

impl Retry {
    /// Nothing was tried yet.
    pub fn new(is_command: bool) -> Retry {
        Retry {
            presence: Presence::There,
            is_command,
            backoff: COMMAND_RETRY,
        }
    }

    /// The source was opened, and turned out to be a command or not.
    pub fn opened(&mut self, is_command: bool) {
        (self.presence, self.is_command) = (Presence::There, is_command);
    }

    /// A frame came, or the camera slept: a command's retries begin anew.
    pub fn reset_backoff(&mut self) {
        self.backoff = COMMAND_RETRY;
    }

    /// The config names another source now.
    pub fn source_changed(&mut self) {
        (self.presence, self.backoff) = (Presence::There, COMMAND_RETRY);
    }

    /// False while the device is away, or was so a moment ago.
    pub fn is_there(&self) -> bool {
        self.presence == Presence::There
    }

    /// The source was lost, or could not be opened.
    pub fn lost(&mut self, loss: Loss, now: Instant) -> Verdict {
        let before = self.presence;
        self.presence = match before {
            _ if loss.absent => Presence::Away,
            Presence::Away => Presence::Back(now),
            Presence::Back(since) if now.saturating_duration_since(since) < SETTLE => before,
            _ => Presence::There,
        };
        let is_news = match self.presence {
            Presence::There => true,
            Presence::Away => !loss.shown || before == Presence::There,
            Presence::Back(_) => false,
        };
        let retry = match self.presence {
            Presence::Back(_) => SETTLE_RETRY,
            _ if self.is_command => {
                let retry = self.backoff;
                self.backoff = (self.backoff * 2).min(COMMAND_RETRY_MOST);
                retry
            }
            Presence::Away if loss.watched => ABSENT_RETRY,
            _ => DEVICE_RETRY,
        };
        Verdict {
            is_news,
            wait: Wait::retry(retry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens, each with the milliseconds since the start of its table.
    enum Event {
        /// Opened, as a command or not.
        Open(bool),
        /// A frame, or a sleep.
        Frame,
        /// The config is another one.
        Change,
        /// Lost, by the letters: `a`bsent, `s`hown, `w`atched. What is expected: news or not, and the retry in ms.
        Lost(&'static str, bool, u64),
    }
    use Event::{Change, Frame, Lost, Open};

    fn play(name: &str, is_command: bool, events: &[(u64, Event)]) {
        let start = Instant::now();
        let mut retry = Retry::new(is_command);
        for (at_ms, event) in events {
            match event {
                Open(is_command) => retry.opened(*is_command),
                Frame => retry.reset_backoff(),
                Change => retry.source_changed(),
                Lost(how, is_news, retry_ms) => {
                    let loss = Loss {
                        absent: how.contains('a'),
                        shown: how.contains('s'),
                        watched: how.contains('w'),
                    };
                    let verdict = retry.lost(loss, start + Duration::from_millis(*at_ms));
                    let after = Duration::from_millis(*retry_ms);
                    let wait = Wait {
                        most: after,
                        soonest: after.min(COMMAND_RETRY),
                    };
                    assert_eq!(
                        verdict,
                        Verdict {
                            is_news: *is_news,
                            wait
                        },
                        "{name}, {how} at {at_ms}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_device() {
        play(
            "one that can't be used is tried each second, and each reason is news",
            false,
            &[
                (0, Lost("w", true, 1000)),
                (1000, Lost("sw", true, 1000)),
                (2000, Open(false)),
                (9000, Lost("w", true, 1000)),
            ],
        );
        play(
            "one that is away is news once, and looked for seldom where a watch reports it",
            false,
            &[
                (0, Lost("aw", true, 5000)),
                (5000, Lost("asw", false, 5000)),
                (10_000, Lost("as", false, 1000)),
                // It was in between: "starts" is what viewers see.
                (11_000, Lost("aw", true, 5000)),
                (12_000, Open(false)),
                (13_000, Lost("asw", true, 5000)),
            ],
        );
        play(
            "one that comes back has a second for its permissions to settle",
            false,
            &[
                (0, Lost("aw", true, 5000)),
                (3000, Lost("sw", false, 100)),
                (3100, Lost("sw", false, 100)),
                (3999, Lost("sw", false, 100)),
                (4000, Lost("sw", true, 1000)),
                (5000, Lost("sw", true, 1000)),
            ],
        );
        play(
            "one that goes again while it settles is away, for the reason that is known",
            false,
            &[
                (0, Lost("aw", true, 5000)),
                (1000, Lost("sw", false, 100)),
                (1100, Lost("asw", false, 5000)),
                (1200, Lost("sw", false, 100)),
                (2100, Lost("sw", false, 100)),
                (2200, Lost("sw", true, 1000)),
            ],
        );
        play(
            "of another device nothing is known",
            false,
            &[
                (0, Lost("aw", true, 5000)),
                (100, Change),
                (200, Lost("s", true, 1000)),
            ],
        );
    }

    #[test]
    fn a_command() {
        play(
            "it is started again after twice as long each time, but for one that gave a frame",
            true,
            &[
                (0, Lost("", true, 1000)),
                (1000, Lost("s", true, 2000)),
                (3000, Open(true)),
                (3100, Lost("s", true, 4000)),
                (7100, Lost("s", true, 8000)),
                (15_100, Lost("s", true, 16_000)),
                (31_100, Lost("s", true, 30_000)),
                (61_100, Lost("s", true, 30_000)),
                (91_100, Open(true)),
                (91_200, Frame),
                (99_000, Lost("", true, 1000)),
                (99_100, Lost("s", true, 2000)),
                (99_200, Change),
                (99_300, Lost("", true, 1000)),
            ],
        );
        play(
            "a camera that nobody named can turn out to be one, and a device again",
            false,
            &[
                (0, Open(true)),
                (100, Lost("", true, 1000)),
                (200, Lost("s", true, 2000)),
                (300, Open(false)),
                (400, Lost("", true, 1000)),
                (500, Lost("s", true, 1000)),
            ],
        );
    }

    #[test]
    fn who_comes_is_not_kept_waiting_but_by_a_fault() {
        let second = Duration::from_secs(1);
        assert_eq!(
            [Wait::ASLEEP, Wait::REFUSED, Wait::CHANGED, Wait::FAULT].map(|wait| wait.soonest),
            [Duration::ZERO, second, second / 10, 10 * second]
        );
    }
}
