//! A camera that turns by controls of its own.

use super::head::{Act, Head, failed};
use crate::config::PanTilt;
use crate::error::{Error, Result};
use crate::ptz::{AXES, Axis, FULL_SPEED, Kind, ZOOM};
use crate::source::node::open_device;
use crate::sys;
use crate::sys::v4l2::{self, Control, ctrl};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The controls of each axis: where it is, at which speed it turns, by how much it is to turn, and home.
const CONTROLS: [[u32; 4]; 3] = [
    [
        ctrl::PAN_ABSOLUTE,
        ctrl::PAN_SPEED,
        ctrl::PAN_RELATIVE,
        ctrl::PAN_RESET,
    ],
    [
        ctrl::PAN_ABSOLUTE + 1,
        ctrl::PAN_SPEED + 1,
        ctrl::PAN_RELATIVE + 1,
        ctrl::PAN_RESET + 1,
    ],
    [ctrl::ZOOM_ABSOLUTE, ctrl::ZOOM_CONTINUOUS, 0, 0],
];

/// The whole zoom: in thousandths of a percent.
const WHOLE_ZOOM: i64 = 100_000;
/// The cameras that turn by steps have 64 of them a degree (Logitech's Orbit and Sphere).
const STEPS_A_DEGREE: i64 = 64;
/// The device is closed so long after a move: an open one is kept awake by its driver.
const CLOSE_AFTER: Duration = Duration::from_secs(2);

/// A camera with its axes. The device is open while it is moved, so that it may sleep, and go, otherwise.
pub(super) struct CameraHead {
    path: PathBuf,
    file: Option<File>,
    turns: [Option<Turn>; 3],
}

/// One axis, and what moves it.
struct Turn {
    axis: Axis,
    unit: Unit,
    control: Control,
    /// The control that was set last, to this.
    set: Option<i64>,
    reset: Option<Control>,
    invert: bool,
}

/// What a control's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Seconds of arc.
    Arc,
    /// From its least to its greatest number.
    Zoom,
    /// So many a degree.
    Steps,
    /// Up to its greatest number.
    Speed,
}

/// The numbers that the control takes.
fn range(control: &Control) -> (i64, i64) {
    match control.minimum < control.maximum {
        true => (control.minimum, control.maximum),
        // Whatever it says, it moves nothing.
        false => (control.minimum, control.minimum),
    }
}

/// A control's number for thousandths of a degree, of a percent, or of the full speed.
fn number(unit: Unit, control: &Control, thousandths: i32) -> i64 {
    let (min, max) = range(control);
    let wanted = i64::from(thousandths);
    let number = match unit {
        Unit::Arc => rounded(wanted * 18, 5),
        Unit::Zoom => min + rounded(wanted * (max - min), WHOLE_ZOOM),
        Unit::Steps => rounded(wanted * STEPS_A_DEGREE, 1000),
        Unit::Speed => {
            // There are drivers that have another least number than the greatest one with a minus.
            let number = rounded(wanted * max.max(1), i64::from(FULL_SPEED));
            let least = wanted.signum();
            return if number == 0 { least } else { number };
        }
    };
    let step = i64::try_from(control.step).unwrap_or(1).max(1);
    let steps = rounded(number.clamp(min, max) - min, step);
    match unit {
        // A step is to be one.
        Unit::Steps => number.clamp(min, max),
        _ => (min + steps * step).min(max),
    }
}

/// The thousandths for a control's number.
fn thousandths(unit: Unit, control: &Control, number: i64) -> i32 {
    let (min, max) = range(control);
    let value = match unit {
        Unit::Arc => rounded(number * 5, 18),
        Unit::Zoom => rounded((number - min) * WHOLE_ZOOM, (max - min).max(1)),
        Unit::Steps => rounded(number * 1000, STEPS_A_DEGREE),
        Unit::Speed => rounded(number * i64::from(FULL_SPEED), max.max(1)),
    };
    value.clamp(i64::from(-i32::MAX), i64::from(i32::MAX)) as i32
}

/// The quotient, rounded to the nearest whole number; the divisor is above 0.
fn rounded(number: i64, by: i64) -> i64 {
    (number + number.signum() * (by / 2)) / by
}

