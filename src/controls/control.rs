//! One control as clients are told of it.

use crate::format::json::{self, Object};

/// The greatest number that every reader of JSON has exactly (RFC 8259, 6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// The type of a text.
pub const TEXT: &str = "text";

/// What a control is set to, or was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// Nothing that is known.
    #[default]
    None,
    /// A number; of a menu, that of its item.
    Number(i64),
    /// A text.
    Text(String),
}

impl Value {
    fn json(&self) -> String {
        match self {
            Value::None => "null".into(),
            Value::Number(number) if number.unsigned_abs() > EXACT_MAX => format!("\"{number}\""),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => json::quote(text),
        }
    }
}

/// A control, with all that the page needs to show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// Its name in a config.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// The heading that it stands under.
    pub class: String,
    /// `int`, `bool`, `menu`, `intmenu`, `button` or `text`.
    pub kind: &'static str,
    /// The least value; of a text, the least length.
    pub min: i64,
    /// The greatest value; of a text, the greatest length.
    pub max: i64,
    /// Steps between allowed values.
    pub step: i64,
    /// The driver's default; a text has none.
    pub default: i64,
    /// What it is set to.
    pub value: Value,
    /// It has an effect now: no other control is in charge of it.
    pub active: bool,
    /// It can't be set for now.
    pub locked: bool,
    /// It can't be set ever.
    pub read_only: bool,
    /// What a menu offers.
    pub menu: Vec<(i64, String)>,
    /// What the config sets it to.
    pub config: Value,
    /// What is kept for the next start.
    pub kept: Value,
}

impl Control {
    fn json(&self) -> String {
        let number = |number| Value::Number(number).json();
        let item = |(value, label): &(i64, String)| {
            Object::new()
                .member("value", number(*value))
                .text("label", label)
                .end()
        };
        let default = match self.kind {
            TEXT => Value::None,
            _ => Value::Number(self.default),
        };
        let menu: Vec<String> = self.menu.iter().map(item).collect();
        Object::new()
            .text("name", &self.name)
            .text("label", &self.label)
            .text("class", &self.class)
            .text("type", self.kind)
            .member("min", number(self.min))
            .member("max", number(self.max))
            .member("step", number(self.step))
            .member("default", default.json())
            .member("value", self.value.json())
            .member("active", self.active)
            .member("locked", self.locked)
            .member("read_only", self.read_only)
            .member("menu", json::array(&menu))
            .member("config", self.config.json())
            .member("kept", self.kept.json())
            .end()
    }
}

/// The controls as a JSON array.
pub fn list_json(controls: &[Control]) -> String {
    json::array(&controls.iter().map(Control::json).collect::<Vec<_>>())
}

/// What pages are told when these controls have changed.
pub fn values_json(controls: &[&Control]) -> String {
    let mut values = Object::new();
    for control in controls {
        let now = Object::new()
            .member("value", control.value.json())
            .member("active", control.active)
            .end();
        values.member(&control.name, now);
    }
    Object::new()
        .text("type", "controls")
        .member("values", values.end())
        .end()
}

#[cfg(test)]
mod tests {
    use super::{Control, Value, list_json, values_json};

    #[test]
    fn hostile_names_and_large_numbers_stay_json() {
        let control = Control {
            name: "a".into(),
            label: "\"</script>\\\n".into(),
            kind: "menu",
            max: i64::MAX,
            min: -(1 << 53),
            value: Value::Text("\u{0}é".into()),
            menu: vec![(3, "x\"".into())],
            kept: Value::Number((1 << 53) - 1),
            active: true,
            ..Control::default()
        };
        assert_eq!(
            list_json(std::slice::from_ref(&control)),
            r#"[{"name":"a","label":"\"</script>\\\u000a","class":"","type":"menu","min":"-9007199254740992","max":"9223372036854775807","step":0,"default":0,"value":"\u0000é","active":true,"locked":false,"read_only":false,"menu":[{"value":3,"label":"x\""}],"config":null,"kept":9007199254740991}]"#
        );
        assert_eq!(
            values_json(&[&control]),
            r#"{"type":"controls","values":{"a":{"value":"\u0000é","active":true}}}"#
        );
        assert_eq!(values_json(&[]), r#"{"type":"controls","values":{}}"#);
    }
}
