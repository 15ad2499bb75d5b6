//! What turns a camera, as its section says.

use super::values::{Refused, is_name, known, within};
use std::time::Duration;

/// What turns the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadKind {
    /// Nothing.
    No,
    /// The camera itself, if it has the controls.
    #[default]
    Camera,
    /// Pimoroni's Pan-Tilt HAT.
    Pimoroni,
    /// A board with the PCA9685, which makes the pulses for servos.
    Pca9685,
}

/// The keys of pan and tilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanTilt {
    /// What turns the camera.
    pub head: HeadKind,
    /// The number of the I2C bus.
    pub bus: u8,
    /// The address there, if it is not the usual one.
    pub address: Option<u8>,
    /// Pan and tilt.
    pub axes: [AxisKeys; 2],
    /// Degrees a second that servos are turned at.
    pub speed: u16,
    /// The rest after which servos are released; zero is never.
    pub release: Duration,
    /// Places that have a name: degrees of pan and tilt, percent of zoom where there is a third number.
    pub presets: Vec<(String, Vec<i16>)>,
}

/// The keys of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisKeys {
    /// The output of a PCA9685.
    pub channel: u8,
    /// The limits, in degrees; None is as far as it goes, and for servos as far as is mostly good.
    pub min: Option<i16>,
    /// The other one.
    pub max: Option<i16>,
    /// Where home is, in degrees.
    pub home: i16,
    /// It turns the other way.
    pub invert: bool,
    /// The pulses at -90 and at 90 degrees, in µs.
    pub pulse_us: (u16, u16),
}

impl Default for PanTilt {
    fn default() -> PanTilt {
        let axis = |channel| AxisKeys {
            channel,
            min: None,
            max: None,
            home: 0,
            invert: false,
            pulse_us: (575, 2325),
        };
        PanTilt {
            head: HeadKind::default(),
            bus: 1,
            address: None,
            axes: [axis(0), axis(1)],
            speed: 90,
            release: Duration::from_secs(2),
            presets: Vec::new(),
        }
    }
}

impl PanTilt {
    /// The address on the bus.
    pub fn address(&self) -> u8 {
        let is_hat = self.head == HeadKind::Pimoroni;
        self.address.unwrap_or(if is_hat { 0x15 } else { 0x40 })
    }

    /// True if pan and tilt are the same output of a PCA9685.
    pub(super) fn has_one_servo(&self) -> bool {
        let [pan, tilt] = &self.axes;
        self.head == HeadKind::Pca9685 && pan.channel == tilt.channel
    }

    /// True if a servo of this one is the other's, too. A PCA9685 has outputs for several cameras.
    pub(super) fn shares_servos_with(&self, other: &PanTilt) -> bool {
        let board = |keys: &PanTilt| match keys.head {
            HeadKind::No | HeadKind::Camera => None,
            HeadKind::Pimoroni | HeadKind::Pca9685 => Some((keys.bus, keys.address())),
        };
        let is_taken = |axis: &AxisKeys| other.axes.iter().any(|it| it.channel == axis.channel);
        let has_outputs = self.head == HeadKind::Pca9685 && other.head == HeadKind::Pca9685;
        board(self).is_some()
            && board(self) == board(other)
            && (!has_outputs || self.axes.iter().any(is_taken))
    }
}

/// Degrees from the middle; nothing leaves it open.
pub(super) fn degrees(text: &str) -> Result<Option<i16>, Refused> {
    match text {
        "" => Ok(None),
        _ => within(text, -180..=180).map(Some),
    }
}

/// The shortest and the longest pulse, as 575-2325.
pub(super) fn pulses(text: &str) -> Result<(u16, u16), Refused> {
    let (short, long) = known(text.split_once('-'))?;
    let pulses = (within(short, 400..=2600)?, within(long, 400..=2600)?);
    known((pulses.0 < pulses.1).then_some(pulses))
}

/// An address of 7 bits that a device may have, as 0x40; nothing is the usual one.
pub(super) fn i2c_address(text: &str) -> Result<Option<u8>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = known(text.strip_prefix("0x"))?;
    let address = u8::from_str_radix(digits, 16).ok();
    known(address.filter(|address| (0x08..=0x77).contains(address))).map(Some)
}