impl Turn {
    fn new(index: usize, keys: &PanTilt, find: &dyn Fn(u32) -> Option<Control>) -> Option<Turn> {
        let [absolute, speed, relative, reset] = CONTROLS[index];
        let place = if index == ZOOM { Unit::Zoom } else { Unit::Arc };
        let kinds = [
            (absolute, place, Kind::Absolute),
            (speed, Unit::Speed, Kind::Speed),
            (relative, Unit::Steps, Kind::Relative),
        ];
        let mut kinds = kinds.into_iter();
        let (control, unit, kind) = kinds.find_map(|(id, unit, kind)| Some((find(id)?, unit, kind)))?;
        let keys = keys.axes.get(index);
        let invert = keys.is_some_and(|keys| keys.invert);
        let signed = |number| {
            let value = thousandths(unit, &control, number);
            if invert { -value } else { value }
        };
        let (one, other) = match kind {
            Kind::Speed => (-FULL_SPEED, FULL_SPEED),
            _ => (signed(control.minimum), signed(control.maximum)),
        };
        let (mut min, mut max) = (one.min(other), one.max(other));
        if let (Some(keys), Kind::Absolute) = (keys, kind) {
            let limit = |degrees: Option<i16>| degrees.map(|degrees| i32::from(degrees) * 1000);
            let limits = (limit(keys.min).unwrap_or(min), limit(keys.max).unwrap_or(max));
            let (one, other) = (limits.0.clamp(min, max), limits.1.clamp(min, max));
            (min, max) = (one.min(other), one.max(other));
        }
        let home = match keys {
            Some(keys) => i32::from(keys.home) * 1000,
            None => signed(control.default),
        };
        let step = thousandths(
            unit,
            &control,
            range(&control).0 + control.step.min(1 << 31) as i64,
        );
        let axis = Axis {
            kind,
            min,
            max,
            home: home.clamp(min, max),
            step: match kind {
                Kind::Absolute => (step - thousandths(unit, &control, range(&control).0)).max(1),
                _ => 1000,
            },
            value: None,
            target: None,
        };
        Some(Turn {
            axis,
            unit,
            control,
            set: None,
            reset: find(reset),
            invert,
        })
    }

    /// Where it is, as the camera says.
    fn read(&mut self, file: &File) {
        if self.axis.kind == Kind::Absolute {
            let number = v4l2::get_number(file, &self.control).ok();
            let value = number.map(|number| thousandths(self.unit, &self.control, number));
            self.axis.value = value.map(|value| if self.invert { -value } else { value });
        }
    }

    fn act(&mut self, file: &File, act: Act) -> sys::Result<()> {
        let wanted = match act {
            Act::To(wanted) | Act::By(wanted) | Act::Speed(wanted) => wanted,
            Act::Home => match &self.reset {
                Some(reset) => return v4l2::set_number(file, reset, 1),
                None => return Ok(()),
            },
        };
        let wanted = if self.invert { -wanted } else { wanted };
        let number = number(self.unit, &self.control, wanted);
        let is_new = self.set != Some(number) || matches!(act, Act::By(_));
        if is_new {
            v4l2::set_number(file, &self.control, number)?;
            self.set = Some(number);
            self.read(file);
        }
        Ok(())
    }
}

impl CameraHead {
    /// Looks at what the camera has; None if nothing of it turns.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(keys: &PanTilt, path: &Path) -> Result<Option<CameraHead>> {
        let (file, _) = open_device(path)?;
        let find = |id: u32| {
            let control = v4l2::query_control(&file, id).ok().filter(|_| id != 0)?;
            let never = ctrl::FLAG_DISABLED | ctrl::FLAG_READ_ONLY;
            let is_number = [ctrl::INTEGER, ctrl::BUTTON].contains(&control.kind);
            (is_number && control.flags & never == 0).then_some(control)
        };
        let mut turns = [None, None, None];
        for (index, turn) in turns.iter_mut().enumerate() {
            *turn = Turn::new(index, keys, &find);
            if let Some(turn) = turn {
                turn.read(&file);
            }
        }
        let turns_any = turns.iter().any(Option::is_some);
        Ok(turns_any.then(|| CameraHead {
            path: path.to_owned(),
            file: None,
            turns,
        }))
    }

    fn failed(&self, axis: usize, errno: sys::Errno) -> Error {
        failed(&self.path.display(), Some(axis), &sys::words(errno))
    }
}

impl Head for CameraHead {
    fn name(&self) -> String {
        format!("the camera's own controls, {}", self.path.display())
    }

    fn axes(&self) -> [Option<Axis>; 3] {
        let mut axes = [None; AXES.len()];
        for (axis, turn) in axes.iter_mut().zip(&self.turns) {
            *axis = turn.as_ref().map(|turn| turn.axis);
        }
        axes
    }

    fn pace(&self) -> Option<i32> {
        None
    }

