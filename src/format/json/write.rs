//! Writes JSON objects.

use std::fmt::{Display, Write};
use std::mem;

/// A JSON object being written.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// An object without members.
    #[allow(clippy::new_without_default)] // nobody has a use for it
    pub fn new() -> Object {
        Object("{".into())
    }

    /// Adds a member whose value is JSON as it stands.
    pub fn member(&mut self, name: &str, value: impl Display) -> &mut Object {
        self.add(name, &value)
    }

    /// Serves all types of values alike, so that its code is in the program once.
    fn add(&mut self, name: &str, value: &dyn Display) -> &mut Object {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // Writing to a String can't fail.
        _ = write!(self.0, "{comma}\"{name}\":{value}");
        self
    }

    /// Adds a member whose value is a string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Object {
        self.add(name, &quote(value))
    }

    /// Adds a member whose value is a string, or `null`.
    pub fn text_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Object {
        self.add(name, &or_null(value.map(quote)))
    }

    /// Adds a member whose value is a number, or `null`.
    pub fn number_or_null(&mut self, name: &str, value: Option<u64>) -> &mut Object {
        self.add(name, &or_null(value.map(|value| value.to_string())))
    }

    /// The text of the whole object, which is empty from then on.
    pub fn end(&mut self) -> String {
        self.0.push('}');
        mem::take(&mut self.0)
    }
}

/// An array of values that are JSON as they stand.
pub fn array(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}

/// A number with a decimal point before its last `digits` digits.
pub fn decimal(number: u64, digits: usize) -> String {
    let scale = 10_u64.pow(digits as u32);
    format!("{}.{:0digits$}", number / scale, number % scale)
}

/// A number of thousandths, as a number without needless zeros.
pub fn thousandths(number: i32) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let digits = decimal(number.unsigned_abs().into(), 3);
    format!("{sign}{}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// The value, or `null`.
pub fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".into())
}

/// A string in quotes (RFC 8259, 7).
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Object, array, quote, thousandths};

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quote("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\u000ad\\u0001é\"");
    }

    #[test]
    fn thousandths_are_numbers() {
        for (number, text) in [
            (0, "0"),
            (1, "0.001"),
            (-500, "-0.5"),
            (90_000, "90"),
            (-10_010, "-10.01"),
            (i32::MIN, "-2147483.648"),
        ] {
            assert_eq!(thousandths(number), text);
        }
    }

    #[test]
    fn objects_nest() {
        let inner = Object::new().text("a", "b").end();
        let outer = Object::new().member("n", 1).member("list", array(&[inner])).end();
        assert_eq!(outer, r#"{"n":1,"list":[{"a":"b"}]}"#);
    }
}
