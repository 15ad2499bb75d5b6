//! Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.

use super::read::Value;
use super::write::{Object, array, quote, thousandths};

/// Any text may be read, and each text that is written is found again, as is what stands behind it. What was read is the
/// same when it is written and read once more, a number of thousandths too.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let written = Object::new().text("text", &text).member("number", 1).end();
    let read = Value::read(&written).unwrap_or(Value::Null);
    assert_eq!(read.member("text").and_then(Value::as_text), Some(&*text));
    assert_eq!(read.member("number"), Some(&Value::Int(1)), "{written}");
    assert_eq!(read.member("none"), None);
    if let Some(value) = Value::read(&text) {
        assert_eq!(Value::read(&again(&value)).as_ref(), Some(&value), "{text}");
    }
}

fn again(value: &Value) -> String {
    if let Some(number) = value.as_thousandths() {
        let read = Value::read(&thousandths(number)).and_then(|value| value.as_thousandths());
        assert_eq!(read, Some(number));
    }
    match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => number.clone(),
        Value::Text(text) => quote(text),
        Value::Array(values) => array(&values.iter().map(again).collect::<Vec<_>>()),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{}:{}", quote(name), again(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}
