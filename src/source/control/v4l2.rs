//! The controls of a V4L2 device: set from the config, listed for pasting into it.

use super::uvcx;
use super::value::{
    Item, LISTED_MAX, Parsed, Value, config_name, describe, element_bytes, find, parse, show, unknown,
};
use crate::config::Setting;
use crate::sys::v4l2::{self, Control, ctrl};
use crate::sys::{self, Errno};
use std::fmt::Write as _;
use std::fs::File;

/// Items of a menu that are asked for; the longest in the kernel are well below.
const MENU_MAX: i64 = 512;

/// Every control and heading of the device, in its order.
pub(super) fn all(file: &File) -> Vec<Control> {
    let mut controls: Vec<Control> = Vec::new();
    while let Ok(control) = v4l2::next_control(file, controls.last().map_or(0, |c| c.id)) {
        // A driver that does not move on would hold us here.
        if controls.last().is_some_and(|last| control.id <= last.id) {
            break;
        }
        controls.push(control);
    }
    controls
}

pub(super) fn items(file: &File, control: &Control) -> Vec<Item> {
    if control.kind != ctrl::MENU && control.kind != ctrl::INTEGER_MENU {
        return Vec::new();
    }
    let last = control.maximum.min(control.minimum.saturating_add(MENU_MAX));
    let item = |number: i64| {
        let index = u32::try_from(number).ok()?;
        let text = if control.kind == ctrl::MENU {
            v4l2::menu_text(file, control.id, index).ok()?
        } else {
            v4l2::menu_integer(file, control.id, index).ok()?.to_string()
        };
        Some(Item { number, text })
    };
    (control.minimum..=last).filter_map(item).collect()
}

/// Sets what the config asks for, in its order; but what is inactive waits until the rest is set, since that may
/// be what makes it active (a manual exposure time before the line that turns the automatic off). Nothing
/// here is fatal: the answer is a sentence for each setting that did not go as written.
pub fn apply(file: &File, device: &str, settings: &[Setting]) -> Vec<String> {
    if settings.is_empty() {
        return Vec::new();
    }
    let controls = all(file);
    let mut troubles = Vec::new();
    for waits in [false, true] {
        for setting in settings {
            let Setting { name, value, place } = setting;
            let found = find(&controls, name);
            let inactive = found.is_some_and(|found| found.flags & ctrl::FLAG_INACTIVE != 0);
            if uvcx::is_field(name) || inactive != waits {
                continue;
            }
            if let Err(why) = set(file, &controls, setting) {
                troubles.push(format!("{place}: {device}: {name} = {value}: {why}"));
            }
        }
    }
    troubles
}

/// Sets one control; the error is the end of a sentence.
fn set(file: &File, controls: &[Control], setting: &Setting) -> std::result::Result<(), String> {
    let Some(found) = find(controls, &setting.name) else {
        return Err(unknown(controls, &setting.name));
    };
    // Other controls that were set just now may have changed the range.
    let control = v4l2::query_control(file, found.id).unwrap_or_else(|_| found.clone());
    let items = items(file, &control);
    if control.flags & (ctrl::FLAG_READ_ONLY | ctrl::FLAG_DISABLED) != 0 {
        return Err("not set: it can only be read".into());
    }
    let Parsed { value, clamped } =
        parse(&control, &items, &setting.value).ok_or_else(|| not_allowed(&control, &items))?;
    write(file, &control, &items, &value)?;
    if clamped {
        return Err(format!(
            "{} is set instead: allowed is {}",
            show(&control, &items, &value),
            describe(&control, &items)
        ));
    }
    if control.flags & ctrl::FLAG_INACTIVE != 0 {
        return Err(
            "has no effect now: another control (such as an automatic mode) is in charge of it".into(),
        );
    }
    let unreadable = ctrl::FLAG_WRITE_ONLY | ctrl::FLAG_VOLATILE;
    if let Value::Number(wanted) = value {
        if control.flags & unreadable == 0 && control.kind != ctrl::BUTTON {
            let got = v4l2::get_number(file, &control).unwrap_or(wanted);
            if got != wanted {
                return Err(format!(
                    "the camera took {} instead",
                    show(&control, &items, &Value::Number(got))
                ));
            }
        }
    }
    Ok(())
}

