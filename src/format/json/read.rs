//! Reads JSON (RFC 8259) of a few kilobytes, as it comes from others.

use std::str::Chars;

/// Values may stand in one another this deep.
const DEPTH: u32 = 8;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, of 64 bits.
    Int(i64),
    /// Any other number, as it stands there.
    Decimal(String),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object: its members in their order, no two of one name.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a whole text; `None` if it is no JSON, or nests too deep.
    pub fn read(text: &str) -> Option<Value> {
        let mut reader = Reader(text.trim_start_matches(SPACE));
        let value = reader.value(DEPTH)?;
        reader.0.is_empty().then_some(value)
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        let Value::Object(members) = self else {
            return None;
        };
        let mut members = members.iter();
        members.find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The number as it stands, if it is one.
    pub fn as_number(&self) -> Option<String> {
        match self {
            Value::Int(number) => Some(number.to_string()),
            Value::Decimal(number) => Some(number.clone()),
            _ => None,
        }
    }

    /// The number in thousandths, cut off behind them and at the ends of an `i32`, if it is one.
    pub fn as_thousandths(&self) -> Option<i32> {
        let number = self.as_number()?;
        let (number, exponent) = number.split_once(['e', 'E']).unwrap_or((&number, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.get(..FRACTION_MAX).unwrap_or(fraction);
        let exponent: i32 = exponent.parse().unwrap_or(match exponent.starts_with('-') {
            true => -EXPONENT_MAX,
            false => EXPONENT_MAX,
        });
        let mut places = exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX) + 3 - fraction.len() as i32;
        let mut value = 0_i64;
        for digit in whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit) {
            value = value.saturating_mul(10).saturating_add((digit - b'0').into());
        }
        while places != 0 && value != 0 {
            let up = places > 0;
            value = if up { value.saturating_mul(10) } else { value / 10 };
            places += if up { -1 } else { 1 };
        }
        let value = i32::try_from(value).unwrap_or(i32::MAX);
        Some(if whole.starts_with('-') { -value } else { value })
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Beyond this an exponent makes no difference to what is told in thousandths, ...
const EXPONENT_MAX: i32 = 64;
/// ... nor do more digits of a fraction.
const FRACTION_MAX: usize = 9;

/// RFC 8259, 2.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// What is not read yet; it does not begin with white space.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// True if this came next; then it is behind us, with the white space after it.
    fn takes(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        if let Some(rest) = rest {
            self.0 = rest.trim_start_matches(SPACE);
        }
        rest.is_some()
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        Some(match self.0.bytes().next()? {
            b'{' => Value::Object(self.members(depth)?),
            b'[' => Value::Array(self.elements(depth)?),
            b'"' => Value::Text(self.string()?),
            b'n' => self.takes("null").then_some(Value::Null)?,
            b't' => self.takes("true").then_some(Value::Bool(true))?,
            b'f' => self.takes("false").then_some(Value::Bool(false))?,
            _ => self.number()?,
        })
    }

    fn members(&mut self, depth: u32) -> Option<Vec<(String, Value)>> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.list(['{', '}'], |reader| {
            let name = reader.string()?;
            let good = reader.takes(":") && members.iter().all(|(other, _)| *other != name);
            let value = good.then(|| reader.value(depth))??;
            members.push((name, value));
            Some(())
        })?;
        Some(members)
    }

    fn elements(&mut self, depth: u32) -> Option<Vec<Value>> {
        let mut elements = Vec::new();
        self.list(['[', ']'], |reader| {
            elements.push(reader.value(depth)?);
            Some(())
        })?;
        Some(elements)
    }

    /// Reads what stands between these brackets, with commas in between.
    fn list(&mut self, brackets: [char; 2], mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let [open, close] = brackets.map(String::from);
        if !self.takes(&open) {
            return None;
        }
        if self.takes(&close) {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.takes(",") {
                return self.takes(&close).then_some(());
            }
        }
    }

    /// 7
    fn string(&mut self) -> Option<String> {
        let mut rest = self.0.strip_prefix('"')?.chars();
        let mut text = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\\' => text.push(match rest.next()? {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => escaped(&mut rest)?,
                    other @ ('"' | '\\' | '/') => other,
                    _ => return None,
                }),
                control if control < ' ' => return None,
                other => text.push(other),
            }
        }
        self.0 = rest.as_str().trim_start_matches(SPACE);
        Some(text)
    }

    /// 6
    fn number(&mut self) -> Option<Value> {
        let end = self
            .0
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let (text, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        let rest_of_number = text.strip_prefix('-').unwrap_or(text);
        let (whole, behind) = digits(rest_of_number);
        let one_zero = whole == "0" || !whole.starts_with('0');
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(fraction) => digits(fraction),
            None => ("0", behind),
        };
        let exponent = behind
            .strip_prefix(['e', 'E'])
            .map(|it| it.strip_prefix(['+', '-']).unwrap_or(it));
        let (exponent, behind) = exponent.map_or(("0", behind), digits);
        let good = one_zero && ![whole, fraction, exponent].contains(&"") && behind.is_empty();
        self.0 = rest.trim_start_matches(SPACE);
        let number = || {
            text.parse()
                .map_or_else(|_| Value::Decimal(text.into()), Value::Int)
        };
        good.then(number)
    }
}

