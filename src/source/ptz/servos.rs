//! Two servos at an I2C bus, behind Pimoroni's HAT or a PCA9685.

use super::head::{Act, Head, failed};
use super::{hat, pca9685};
use crate::config::{AxisKeys, HeadKind, PanTilt};
use crate::error::{Error, Result};
use crate::ptz::{Axis, Kind};
use crate::source::node::no_permission_as_shipped;
use crate::sys::i2c::Device;
use crate::sys::{self, Errno};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The pulses of the config are those at this, either way.
const PULSE_DEGREES: i32 = 90;
/// How far pan and tilt go where nothing is said of it: further a kit's tilt servo may press against its frame.
const LIMITS: [i32; 2] = [90, 45];
/// A transfer that went wrong is tried so many times in all, ...
const TRIES: u32 = 3;
/// ... and so long after each other.
const TRY_AGAIN: Duration = Duration::from_millis(10);
/// The time that the PCA9685's oscillator takes, and some more.
const OSCILLATOR: Duration = Duration::from_millis(5);

/// The two servos.
pub(super) struct Servos {
    device: Device,
    /// The bus's node.
    path: PathBuf,
    address: u8,
    is_hat: bool,
    keys: PanTilt,
    axes: [Axis; 2],
    /// Pulses were asked for, and not ended since.
    driven: bool,
}

/// The pulse for a place.
fn pulse_us(keys: &AxisKeys, place: i32) -> u16 {
    let (short, long) = (i32::from(keys.pulse_us.0), i32::from(keys.pulse_us.1));
    let place = if keys.invert { -place } else { place };
    let whole = 2 * PULSE_DEGREES * 1000;
    let from_short = place.clamp(-whole / 2, whole / 2) + whole / 2;
    // In steps that keep it within 32 bits: at most 180,000 times 2,200.
    (short + (from_short * (long - short) + whole / 2) / whole) as u16
}

/// The place that a pulse stands for, in whole tenths of a degree; None if it is none of the servo's.
fn place(keys: &AxisKeys, us: u16) -> Option<i32> {
    let (short, long) = (i32::from(keys.pulse_us.0), i32::from(keys.pulse_us.1));
    let steps = i32::from(us) - short;
    if !(0..=long - short).contains(&steps) {
        return None;
    }
    let tenths = 2 * PULSE_DEGREES * 10;
    let place = ((steps * tenths + (long - short) / 2) / (long - short) - tenths / 2) * 100;
    Some(if keys.invert { -place } else { place })
}

/// The axis of a servo, at a place that is not known.
fn axis(keys: &AxisKeys, limit: i32) -> Axis {
    let degrees = |wanted: Option<i16>, otherwise: i32| {
        let wanted = wanted.map_or(otherwise, i32::from);
        wanted.clamp(-PULSE_DEGREES, PULSE_DEGREES) * 1000
    };
    let (one, other) = (degrees(keys.min, -limit), degrees(keys.max, limit));
    let (min, max) = (one.min(other), one.max(other));
    Axis {
        kind: Kind::Absolute,
        min,
        max,
        home: (i32::from(keys.home) * 1000).clamp(min, max),
        step: 1000,
        value: None,
        target: None,
    }
}

/// Makes a transfer, and again if it went wrong.
fn patiently<T>(mut transfer: impl FnMut() -> sys::Result<T>) -> sys::Result<T> {
    let mut tries = 1;
    loop {
        match transfer() {
            Err(Errno::EIO | Errno::EAGAIN) if tries < TRIES => {
                tries += 1;
                thread::sleep(TRY_AGAIN);
            }
            answer => return answer,
        }
    }
}

/// The reason why a bus can't be used, or the device at this address, and what to do.
fn why(errno: Errno, path: &Path, address: u8) -> String {
    match errno {
        Errno::ENOENT => "there is no such bus: turn I2C on (sudo raspi-config nonint do_i2c 0), load its module (sudo modprobe \
             i2c-dev), or name another one (i2c_bus =)"
            .into(),
        Errno::EACCES | Errno::EPERM => no_permission_as_shipped(path, "i2c", "i2c"),
        Errno::EREMOTEIO | Errno::ENXIO | Errno::ENODEV => format!(
            "nobody answers at address {address:#04x}: is it plugged in, and does it have its power? (i2c_address =)"
        ),
        Errno::EBUSY => format!("a driver of the kernel has address {address:#04x}"),
        Errno::ETIMEDOUT => "the bus is stuck: look at the cable and at the power of the servos".into(),
        Errno::ENOTTY => "it is no I2C bus".into(),
        errno => sys::words(errno),
    }
}

