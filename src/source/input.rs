//! What comes in at a device from elsewhere, by HDMI, S-Video or a tuner: the input is selected, and set to the signal that
//! is found there.
//!
//! A webcam has one input and no signal to speak of. All calls here are optional for a driver: one that it does not know,
//! or that it answers oddly, leaves things as they are.

use super::edid;
use super::formats::short;
use super::node::{gone, start_failure};
use crate::config::{InputKeys, Standard};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::v4l2::{self, Fraction, Input, Timings, status};
use crate::sys::{self, Errno};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Inputs and standards that are asked for; a driver that never says "no more" would hold us.
const MOST: u32 = 64;
/// Two signals whose rates differ by less than this part are the same: 59.94 and 60 can't be told apart by all devices.
const RATE_ERROR: f64 = 0.005;

/// The bits of a standard: `V4L2_STD_*` of videodev2.h.
fn bits(standard: Standard) -> u64 {
    match standard {
        Standard::Pal => 0x00ff,
        Standard::PalM => 0x0100,
        Standard::PalN => 0x0600,
        Standard::Pal60 => 0x0800,
        Standard::Ntsc => 0xb000,
        Standard::Ntsc443 => 0x4000,
        Standard::Secam => 0x00ff_0000,
    }
}

/// The inputs of a device, in its order; none where its driver has no notion of them.
fn inputs(file: &File) -> Vec<Input> {
    (0..MOST)
        .map_while(|index| v4l2::enum_input(file, index).ok())
        .collect()
}

/// What an input is set to.
enum Form {
    Analogue(v4l2::Standard),
    Digital(Timings),
}

/// Why there is no signal that could be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    Unsteady,
    NotSupported,
}

/// An input that is set to its signal.
pub(super) struct Tuned {
    index: u32,
    /// Its name, for people.
    pub name: String,
    /// None for an input without a signal, as of a webcam, or where the driver can't tell.
    form: Option<Form>,
    /// The standard is the one that was found, and another one is to be followed.
    finds_standard: bool,
}

/// Selects the input that the config names, and sets the present one to the signal that it finds there; the device is to
/// report changes of that from here on. None for a device with one input that has no signal, such as a webcam. What can't be
/// had as wished is given to `warn`.
///
/// # Errors
/// There is no such input, no signal, or none that the device can take; or it is busy.
pub(super) fn tune(
    file: &File,
    path: &Path,
    keys: &InputKeys,
    warn: &mut dyn FnMut(String),
) -> Result<Option<Tuned>> {
    if let Some(wanted) = &keys.input {
        select(file, path, wanted)?;
    }
    let mut warn_of = |key: &str, why: &str| warn(format!("{}: {key} has no effect: {why}", path.display()));
    let input = present(file);
    let is = |has: fn(&Input) -> bool| input.as_ref().is_some_and(has);
    let (is_analogue, has_timings) = (is(|input| input.is_analogue), is(|input| input.has_timings));
    if keys.standard.is_some() && !is_analogue {
        warn_of("standard", "the present input is not an analogue one");
    }
    if keys.edid.is_some() && !has_timings {
        warn_of("edid", "the present input is no HDMI input");
    }
    let has_signal = is_analogue || has_timings;
    let Some(input) = input.filter(|_| has_signal || v4l2::enum_input(file, 1).is_ok()) else {
        return Ok(None);
    };
    // Before the signal is looked at, so that no change goes unseen between the two.
    if let (true, Err(errno)) = (has_signal, v4l2::subscribe_source_change(file, input.index)) {
        log_verbose!("{}: it reports no changes: {}", path.display(), sys::words(errno));
    }
    let form = if has_timings {
        if let Some(Err(why)) = keys.edid.as_ref().map(|edid| edid::tell(file, input.index, edid)) {
            warn_of("edid", &why);
        }
        tune_digital(file, path, &input)?.map(Form::Digital)
    } else if is_analogue {
        tune_analogue(file, path, &input, keys.standard, &mut warn_of)?.map(Form::Analogue)
    } else {
        None
    };
    Ok(Some(Tuned {
        index: input.index,
        name: input.name,
        form,
        finds_standard: keys.standard.is_none(),
    }))
}

/// The present input; None where the driver has no notion of inputs.
fn present(file: &File) -> Option<Input> {
    let index = v4l2::get_input(file).ok()?;
    v4l2::enum_input(file, index).ok()
}