    fn act(&mut self, axis: usize, act: Act) -> Result<Option<i32>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open_device(&self.path)?.0,
        };
        let Some(turn) = self.turns.get_mut(axis).and_then(Option::as_mut) else {
            return Ok(None);
        };
        let done = turn.act(&file, act);
        let value = turn.axis.value;
        self.file = Some(file);
        done.map(|()| value).map_err(|errno| self.failed(axis, errno))
    }

    fn release_after(&self) -> Option<Duration> {
        self.file.as_ref().map(|_| CLOSE_AFTER)
    }

    fn release(&mut self) {
        let Some(file) = self.file.take() else { return };
        for turn in self.turns.iter_mut().flatten() {
            let turns = turn.axis.kind == Kind::Speed && turn.set.is_some_and(|set| set != 0);
            if turns && v4l2::set_number(&file, &turn.control, 0).is_ok() {
                turn.set = Some(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(id: u32, minimum: i64, maximum: i64, step: u64) -> Control {
        Control {
            id,
            kind: ctrl::INTEGER,
            name: String::new(),
            minimum,
            maximum,
            step,
            default: minimum,
            flags: 0,
            elem_bytes: 4,
            elems: 1,
            dims: Vec::new(),
        }
    }

    #[test]
    fn numbers_are_those_of_the_control() {
        let arc = control(1, -36_000, 36_000, 3600);
        let fine = control(1, -648_000, 648_000, 1);
        let zoom = control(1, 100, 500, 1);
        let orbit = control(1, -4480, 4480, 0);
        let speed = control(1, -1, 24, 1);
        for (unit, control, thousandths, expected) in [
            (Unit::Arc, &arc, 10_000, 36_000),
            (Unit::Arc, &arc, 1400, 3600),
            (Unit::Arc, &arc, 1600, 7200),
            (Unit::Arc, &arc, -90_000, -36_000),
            (Unit::Arc, &fine, 500, 1800),
            (Unit::Arc, &fine, -1, -4),
            (Unit::Zoom, &zoom, 0, 100),
            (Unit::Zoom, &zoom, 50_000, 300),
            (Unit::Zoom, &zoom, 100_000, 500),
            (Unit::Steps, &orbit, 5000, 320),
            (Unit::Steps, &orbit, -90_000, -4480),
            (Unit::Speed, &speed, 1000, 24),
            (Unit::Speed, &speed, -1000, -24),
            (Unit::Speed, &speed, 10, 1),
            (Unit::Speed, &speed, -10, -1),
            (Unit::Speed, &speed, 0, 0),
        ] {
            assert_eq!(
                number(unit, control, thousandths),
                expected,
                "{unit:?} {thousandths}"
            );
        }
        for (unit, control, number, expected) in [
            (Unit::Arc, &arc, -36_000, -10_000),
            (Unit::Arc, &fine, 1, 0),
            (Unit::Zoom, &zoom, 300, 50_000),
            (Unit::Steps, &orbit, 4480, 70_000),
            (Unit::Speed, &speed, 24, 1000),
            (Unit::Arc, &fine, i64::from(i32::MIN), -596_523_236),
        ] {
            assert_eq!(thousandths(unit, control, number), expected, "{unit:?} {number}");
        }
        // What makes no sense moves nothing, and divides by nothing.
        let broken = control(1, 5, 5, 0);
        for unit in [Unit::Arc, Unit::Zoom, Unit::Steps] {
            assert_eq!(number(unit, &broken, i32::MAX), 5);
            thousandths(unit, &broken, i64::from(i32::MAX));
        }
    }

    #[test]
    fn an_axis_is_what_the_camera_has() {
        let keys = PanTilt::default();
        let axis = |index, keys: &PanTilt, controls: &[Control]| {
            let find = |id| controls.iter().find(|control| control.id == id).cloned();
            Turn::new(index, keys, &find).map(|turn| turn.axis)
        };
        let (place, speed) = (
            control(ctrl::PAN_ABSOLUTE, -36_000, 36_000, 3600),
            control(ctrl::PAN_SPEED, -1, 1, 1),
        );
        let pan = axis(0, &keys, &[speed.clone(), place.clone()]).unwrap();
        assert_eq!(
            (pan.kind, pan.min, pan.max, pan.home, pan.step),
            (Kind::Absolute, -10_000, 10_000, 0, 1000)
        );
        assert_eq!(axis(1, &keys, &[speed.clone(), place.clone()]), None);
        let pan = axis(0, &keys, &[speed]).unwrap();
        assert_eq!((pan.kind, pan.min, pan.max), (Kind::Speed, -1000, 1000));
        let zoom = axis(ZOOM, &keys, &[control(ctrl::ZOOM_ABSOLUTE, 100, 500, 4)]).unwrap();
        assert_eq!((zoom.min, zoom.max, zoom.home, zoom.step), (0, 100_000, 0, 1000));
        let mut narrow = keys;
        (narrow.axes[0].min, narrow.axes[0].max, narrow.axes[0].home) = (Some(-5), Some(90), -9);
        let pan = axis(0, &narrow, &[place]).unwrap();
        assert_eq!((pan.min, pan.max, pan.home), (-5000, 10_000, -5000));
    }
}