impl Servos {
    /// Looks at what is there; nothing is written.
    ///
    /// # Errors
    /// The bus can't be used, or nobody answers.
    pub fn open(keys: &PanTilt) -> Result<Servos> {
        let is_hat = keys.head == HeadKind::Pimoroni;
        let address = keys.address();
        let path = PathBuf::from(format!("/dev/i2c-{}", keys.bus));
        let [pan, tilt] = &keys.axes;
        let axes = [axis(pan, LIMITS[0]), axis(tilt, LIMITS[1])];
        let device = Device::open(&path, address);
        let device = device.map_err(|errno| failed(&path.display(), None, &why(errno, &path, address)))?;
        let mut servos = Servos {
            device,
            path,
            address,
            is_hat,
            keys: keys.clone(),
            axes,
            driven: false,
        };
        for index in 0..servos.axes.len() {
            let pulse = servos
                .present_pulse(index)
                .map_err(|errno| servos.failed(None, errno))?;
            let Axis { min, max, .. } = servos.axes[index];
            let place = pulse.and_then(|us| place(&servos.keys.axes[index], us));
            servos.axes[index].value = place.filter(|place| (min..=max).contains(place));
        }
        Ok(servos)
    }

    fn failed(&self, axis: Option<usize>, errno: Errno) -> Error {
        failed(&self.path.display(), axis, &why(errno, &self.path, self.address))
    }

    /// The pulse that the servo was last given, if that can be told.
    fn present_pulse(&self, axis: usize) -> sys::Result<Option<u16>> {
        let device = &self.device;
        if self.is_hat {
            return patiently(|| device.word(hat::pulse(axis))).map(Some);
        }
        let byte = |register| patiently(|| device.byte(register));
        if !pca9685::runs(byte(pca9685::MODE1)?, byte(pca9685::PRESCALE)?) {
            return Ok(None);
        }
        let [low, high] = pca9685::off_registers(self.keys.axes[axis].channel);
        Ok(pca9685::pulse_us([byte(low)?, byte(high)?]))
    }

    fn drive(&mut self, axis: usize, us: u16) -> sys::Result<()> {
        let device = &self.device;
        // Whatever becomes of it.
        self.driven = true;
        let byte = |register| patiently(|| device.byte(register));
        let set_byte = |(register, byte)| patiently(|| device.set_byte(register, byte));
        if self.is_hat {
            let config = byte(hat::CONFIG)?;
            let driving = hat::driving(config, axis);
            if config != driving {
                set_byte((hat::CONFIG, driving))?;
            }
            return patiently(|| device.set_word(hat::pulse(axis), us));
        }
        if !pca9685::runs(byte(pca9685::MODE1)?, byte(pca9685::PRESCALE)?) {
            for step in pca9685::SET_UP {
                set_byte(step)?;
            }
            thread::sleep(OSCILLATOR);
            set_byte(pca9685::GO)?;
        }
        let (register, bytes) = pca9685::pulse(self.keys.axes[axis].channel, us);
        patiently(|| device.set_block(register, bytes))
    }

    fn end_pulses(&self) -> sys::Result<()> {
        let device = &self.device;
        if self.is_hat {
            let config = patiently(|| device.byte(hat::CONFIG))?;
            return patiently(|| device.set_byte(hat::CONFIG, hat::released(config)));
        }
        for axis in &self.keys.axes {
            let (register, bytes) = pca9685::release(axis.channel);
            patiently(|| device.set_block(register, bytes))?;
        }
        Ok(())
    }
}

impl Head for Servos {
    fn name(&self) -> String {
        let board = if self.is_hat { "Pan-Tilt HAT" } else { "PCA9685" };
        format!(
            "{board} at {}, address {:#04x}",
            self.path.display(),
            self.address
        )
    }

    fn axes(&self) -> [Option<Axis>; 3] {
        let [pan, tilt] = self.axes;
        [Some(pan), Some(tilt), None]
    }