/// The digits that a text begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The character of four digits behind `\u`, or of two such escapes (RFC 8259, 7).
fn escaped(rest: &mut Chars<'_>) -> Option<char> {
    let first = unit(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first.into());
    }
    *rest = rest.as_str().strip_prefix("\\u")?.chars();
    char::decode_utf16([first, unit(rest)?]).next()?.ok()
}

/// Four hexadecimal digits.
fn unit(rest: &mut Chars<'_>) -> Option<u16> {
    let (digits, behind) = rest.as_str().split_at_checked(4)?;
    let good = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    *rest = behind.chars();
    u16::from_str_radix(digits, 16).ok().filter(|_| good)
}

#[cfg(test)]
mod tests {
    use super::Value::{self, Array, Bool, Decimal, Int, Null, Object, Text};

    #[test]
    fn values_are_read() {
        for (text, value) in [
            (" null ", Null),
            ("true", Bool(true)),
            ("false\n", Bool(false)),
            ("0", Int(0)),
            ("-9223372036854775808", Int(i64::MIN)),
            ("9223372036854775807", Int(i64::MAX)),
            ("9223372036854775808", Decimal("9223372036854775808".into())),
            ("-0.5e-1", Decimal("-0.5e-1".into())),
            ("1E2", Decimal("1E2".into())),
            (
                r#""a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00é""#,
                Text("a\"\\/\u{8}\u{c}\n\r\tä😀é".into()),
            ),
            ("[]", Array(vec![])),
            (
                "[1, [2],\"\"]",
                Array(vec![Int(1), Array(vec![Int(2)]), Text(String::new())]),
            ),
            ("{}", Object(vec![])),
            (
                "{\"a\" : {\"b\":null}}",
                Object(vec![("a".into(), Object(vec![("b".into(), Null)]))]),
            ),
        ] {
            assert_eq!(Value::read(text), Some(value), "{text}");
        }
        let value = Value::read(r#"{"a":1.5,"b":"x"}"#).unwrap();
        assert_eq!(value.member("a"), Some(&Decimal("1.5".into())));
        assert_eq!(value.member("b").and_then(Value::as_text), Some("x"));
        assert_eq!(value.member("c"), None);
    }

    #[test]
    fn numbers_are_thousandths() {
        for (text, thousandths) in [
            ("0", Some(0)),
            ("-90", Some(-90_000)),
            ("10.5", Some(10_500)),
            ("-0.0019", Some(-1)),
            ("1e1", Some(10_000)),
            ("1.25E-1", Some(125)),
            ("5e-324", Some(0)),
            ("1e99999999999", Some(i32::MAX)),
            ("-1e-99999999999", Some(0)),
            ("0e99999999999", Some(0)),
            ("-9223372036854775809", Some(-i32::MAX)),
            ("2147483.647", Some(i32::MAX)),
            ("true", None),
            ("\"1\"", None),
        ] {
            assert_eq!(Value::read(text).unwrap().as_thousandths(), thousandths, "{text}");
        }
        let long = format!("0.{}", "1".repeat(4000));
        assert!(Value::read(&long).unwrap().as_thousandths().is_some());
    }

    #[test]
    fn members_are_found() {
        let text = r#" { "a" : 1, "text":"x,\"b\":2", "b": "\\", "c":null } "#;
        let value = Value::read(text).unwrap();
        assert_eq!(value.member("a").and_then(Value::as_number).unwrap(), "1");
        assert_eq!(value.member("text").and_then(Value::as_text), Some("x,\"b\":2"));
        assert_eq!(value.member("b").and_then(Value::as_text), Some("\\"));
        assert_eq!(value.member("c"), Some(&Null));
        for (text, name) in [(text, "d"), ("{}", "a"), ("", "a"), ("[1]", "a"), ("{a:1}", "a")] {
            let value = Value::read(text);
            assert_eq!(
                value.as_ref().and_then(|value| value.member(name)),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "+1",
            "01",
            "-",
            "-01",
            ".5",
            "1.",
            "1.e1",
            "1e",
            "inf",
            "NaN",
            "1e+",
            "1.5.5",
            "1e1.5",
            "0x1",
            "1 2",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83d\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\u0041\"",
            "\"\\udc00\"",
            "\"\\u+123\"",
            "[",
            "]",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":2}",
            "{\"a\" 1}",
            "{1:2}",
            "'a'",
            "//",
            "[1]]",
            "\u{feff}1",
        ] {
            assert_eq!(Value::read(text), None, "{text:?}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Value::read(&nested(8)).is_some());
        assert_eq!(Value::read(&nested(9)), None);
        assert_eq!(Value::read(&"[".repeat(1_000_000)), None);
    }
}