/// Places as NAME:PAN,TILT or NAME:PAN,TILT,ZOOM.
pub(super) fn presets(text: &str) -> Result<Vec<(String, Vec<i16>)>, Refused> {
    let mut presets: Vec<(String, Vec<i16>)> = Vec::new();
    for item in text.split_whitespace() {
        let (name, numbers) = known(item.split_once(':'))?;
        let mut places = Vec::new();
        for number in numbers.split(',') {
            places.push(within(number, -180..=180)?);
        }
        let is_new = presets.iter().all(|(other, _)| other != name);
        known((is_new && is_name(name) && (2..=3).contains(&places.len())).then_some(()))?;
        presets.push((name.into(), places));
    }
    Ok(presets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_and_their_outputs_are_told_apart() {
        use HeadKind::{Camera, No, Pca9685, Pimoroni};
        let keys = |head, bus, address, channels: [u8; 2]| {
            let mut keys = PanTilt {
                head,
                bus,
                address,
                ..PanTilt::default()
            };
            for (axis, channel) in keys.axes.iter_mut().zip(channels) {
                axis.channel = channel;
            }
            keys
        };
        let hat = keys(Pimoroni, 1, None, [0, 1]);
        let board = keys(Pca9685, 1, None, [0, 1]);
        for (one, other, shares) in [
            (&hat, keys(Pimoroni, 1, Some(0x15), [2, 3]), true),
            (&hat, keys(Pimoroni, 3, None, [0, 1]), false),
            (&hat, keys(Pimoroni, 1, Some(0x16), [0, 1]), false),
            (&hat, board.clone(), false),
            (&hat, keys(Pca9685, 1, Some(0x15), [4, 5]), true),
            (&hat, keys(No, 1, Some(0x15), [0, 1]), false),
            (&hat, keys(Camera, 1, Some(0x15), [0, 1]), false),
            (&board, keys(Pca9685, 1, Some(0x40), [2, 1]), true),
            (&board, keys(Pca9685, 1, None, [2, 3]), false),
            (&board, keys(Pca9685, 2, None, [0, 1]), false),
            (&keys(No, 1, None, [0, 1]), keys(No, 1, None, [0, 1]), false),
        ] {
            assert_eq!(one.shares_servos_with(&other), shares, "{one:?} {other:?}");
            assert_eq!(other.shares_servos_with(one), shares, "{other:?} {one:?}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        for (text, read) in [
            ("575-2325", Some((575, 2325))),
            ("400-2600", Some((400, 2600))),
            ("399-2600", None),
            ("400-2601", None),
            ("2325-575", None),
            ("1450-1450", None),
            ("1450", None),
            ("", None),
        ] {
            assert_eq!(pulses(text).ok(), read, "{text}");
        }
        for (text, read) in [
            ("", Some(None)),
            ("0x15", Some(Some(0x15))),
            ("0x7F", None),
            ("0x07", None),
            ("0x77", Some(Some(0x77))),
            ("15", None),
            ("0x", None),
            ("0x115", None),
        ] {
            assert_eq!(i2c_address(text).ok(), read, "{text}");
        }
        let door = || ("door".to_string(), vec![-30, 10]);
        for (text, read) in [
            ("", Some(vec![])),
            ("door:-30,10", Some(vec![door()])),
            (
                "door:-30,10\n bed:40,-5,50",
                Some(vec![door(), ("bed".into(), vec![40, -5, 50])]),
            ),
            ("door:-30,10 door:0,0", None),
            ("door:-30", None),
            ("door:1,2,3,4", None),
            ("door:1,2.5", None),
            ("door:181,0", None),
            ("Door:1,2", None),
            (":1,2", None),
            ("door", None),
        ] {
            assert_eq!(presets(text).ok(), read, "{text}");
        }
        for (text, read) in [
            ("", Some(None)),
            ("-180", Some(Some(-180))),
            ("181", None),
            ("1.5", None),
        ] {
            assert_eq!(degrees(text).ok(), read, "{text}");
        }
    }
}
