//! The language of control values: names and values as they stand in a config, and the words for what a control allows.
//! It knows no device: a control of an extension unit speaks it as well.
//!
//! Values are written as people do: booleans as yes or no, menus by their text or number, integer menus by
//! their value (or, if no item has it, by number), bitmasks in decimal or 0x..., arrays as one value for all
//! elements or as many as there are, with commas between.

use crate::config::nearest;
use crate::config::switch;
use crate::controls::{letters, other_names};
use crate::sys::v4l2::{Control, ctrl};

/// Elements of an array that are listed one by one.
pub(super) const LISTED_MAX: usize = 1024;

/// A control's name as it stands in a config: "Exposure Time, Absolute" is `exposure_time_absolute`.
pub(super) fn config_name(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().filter(|c| !",&(.)".contains(*c)) {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        };
        if c != '_' || !(out.is_empty() || out.ends_with('_')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

/// The control that a config means by this name.
pub(super) fn find<'a>(controls: &'a [Control], name: &str) -> Option<&'a Control> {
    let named = |name: &str| controls.iter().find(|c| letters(&c.name) == letters(name));
    named(name).or_else(|| other_names(name).find_map(named))
}

/// An item of a menu; in an integer menu the text is the value in decimal.
pub(super) struct Item {
    pub number: i64,
    pub text: String,
}

/// The end of a sentence on a name that no control of the device has.
pub(super) fn unknown(controls: &[Control], name: &str) -> String {
    let known: Vec<String> = controls
        .iter()
        .filter(|c| c.kind != ctrl::CLASS)
        .map(|c| config_name(&c.name))
        .collect();
    no_such(&known, name)
}

/// The end of a sentence on a name that is not among these.
pub(super) fn no_such(known: &[String], name: &str) -> String {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("; did you mean {near}?"),
        None if known.is_empty() => "; it has none at all".into(),
        None => "; fmp4streamer -l lists those that it has".into(),
    };
    format!("not set: there is no such control{hint}")
}

/// A control's value as the kernel takes it.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// Leave it alone: a button that is not to be pressed.
    Nothing,
    Number(i64),
    Bytes(Vec<u8>),
}

/// A value that was read from a config.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub value: Value,
    /// It is not what was written but the nearest that is allowed.
    pub clamped: bool,
}

/// Reads a value for `control` from a config; None if it means nothing to it.
pub(super) fn parse(control: &Control, items: &[Item], text: &str) -> Option<Parsed> {
    let exactly = |value| {
        Some(Parsed {
            value,
            clamped: false,
        })
    };
    if control.kind == ctrl::STRING {
        let fits = i64::try_from(text.len()).is_ok_and(|n| n <= control.maximum) && !text.contains('\0');
        return if fits {
            exactly(Value::Bytes([text.as_bytes(), b"\0"].concat()))
        } else {
            None
        };
    }
    if control.kind == ctrl::BUTTON {
        return exactly(if switch(text) == Some(false) {
            Value::Nothing
        } else {
            Value::Number(1)
        });
    }
    if control.flags & ctrl::FLAG_HAS_PAYLOAD == 0 {
        let (number, clamped) = number(control, items, text)?;
        return Some(Parsed {
            value: Value::Number(number),
            clamped,
        });
    }
    let width = element_bytes(control)?;
    let elements: Vec<(i64, bool)> = text
        .split(',')
        .map(|element| number(control, items, element.trim()))
        .collect::<Option<_>>()?;
    let dynamic = control.flags & ctrl::FLAG_DYNAMIC_ARRAY != 0;
    let count = if dynamic {
        elements.len()
    } else {
        control.elems as usize
    };
    let fits = match elements.len() {
        n if dynamic => n <= control.dims.first().map_or(0, |max| *max as usize),
        n => n == 1 || n == count,
    };
    if !fits {
        return None;
    }
    let mut bytes = Vec::new();
    for (element, _) in elements.iter().cycle().take(count) {
        bytes.extend(to_bytes(*element, width));
    }
    Some(Parsed {
        value: Value::Bytes(bytes),
        clamped: elements.iter().any(|(_, clamped)| *clamped),
    })
}