    fn pace(&self) -> Option<i32> {
        Some(i32::from(self.keys.speed) * 1000)
    }

    fn act(&mut self, axis: usize, act: Act) -> Result<Option<i32>> {
        let (Act::To(place), Some(keys)) = (act, self.keys.axes.get(axis)) else {
            return Ok(None);
        };
        let us = pulse_us(keys, place);
        self.drive(axis, us)
            .map_err(|errno| self.failed(Some(axis), errno))?;
        Ok(Some(place))
    }

    fn release_after(&self) -> Option<Duration> {
        let rest = self.keys.release;
        (self.driven && !rest.is_zero()).then_some(rest)
    }

    fn release(&mut self) {
        // A bus that is lost keeps them driven, and nobody can change that.
        if self.driven && self.end_pulses().is_ok() {
            self.driven = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pulse_us: (u16, u16), invert: bool) -> AxisKeys {
        AxisKeys {
            pulse_us,
            invert,
            ..PanTilt::default().axes[0].clone()
        }
    }

    #[test]
    fn places_are_pulses() {
        for (pulses, invert, degrees, us) in [
            ((575, 2325), false, -90, 575),
            ((575, 2325), false, 0, 1450),
            ((575, 2325), false, 90, 2325),
            ((575, 2325), false, 10, 1547),
            ((575, 2325), true, 90, 575),
            ((575, 2325), true, -10, 1547),
            ((501, 2501), false, 45, 2001),
            ((400, 2600), false, 90, 2600),
            ((575, 2325), false, 180, 2325),
        ] {
            let keys = keys(pulses, invert);
            assert_eq!(pulse_us(&keys, degrees * 1000), us, "{degrees}");
            let back = place(&keys, us).unwrap();
            let error = (back - degrees.clamp(-90, 90) * 1000).abs();
            assert!(error <= 100, "{degrees}: {back}");
        }
        // As after a cold boot.
        for us in [0, 574, 2326, u16::MAX] {
            assert_eq!(place(&keys((575, 2325), false), us), None);
        }
    }

    #[test]
    fn limits_are_those_of_the_config_as_far_as_pulses_go() {
        let limits = |min, max, home| {
            let keys = AxisKeys {
                min,
                max,
                home,
                ..keys((575, 2325), false)
            };
            let axis = axis(&keys, 45);
            [axis.min, axis.home, axis.max].map(|place| place / 1000)
        };
        assert_eq!(limits(None, None, 0), [-45, 0, 45]);
        assert_eq!(limits(Some(-10), Some(60), 70), [-10, 60, 60]);
        assert_eq!(limits(Some(60), Some(-10), 0), [-10, 0, 60]);
        assert_eq!(limits(Some(-180), Some(180), -180), [-90, -90, 90]);
    }

    #[test]
    fn what_is_wrong_with_a_bus_is_said_with_the_way_out() {
        let keys = PanTilt {
            head: HeadKind::Pimoroni,
            bus: 255,
            ..PanTilt::default()
        };
        let text = Servos::open(&keys).err().unwrap().to_string();
        assert!(
            text.starts_with("/dev/i2c-255: the camera can't be turned: there is no such bus"),
            "{text}"
        );
        for word in ["raspi-config nonint do_i2c 0", "modprobe i2c-dev", "i2c_bus ="] {
            assert!(text.contains(word), "{text}");
        }
        for (errno, word) in [
            (Errno::EACCES, "no permission"),
            (Errno::EPERM, "SupplementaryGroups=i2c"),
            (Errno::EREMOTEIO, "nobody answers at address 0x15"),
            (Errno::ENODEV, "nobody answers at address 0x15"),
            (Errno::EBUSY, "a driver of the kernel has address 0x15"),
            (Errno::ETIMEDOUT, "stuck"),
            (Errno::ENOTTY, "no I2C bus"),
        ] {
            let text = why(errno, Path::new("/dev/null"), 0x15);
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_transfer_that_went_wrong_is_tried_again() {
        for (errno, tries) in [(Errno::EIO, 3), (Errno::EAGAIN, 3), (Errno::EREMOTEIO, 1)] {
            let mut made = 0;
            let outcome: sys::Result<()> = patiently(|| {
                made += 1;
                Err(errno)
            });
            assert_eq!((outcome, made), (Err(errno), tries));
        }
    }
}