/// The end of a sentence on a value that a control can't have.
pub(super) fn not_allowed(control: &Control, items: &[Item]) -> String {
    format!("not set: allowed is {}", describe(control, items))
}

/// Gives a control a value; the error is the end of a sentence.
pub(super) fn write(
    file: &File,
    control: &Control,
    items: &[Item],
    value: &Value,
) -> std::result::Result<(), String> {
    let written = match value {
        Value::Nothing => Ok(()),
        Value::Number(number) => v4l2::set_number(file, control, *number),
        Value::Bytes(bytes) => v4l2::set_bytes(file, control, bytes),
    };
    written.map_err(|errno| match errno {
        Errno::ERANGE | Errno::EINVAL | Errno::E2BIG => not_allowed(control, items),
        Errno::EBUSY => "not set: another program has taken it".into(),
        _ if control.flags & ctrl::FLAG_INACTIVE != 0 => {
            "not set: another control (such as an automatic mode) is in charge of it".into()
        }
        _ => format!("not set: the camera refuses it ({})", sys::words(errno)),
    })
}

/// The value of a control that can be read.
pub(super) fn read(file: &File, control: &Control) -> crate::sys::Result<Value> {
    if control.kind == ctrl::STRING || control.flags & ctrl::FLAG_HAS_PAYLOAD != 0 {
        v4l2::get_bytes(file, control).map(Value::Bytes)
    } else {
        v4l2::get_number(file, control).map(Value::Number)
    }
}

/// The device's controls in the form of a config; what can't or should not be pasted is commented out. Empty if it has
/// none.
pub(super) fn list(file: &File) -> String {
    let mut out = String::new();
    for control in all(file).iter().filter(|c| c.flags & ctrl::FLAG_DISABLED == 0) {
        // Writing into a String can't fail.
        let _ = if control.kind == ctrl::CLASS {
            write!(out, "\n# == {} ==\n", control.name)
        } else {
            write!(out, "\n{}", entry(file, control))
        };
    }
    out
}

/// A control's lines in the list.
fn entry(file: &File, control: &Control) -> String {
    let items = items(file, control);
    let has = |flag: u32| control.flags & flag != 0;
    let value = if control.kind == ctrl::BUTTON {
        Ok(Value::Number(1))
    } else {
        read(file, control)
    };
    let button = control.kind == ctrl::BUTTON;
    let array = has(ctrl::FLAG_HAS_PAYLOAD) && control.kind != ctrl::STRING;
    // Whether it applies, and keeps the line from being pasted as it is.
    let remarks = [
        (
            button,
            true,
            "commented out, so that it is not pressed by accident",
        ),
        (array && element_bytes(control).is_none(), true, "not shown"),
        (
            array && control.elems as usize > LISTED_MAX,
            true,
            "too long to be shown",
        ),
        (has(ctrl::FLAG_READ_ONLY), true, "read-only"),
        (
            has(ctrl::FLAG_INACTIVE),
            true,
            "inactive: another control is in charge",
        ),
        (has(ctrl::FLAG_WRITE_ONLY) && !button, true, "can't be read"),
        (
            value.is_err() && !has(ctrl::FLAG_WRITE_ONLY),
            true,
            "can't be read just now",
        ),
        (has(ctrl::FLAG_GRABBED), false, "taken by another program now"),
        (has(ctrl::FLAG_VOLATILE), false, "changes by itself"),
    ];
    let mut words = String::new();
    let mut as_it_is = true;
    for (_, in_the_way, remark) in remarks.into_iter().filter(|(applies, ..)| *applies) {
        words += "; ";
        words += remark;
        as_it_is &= !in_the_way;
    }
    let shown = match (&value, control.kind) {
        (_, ctrl::BUTTON) => "yes".into(),
        (Ok(value), _) => show(control, &items, value),
        (Err(_), _) => String::new(),
    };
    // A text with a line break would be something else when pasted.
    as_it_is &= !shown.contains(['\n', '\r']);
    let comment = if as_it_is { "" } else { "# " };
    let shown = shown.replace(['\n', '\r'], " ");
    format!(
        "# {}{words}\n{comment}{} = {shown}\n",
        describe(control, &items),
        config_name(&control.name)
    )
}