/// One value, and whether it had to be moved into the range.
pub(super) fn number(control: &Control, items: &[Item], text: &str) -> Option<(i64, bool)> {
    match control.kind {
        ctrl::BOOLEAN => switch(text).map(|b| (b.into(), false)),
        ctrl::MENU | ctrl::INTEGER_MENU => {
            let number = integer(text);
            let value = number.map(|n| n.to_string());
            items
                .iter()
                .find(|i| i.text == text)
                .or_else(|| items.iter().find(|i| i.text.eq_ignore_ascii_case(text)))
                .or_else(|| {
                    items
                        .iter()
                        .find(|i| control.kind == ctrl::INTEGER_MENU && Some(&i.text) == value.as_ref())
                })
                .or_else(|| items.iter().find(|i| Some(i.number) == number))
                .map(|item| (item.number, false))
        }
        ctrl::BITMASK => {
            let (wanted, mask) = (integer(text)?, i64::from(control.maximum as u32));
            Some((wanted & mask, wanted & !mask != 0))
        }
        ctrl::INTEGER | ctrl::INTEGER64 | ctrl::U8 | ctrl::U16 | ctrl::U32 => {
            let wanted = integer(text)?;
            // `clamp` panics if a driver has them the wrong way round.
            let inside = wanted.max(control.minimum).min(control.maximum);
            Some((inside, inside != wanted))
        }
        _ => None,
    }
}

fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|bits| bits as i64),
        None => text.parse().ok(),
    }
}

/// Bytes of an array's element; None for structures.
pub(super) fn element_bytes(control: &Control) -> Option<usize> {
    match control.kind {
        ctrl::U8 => Some(1),
        ctrl::U16 => Some(2),
        ctrl::INTEGER64 => Some(8),
        ctrl::U32 | ctrl::INTEGER | ctrl::BOOLEAN | ctrl::MENU | ctrl::BITMASK | ctrl::INTEGER_MENU => {
            Some(4)
        }
        _ => None,
    }
}

/// The low `width` bytes, in machine order.
fn to_bytes(number: i64, width: usize) -> Vec<u8> {
    match width {
        1 => (number as u8).to_ne_bytes().to_vec(),
        2 => (number as u16).to_ne_bytes().to_vec(),
        4 => (number as u32).to_ne_bytes().to_vec(),
        _ => number.to_ne_bytes().to_vec(),
    }
}