/// Selects an input by its number or its name; the beginning of a name will do where there is one such name.
fn select(file: &File, path: &Path, wanted: &str) -> Result<()> {
    let tried = || format!("input = {wanted}");
    let all = inputs(file);
    let index = find(&all, wanted).ok_or_else(|| {
        let why = match all.as_slice() {
            [] => "it has no inputs to choose from; take the line out of its section".to_owned(),
            all => format!("no such input; it has {}", list(all)),
        };
        Error::new(path.display(), tried(), why)
    })?;
    if v4l2::get_input(file) == Ok(index) {
        return Ok(());
    }
    v4l2::set_input(file, index).map_err(|errno| failed(file, path, &tried(), errno))
}

fn find(all: &[Input], wanted: &str) -> Option<u32> {
    let is = |input: &&Input| input.name.eq_ignore_ascii_case(wanted);
    let begins = |input: &&Input| {
        let name = input.name.as_bytes().get(..wanted.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let number = wanted.parse().ok();
    let by_number = all.iter().find(|input| Some(input.index) == number);
    let mut by_beginning = all.iter().filter(begins);
    let found = by_number.or_else(|| all.iter().find(is)).or_else(|| {
        let first = by_beginning.next();
        first.filter(|_| by_beginning.next().is_none())
    });
    found.map(|input| input.index)
}

/// Inputs in one line: "0 (Webcam 0), 1 (TV 0)".
fn list(inputs: &[Input]) -> String {
    let each = inputs
        .iter()
        .map(|input| format!("{} ({})", input.index, input.name));
    each.collect::<Vec<_>>().join(", ")
}

fn failed(file: &File, path: &Path, tried: &str, errno: Errno) -> Error {
    let number = file.metadata().map_or(0, |m| m.rdev());
    Error::new(
        path.display(),
        format!("{tried}: can't be set"),
        start_failure(errno, number),
    )
    .absent(gone(errno))
}

/// Sets the timings of the signal that comes in; None where the device has no word on it at all.
fn tune_digital(file: &File, path: &Path, input: &Input) -> Result<Option<Timings>> {
    let found = digital(file).map_err(|trouble| no_signal(trouble, file, path, input, "what comes in"))?;
    let Some(timings) = found else {
        // Somebody may have set them.
        return Ok(v4l2::get_timings(file).ok());
    };
    v4l2::set_timings(file, &timings).map_err(|errno| match errno {
        Errno::EINVAL | Errno::ERANGE => {
            no_signal(Trouble::NotSupported, file, path, input, &words_of(&timings))
        }
        errno => failed(file, path, "the signal's timings", errno),
    })?;
    Ok(Some(timings))
}

/// The timings of the signal at the present input; None where the driver can't tell.
fn digital(file: &File) -> std::result::Result<Option<Timings>, Trouble> {
    match v4l2::query_timings(file) {
        // Drivers are known that say nothing so.
        Ok(timings) if timings.size() == (0, 0) => Err(Trouble::Nothing),
        Ok(timings) => Ok(Some(timings)),
        Err(Errno::ENOLINK) => Err(Trouble::Nothing),
        Err(Errno::ENOLCK) => Err(Trouble::Unsteady),
        Err(Errno::ERANGE) => Err(Trouble::NotSupported),
        Err(_) => Ok(None),
    }
}

/// The error for an input without a signal, or with `what`, which can't be served.
fn no_signal(trouble: Trouble, file: &File, path: &Path, input: &Input, what: &str) -> Error {
    let name = &input.name;
    let (tried, why) = match trouble {
        Trouble::Nothing => {
            let all = inputs(file);
            let hint = if input.has_timings && edid::is_untold(file, input.index) {
                "; many devices send nothing before an input told them what it takes: put edid = 1080p into its section"
                    .to_owned()
            } else if all.len() > 1 {
                format!("; the key input chooses another one: {}", list(&all))
            } else {
                String::new()
            };
            let why = format!(
                "nothing comes in at {name}; waiting for what is connected to it to be switched on{hint}"
            );
            ("no signal", why)
        }
        Trouble::Unsteady => (
            "no signal",
            format!("what comes in at {name} is not steady; waiting for it (another cable may help)"),
        ),
        Trouble::NotSupported => (
            "signal not supported",
            format!(
                "{name} can't take {what}; set what is connected to another mode, such as 1080p or 720p (the key edid \
                 tells it which there are)"
            ),
        ),
    };
    Error::new(path.display(), tried, why)
}

/// Sets the standard of the config, or the one that is found; None where the driver has no word on it.
fn tune_analogue(
    file: &File,
    path: &Path,
    input: &Input,
    wanted: Option<Standard>,
    warn_of: &mut dyn FnMut(&str, &str),
) -> Result<Option<v4l2::Standard>> {
    let mut set = |bits: u64| {
        let is = v4l2::get_standard(file).unwrap_or(0);
        // One of several that it may be is as good as any.
        if bits == 0 || is != 0 && is & !bits == 0 {
            return Ok(());
        }
        match v4l2::set_standard(file, bits) {
            Err(Errno::EBUSY) => return Err(failed(file, path, "the signal's standard", Errno::EBUSY)),
            Err(errno) if wanted.is_some() => warn_of("standard", &sys::words(errno)),
            Err(errno) => log_verbose!(
                "{}: can't set the standard: {}",
                path.display(),
                sys::words(errno)
            ),
            Ok(()) => {}
        }
        Ok(())
    };
    // Before the signal is looked at: there are devices that find it only then.
    set(wanted.map_or(0, bits))?;
    let found = analogue(file, input.index)
        .map_err(|trouble| no_signal(trouble, file, path, input, "what comes in"))?;
    if wanted.is_none() {
        set(found)?;
    }
    Ok(present_standard(file))
}

/// The standards that the signal at an analogue input may have; 0 if the driver can't tell.
fn analogue(file: &File, index: u32) -> std::result::Result<u64, Trouble> {
    let Ok(input) = v4l2::enum_input(file, index) else {
        return Ok(0);
    };
    let found = v4l2::query_standard(file).unwrap_or(0) & input.standards;
    // What is told from other standards is there, whatever the status says.
    let is_told = found != 0 && found != input.standards;
    match input.status {
        _ if is_told => Ok(found),
        s if s & (status::NO_POWER | status::NO_SIGNAL) != 0 => Err(Trouble::Nothing),
        s if s & (status::NO_H_LOCK | status::NO_SYNC) != 0 => Err(Trouble::Unsteady),
        _ => Ok(found),
    }
}

/// The standard that the present input is set to.
fn present_standard(file: &File) -> Option<v4l2::Standard> {
    v4l2::get_standard(file)
        .ok()
        .and_then(|bits| standard_of(file, bits))
}

/// The standard of the present input that has these bits.
fn standard_of(file: &File, bits: u64) -> Option<v4l2::Standard> {
    let all: Vec<_> = (0..MOST)
        .map_while(|index| v4l2::enum_standard(file, index).ok())
        .collect();
    let exactly = all.iter().find(|standard| standard.bits == bits);
    // A family's name is first, and those of its members follow.
    let first = || {
        all.iter()
            .find(|standard| bits != 0 && bits & !standard.bits == 0)
    };
    exactly.or_else(first).cloned()
}

/// "1920x1080p60": an interlaced one is named by its fields.
fn words_of(timings: &Timings) -> String {
    let (width, height) = timings.size();
    let (letter, per_frame) = if timings.is_interlaced() {
        ("i", 2.0)
    } else {
        ("p", 1.0)
    };
    let rate = timings
        .frame_rate()
        .map_or(String::new(), |fps| short(fps * per_frame));
    format!("{width}x{height}{letter}{rate}")
}

fn is_same(a: &Timings, b: &Timings) -> bool {
    let rate = match (a.frame_rate(), b.frame_rate()) {
        (Some(a), Some(b)) => (a - b).abs() <= a * RATE_ERROR,
        _ => true,
    };
    a.size() == b.size() && a.is_interlaced() == b.is_interlaced() && rate
}

/// Lines on the inputs of a device, the standard or timings that the present one is set to, and the signal there; none for
/// a device with one input that has no signal, such as a webcam. Nothing is set.
pub(super) fn lines(file: &File) -> Vec<String> {
    let all = inputs(file);
    let mut lines = Vec::new();
    if all.len() > 1 {
        lines.push(format!("Inputs: {}.", list(&all)));
    }
    let Some(input) = present(file) else { return lines };
    let (set, found) = if input.has_timings {
        let set = v4l2::get_timings(file).ok();
        (
            set.as_ref().map(words_of),
            digital(file).map(|found| found.as_ref().map(words_of)),
        )
    } else if input.is_analogue {
        let found = analogue(file, input.index);
        (
            present_standard(file).map(|standard| standard.name),
            found.map(|bits| standard_of(file, bits).map(|standard| standard.name)),
        )
    } else if all.len() > 1 {
        (None, Ok(None))
    } else {
        return lines;
    };
    let found = found.unwrap_or_else(|trouble| {
        let words = match trouble {
            Trouble::Nothing => "none",
            Trouble::Unsteady => "not steady",
            Trouble::NotSupported => "not supported",
        };
        Some(words.to_owned())
    });
    let part =
        |before: &str, words: Option<String>| words.map_or(String::new(), |words| [before, &words].concat());
    let (set, found) = (part(", set to ", set), part("; the signal there: ", found));
    lines.push(format!("Present input: {}{set}{found}.", input.name));
    lines
}

impl Tuned {
    /// The size of a digital signal, in pixels; an analogue one has none of its own.
    pub fn size(&self) -> Option<(u32, u32)> {
        match &self.form {
            Some(Form::Digital(timings)) => Some(timings.size()).filter(|size| *size != (0, 0)),
            _ => None,
        }
    }

    /// Frames a second of the signal.
    pub fn fps(&self) -> Option<f64> {
        match self.form.as_ref()? {
            Form::Digital(timings) => timings.frame_rate(),
            Form::Analogue(standard) => {
                let Fraction {
                    numerator,
                    denominator,
                } = standard.interval;
                (numerator != 0).then(|| f64::from(denominator) / f64::from(numerator))
            }
        }
    }

    /// The signal, for people: "1920x1080p60", "PAL"; empty if there is none.
    pub fn words(&self) -> String {
        match &self.form {
            Some(Form::Digital(timings)) => words_of(timings),
            Some(Form::Analogue(standard)) => standard.name.clone(),
            None => String::new(),
        }
    }

    /// Lines of an analogue picture that are seen (ITU-R BT.601), in both of its fields.
    pub fn lines(&self) -> Option<u32> {
        match self.form.as_ref()? {
            Form::Analogue(standard) if standard.lines > 525 => Some(576),
            Form::Analogue(_) => Some(480),
            Form::Digital(_) => None,
        }
    }

    /// Looks at the signal after a report of a change: drivers report more than there is.
    ///
    /// # Errors
    /// It is another one, or gone: the device is to be opened anew.
    pub fn check(&self, file: &File, path: &Path) -> Result<()> {
        let now = match &self.form {
            None => return Ok(()),
            Some(Form::Digital(set)) => match digital(file) {
                Ok(None) => return Ok(()),
                Ok(Some(now)) if is_same(set, &now) => return Ok(()),
                Ok(Some(now)) => Some(words_of(&now)),
                Err(_) => None,
            },
            Some(Form::Analogue(set)) => match analogue(file, self.index) {
                Ok(found) if !self.finds_standard || found == 0 || found & set.bits != 0 => return Ok(()),
                Ok(found) => standard_of(file, found).map(|standard| standard.name),
                Err(_) => None,
            },
        };
        let tried = format!("the signal at {} changed", self.name);
        let now = now.as_deref().unwrap_or("none");
        let why = format!("from {} to {now}; it starts anew", self.words());
        Err(Error::new(path.display(), tried, why).changed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(index: u32, name: &str) -> Input {
        Input {
            index,
            name: name.into(),
            standards: 0,
            status: 0,
            is_analogue: false,
            has_timings: false,
        }
    }

    #[test]
    fn an_input_is_found_by_its_number_or_its_name() {
        let names = ["Composite", "S-Video", "HDMI 0", "HDMI 1", "HDMI 10", "0"];
        let all: Vec<Input> = (0..).zip(names).map(|(index, name)| input(index, name)).collect();
        for (wanted, found) in [
            ("1", Some(1)),
            ("s-video", Some(1)),
            ("comp", Some(0)),
            ("HDMI 1", Some(3)),
            ("hdmi 10", Some(4)),
            // Which of three?
            ("HDMI", None),
            // A number is one.
            ("0", Some(0)),
            ("6", None),
            ("DVI", None),
            ("é", None),
        ] {
            assert_eq!(find(&all, wanted), found, "{wanted}");
        }
        assert_eq!(list(&all[..2]), "0 (Composite), 1 (S-Video)");
    }
}