fn from_bytes(control: &Control, bytes: &[u8]) -> i64 {
    match (bytes, control.kind) {
        (&[a], _) => a.into(),
        (&[a, b], _) => u16::from_ne_bytes([a, b]).into(),
        (&[a, b, c, d], ctrl::U32 | ctrl::BITMASK) => u32::from_ne_bytes([a, b, c, d]).into(),
        (&[a, b, c, d], _) => i32::from_ne_bytes([a, b, c, d]).into(),
        (&[a, b, c, d, e, f, g, h], _) => i64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// A value as it is written in a config. ConfigParser's `%` is doubled there.
pub(super) fn show(control: &Control, items: &[Item], value: &Value) -> String {
    match value {
        Value::Nothing => "no".into(),
        Value::Number(number) => show_number(control, items, *number),
        Value::Bytes(bytes) if control.kind == ctrl::STRING => {
            let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).replace('%', "%%")
        }
        Value::Bytes(bytes) => {
            let Some(width) = element_bytes(control) else {
                return String::new();
            };
            let dynamic = control.flags & ctrl::FLAG_DYNAMIC_ARRAY != 0;
            // Each is the same as the next.
            let alike = !dynamic && bytes.get(width..).is_none_or(|rest| bytes.starts_with(rest));
            let most = if alike { 1 } else { LISTED_MAX };
            let shown = bytes.chunks(width).take(most);
            let shown = shown.map(|element| show_number(control, items, from_bytes(control, element)));
            shown.collect::<Vec<_>>().join(", ")
        }
    }
}

fn show_number(control: &Control, items: &[Item], number: i64) -> String {
    match control.kind {
        ctrl::BOOLEAN => if number == 0 { "no" } else { "yes" }.into(),
        ctrl::BITMASK => format!("0x{:08x}", number as u32),
        ctrl::MENU | ctrl::INTEGER_MENU => match items.iter().find(|item| item.number == number) {
            Some(item) if !item.text.is_empty() => item.text.replace('%', "%%"),
            _ => number.to_string(),
        },
        _ => number.to_string(),
    }
}

/// The type, range and default, such as "integer, 0 to 255, default 128".
pub(super) fn describe(control: &Control, items: &[Item]) -> String {
    let step = if control.step > 1 {
        format!(" in steps of {}", control.step)
    } else {
        String::new()
    };
    let range = format!("{} to {}{step}", control.minimum, control.maximum);
    let default = format!("default {}", show_number(control, items, control.default));
    let list = |item: &dyn Fn(&Item) -> String| {
        let list: Vec<String> = items.iter().map(item).collect();
        format!("one of {}; {default}", list.join(", "))
    };
    let one = match control.kind {
        ctrl::INTEGER | ctrl::U8 | ctrl::U16 | ctrl::U32 => format!("integer, {range}, {default}"),
        ctrl::INTEGER64 => format!("64-bit integer, {range}, {default}"),
        ctrl::BOOLEAN => format!("yes or no, {default}"),
        ctrl::MENU => list(&|item| format!("{} ({})", item.text, item.number)),
        ctrl::INTEGER_MENU => list(&|item| item.text.clone()),
        ctrl::BITMASK => format!("bits of 0x{:08x}, {default}", control.maximum as u32),
        ctrl::BUTTON => "button; pressed at each start unless the value is no".into(),
        ctrl::STRING => format!("text of {} to {} bytes", control.minimum, control.maximum),
        _ => return "a structure, which can't be written in a config".into(),
    };
    let count: Vec<String> = control.dims.iter().map(u32::to_string).collect();
    match control.flags & ctrl::FLAG_DYNAMIC_ARRAY != 0 {
        _ if control.dims.is_empty() => one,
        true => format!("up to {} of: {one}", count.join("x")),
        false => format!("array of {}, each: {one}", count.join("x")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: u32, minimum: i64, maximum: i64) -> Control {
        Control {
            id: 1,
            kind,
            name: "Some Control".into(),
            minimum,
            maximum,
            step: 1,
            default: minimum,
            flags: 0,
            elem_bytes: 4,
            elems: 1,
            dims: Vec::new(),
        }
    }

    fn array(kind: u32, elems: u32, flags: u32) -> Control {
        let flags = flags | ctrl::FLAG_HAS_PAYLOAD;
        Control {
            elems,
            dims: vec![elems],
            flags,
            ..control(kind, 0, 1000)
        }
    }

    fn menu(items: &[(i64, &str)]) -> Vec<Item> {
        items
            .iter()
            .map(|(number, text)| Item {
                number: *number,
                text: (*text).into(),
            })
            .collect()
    }

    fn number_of(control: &Control, items: &[Item], text: &str) -> Option<i64> {
        match parse(control, items, text)? {
            Parsed {
                value: Value::Number(number),
                clamped: false,
            } => Some(number),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn names_are_the_predecessors() {
        for (name, expected) in [
            ("Brightness", "brightness"),
            (
                "White Balance Temperature, Auto",
                "white_balance_temperature_auto",
            ),
            ("Exposure (Absolute)", "exposure_absolute"),
            ("Exposure Time, Absolute", "exposure_time_absolute"),
            ("H264 I-Frame Period", "h264_i_frame_period"),
            ("Pan & Tilt", "pan_tilt"),
            ("LED1 Mode.", "led1_mode"),
            ("Gain = 2", "gain_2"),
            ("(odd)", "odd"),
        ] {
            assert_eq!(config_name(name), expected, "{name}");
        }
    }

    #[test]
    fn old_and_new_names_both_find_the_control() {
        let named = |name: &str| Control {
            name: name.into(),
            ..control(ctrl::INTEGER, 0, 1)
        };
        let old = [
            named("Exposure, Auto"),
            named("Exposure (Absolute)"),
            named("White Balance Blue Component"),
        ];
        let new = [
            named("Auto Exposure"),
            named("Exposure Time, Absolute"),
            named("Blue Balance"),
            named("Gain/2"),
        ];
        for (name, in_old, in_new) in [
            ("exposure_auto", Some(0), Some(0)),
            ("auto_exposure", Some(0), Some(0)),
            ("exposure_absolute", Some(1), Some(1)),
            ("exposure_time_absolute", Some(1), Some(1)),
            ("white_balance_blue_component", Some(2), Some(2)),
            ("blue_balance", Some(2), Some(2)),
            ("gain_2", None, Some(3)),
            ("gain/2", None, Some(3)),
            ("gain", None, None),
        ] {
            let index = |list: &[Control]| find(list, name).and_then(|c| list.iter().position(|d| d == c));
            assert_eq!((index(&old), index(&new)), (in_old, in_new), "{name}");
        }
    }

    #[test]
    fn booleans_can_be_switched_off() {
        let c = control(ctrl::BOOLEAN, 0, 1);
        for text in ["yes", "On", "TRUE", "1"] {
            assert_eq!(number_of(&c, &[], text), Some(1), "{text}");
        }
        for text in ["no", "Off", "false", "0"] {
            assert_eq!(number_of(&c, &[], text), Some(0), "{text}");
        }
        for text in ["", "2", "maybe"] {
            assert_eq!(parse(&c, &[], text), None, "{text}");
        }
    }

    #[test]
    fn menus_by_text_or_number() {
        let c = control(ctrl::MENU, 0, 3);
        let items = menu(&[(0, "auto"), (1, "Auto"), (3, "50 Hz"), (4, "1")]);
        for (text, expected) in [
            ("Auto", Some(1)),
            ("auto", Some(0)),
            ("AUTO", Some(0)),
            ("50 hz", Some(3)),
            ("3", Some(3)),
            ("1", Some(4)),
        ] {
            assert_eq!(number_of(&c, &items, text), expected, "{text}");
        }
        assert_eq!(parse(&c, &items, "2"), None, "a hole in the numbers");
        assert_eq!(parse(&c, &items, "60 Hz"), None);
    }

    #[test]
    fn integer_menus_by_value_then_number() {
        let c = control(ctrl::INTEGER_MENU, 1, 3);
        let items = menu(&[(1, "10"), (2, "20"), (3, "2")]);
        for (text, expected) in [
            ("20", Some(2)),
            ("2", Some(3)),
            ("0x14", Some(2)),
            ("1", Some(1)),
            ("3", Some(3)),
        ] {
            assert_eq!(number_of(&c, &items, text), expected, "{text}");
        }
        assert_eq!(parse(&c, &items, "5"), None);
    }

    #[test]
    fn numbers_are_moved_into_the_range() {
        let c = control(ctrl::INTEGER, -10, 10);
        let clamped = |value| {
            Some(Parsed {
                value: Value::Number(value),
                clamped: true,
            })
        };
        assert_eq!(number_of(&c, &[], "-10"), Some(-10));
        assert_eq!(number_of(&c, &[], "+10"), Some(10));
        assert_eq!(number_of(&c, &[], "0x0a"), Some(10));
        assert_eq!(parse(&c, &[], "11"), clamped(10));
        assert_eq!(parse(&c, &[], "-11"), clamped(-10));
        assert_eq!(parse(&c, &[], "1.5"), None);
        assert_eq!(parse(&c, &[], ""), None);
        let wide = control(ctrl::INTEGER64, i64::MIN, i64::MAX);
        assert_eq!(number_of(&wide, &[], "-9223372036854775808"), Some(i64::MIN));
        assert_eq!(number_of(&wide, &[], "9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse(&wide, &[], "9223372036854775808"), None);
        let bits = control(
            ctrl::BITMASK,
            0,
            i64::from(i32::from_ne_bytes(0x8040_2010_u32.to_ne_bytes())),
        );
        assert_eq!(number_of(&bits, &[], "0x80000010"), Some(0x8000_0010));
        assert_eq!(parse(&bits, &[], "0x11"), clamped(0x10));
    }

    #[test]
    fn buttons_strings_and_arrays() {
        let value = |c: &Control, text: &str| parse(c, &[], text).map(|w| w.value);
        let button = control(ctrl::BUTTON, 0, 0);
        assert_eq!(value(&button, "yes"), Some(Value::Number(1)));
        assert_eq!(value(&button, "press"), Some(Value::Number(1)));
        assert_eq!(value(&button, "no"), Some(Value::Nothing));
        let string = control(ctrl::STRING, 0, 4);
        assert_eq!(value(&string, "abcd"), Some(Value::Bytes(b"abcd\0".to_vec())));
        assert_eq!(value(&string, "abcde"), None);
        let fixed = array(ctrl::U16, 3, 0);
        let bytes = |elements: &[u16]| {
            Some(Value::Bytes(
                elements.iter().flat_map(|e| e.to_ne_bytes()).collect(),
            ))
        };
        assert_eq!(value(&fixed, "7"), bytes(&[7, 7, 7]));
        assert_eq!(value(&fixed, "1, 2,3"), bytes(&[1, 2, 3]));
        assert_eq!(value(&fixed, "1, 2"), None);
        assert_eq!(value(&fixed, "1, 2, x"), None);
        assert!(parse(&fixed, &[], "1, 2, 1001").is_some_and(|w| w.clamped));
        let dynamic = array(ctrl::U16, 3, ctrl::FLAG_DYNAMIC_ARRAY);
        assert_eq!(value(&dynamic, "7"), bytes(&[7]));
        assert_eq!(value(&dynamic, "1, 2"), bytes(&[1, 2]));
        assert_eq!(value(&dynamic, "1, 2, 3, 4"), None);
        assert_eq!(value(&array(0x106, 1, 0), "1"), None, "a structure");
    }

    #[test]
    fn what_is_shown_is_what_is_read() {
        let items = menu(&[(0, "75% Colorbar"), (2, "")]);
        let c = control(ctrl::MENU, 0, 2);
        assert_eq!(show(&c, &items, &Value::Number(0)), "75%% Colorbar");
        assert_eq!(show(&c, &items, &Value::Number(2)), "2");
        let fixed = array(ctrl::U16, 3, 0);
        for text in ["7", "1, 2, 3", "7, 7, 8"] {
            let value = parse(&fixed, &[], text).unwrap().value;
            assert_eq!(show(&fixed, &[], &value), text);
        }
        let dynamic = array(ctrl::INTEGER64, 3, ctrl::FLAG_DYNAMIC_ARRAY);
        let value = parse(&dynamic, &[], "7, 7").unwrap().value;
        assert_eq!(show(&dynamic, &[], &value), "7, 7");
        assert_eq!(
            show(&control(ctrl::BITMASK, 0, -1), &[], &Value::Number(-2)),
            "0xfffffffe"
        );
        assert_eq!(
            show(
                &control(ctrl::STRING, 0, 9),
                &[],
                &Value::Bytes(b"a%b\0\0".to_vec())
            ),
            "a%%b"
        );
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let known = [Control {
            name: "Brightness".into(),
            ..control(ctrl::INTEGER, 0, 1)
        }];
        assert!(unknown(&known, "brigthness").contains("did you mean brightness?"));
        assert!(unknown(&known, "h264_profile").contains("fmp4streamer -l"));
        assert!(unknown(&[], "gain").contains("none at all"));
    }
}
