//! The controls of an open source, for a thread that reads, sets and follows them.

use super::camera::turns;
use super::unit::{Answers, CONFIG_PROBE, Field, H264, KINDS, UnitKind, stepped};
use super::v4l2::{all, items, not_allowed, read, write};
use super::value::{Item, Value, config_name, parse, show};
use crate::controls::{self, Wish, is_auto, same};
use crate::log_verbose;
use crate::source::node::open_device;
use crate::sys::poll::{PollFd, PollFlags};
use crate::sys::uvc::{self, ControlId, Query};
use crate::sys::v4l2::{self, Control, ctrl};
use crate::sys::{self, Errno};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A device whose controls can be set while its source is open.
pub struct ControlNode {
    /// A further descriptor of the open file: codecs have controls for each open file.
    pub file: File,
    /// Where the device can be opened once more, with events that are for us alone; `None` where its controls are of the file.
    pub path: Option<PathBuf>,
}

/// A control of one of the nodes.
struct Found {
    node: usize,
    class: String,
    control: Control,
    items: Vec<Item>,
    /// The unit and the field, if it is one.
    field: Option<(ControlId, &'static UnitKind, &'static Field)>,
}

/// The controls of an open source.
pub struct Operator {
    nodes: Vec<Node>,
    found: Vec<Found>,
    shown: Vec<controls::Control>,
    reported: Vec<String>,
}

struct Node {
    file: File,
    /// Its controls are those of the open file alone: it is an encoder.
    of_file: bool,
    /// Changes by others are reported.
    follows: bool,
}

/// What became of a value; the error is the end of a sentence.
pub type Outcome = std::result::Result<Done, String>;

/// A value was taken.
#[derive(Debug, PartialEq)]
pub enum Done {
    /// It is set to this, as it stands in a config.
    Set(String),
    /// A button was pressed.
    Pressed,
    /// It can be set to this when the source is opened anew.
    AtOpening(String),
}

impl Operator {
    /// Opens these devices, and looks at their controls.
    pub fn open(nodes: Vec<ControlNode>) -> Operator {
        let mut operator = Operator {
            nodes: Vec::new(),
            found: Vec::new(),
            shown: Vec::new(),
            reported: Vec::new(),
        };
        for ControlNode { file, path } in nodes {
            let number = |file: &File| file.metadata().ok().map(|it| it.rdev());
            let of_file = path.is_none();
            let own = path.and_then(|path| {
                let opened = open_device(&path);
                let opened = opened.inspect_err(|e| log_verbose!("{e}; changes by others are not seen"));
                // By now the path may be another camera's.
                Some(opened.ok()?.0).filter(|own| number(own) == number(&file))
            });
            let follows = own.is_some();
            let file = own.unwrap_or(file);
            operator.nodes.push(Node {
                file,
                of_file,
                follows,
            });
        }
        operator.look();
        operator
    }

    /// Finds all controls anew, with their values.
    pub fn look(&mut self) {
        self.found.clear();
        for node in 0..self.nodes.len() {
            let file = &self.nodes[node].file;
            let mut found = Vec::new();
            let mut class = String::new();
            for control in all(file) {
                if control.kind == ctrl::CLASS {
                    class = control.name;
                    continue;
                }
                let has = |flag| control.flags & flag != 0;
                let array = has(ctrl::FLAG_HAS_PAYLOAD) && control.kind != ctrl::STRING;
                // What turns a camera is the mover's: it stops what nobody holds any more.
                let turns = turns(&config_name(&control.name));
                if has(ctrl::FLAG_DISABLED) || array || turns || kind(&control).is_none() {
                    continue;
                }
                let own = self.nodes[node].of_file.then(|| "Encoder".into());
                found.push(Found {
                    node,
                    class: own.unwrap_or_else(|| class.clone()),
                    items: items(file, &control),
                    control,
                    field: None,
                });
            }
            if !self.nodes[node].of_file {
                found.extend(fields(file, node));
            }
            found.into_iter().for_each(|found| self.add(found));
        }
        self.shown = self.found.iter().map(|found| self.show(found)).collect();
    }

    /// Those that are in charge of others stand before them, within their class.
    fn add(&mut self, found: Found) {
        let name = |found: &Found| config_name(&found.control.name);
        if self.found.iter().any(|other| name(other) == name(&found)) {
            return;
        }
        let Node { file, follows, .. } = &self.nodes[found.node];
        if *follows && found.field.is_none() {
            // Where a device does not report it, a look at all shows it.
            _ = v4l2::subscribe_control(file, found.control.id);
        }
        let behind = |other: &Found| other.class == found.class && !is_auto(&name(other));
        let before = is_auto(&name(&found)).then(|| self.found.iter().position(behind));
        self.found
            .insert(before.flatten().unwrap_or(self.found.len()), found);
    }

    /// The controls as they were seen last.
    pub fn shown(&self) -> &[controls::Control] {
        &self.shown
    }

    fn show(&self, found: &Found) -> controls::Control {
        let Found { control, items, .. } = found;
        let has = |flag| control.flags & flag != 0;
        let value = match found.field {
            _ if has(ctrl::FLAG_WRITE_ONLY) || control.kind == ctrl::BUTTON => None,
            Some((id, _, field)) => uvc::get(&self.nodes[found.node].file, id, Query::Current)
                .ok()
                .and_then(|bytes| field.read(&bytes))
                .map(|number| Value::Number(number.into())),
            None => read(&self.nodes[found.node].file, control).ok(),
        };
        controls::Control {
            name: config_name(&control.name),
            label: control.name.clone(),
            class: found.class.clone(),
            kind: kind(control).unwrap_or_default(),
            min: control.minimum,
            max: control.maximum,
            step: i64::try_from(control.step).unwrap_or(i64::MAX),
            default: control.default,
            value: value.map(told).unwrap_or_default(),
            active: !has(ctrl::FLAG_INACTIVE),
            locked: has(ctrl::FLAG_GRABBED | ctrl::FLAG_MODIFY_LAYOUT),
            read_only: has(ctrl::FLAG_READ_ONLY),
            menu: items
                .iter()
                .map(|item| (item.number, item.text.clone()))
                .collect(),
            ..controls::Control::default()
        }
    }

    /// The events to wait for: changes by others.
    pub fn poll_files(&self) -> impl Iterator<Item = PollFd<'_>> {
        let follows = self.nodes.iter().filter(|node| node.follows);
        follows.map(|node| PollFd::new(node.file.as_fd(), PollFlags::POLLPRI))
    }

    /// Takes the reports of changes. Those of a device that is gone are not waited for any more.
    pub fn take_changes(&mut self) {
        for node in 0..self.nodes.len() {
            let mut changed: Vec<u32> = Vec::new();
            // A driver that has no end of them would hold us here.
            for _ in 0..=self.found.len() {
                if !self.nodes[node].follows {
                    break;
                }
                match v4l2::take_control_change(&self.nodes[node].file) {
                    Ok(id) => changed.extend(id),
                    Err(Errno::ENOENT) => break,
                    Err(_) => self.nodes[node].follows = false,
                }
            }
            for at in 0..self.found.len() {
                let Found {
                    node: of, control, ..
                } = &self.found[at];
                if *of == node && changed.contains(&control.id) {
                    self.refresh(at);
                    self.reported.push(self.shown[at].name.clone());
                }
            }
        }
    }

    /// Those of which a change by others was reported since the last call, as they are now.
    pub fn take_reported(&mut self) -> Vec<&controls::Control> {
        let reported = std::mem::take(&mut self.reported);
        let mut shown = Vec::new();
        shown.extend(self.shown.iter().filter(|it| reported.contains(&it.name)));
        shown
    }

    /// Reads one anew.
    fn refresh(&mut self, at: usize) {
        let found = &mut self.found[at];
        if found.field.is_none() {
            // What can't be asked for now is as it was.
            if let Ok(control) = v4l2::query_control(&self.nodes[found.node].file, found.control.id) {
                found.control = control;
            }
        }
        self.shown[at] = self.show(&self.found[at]);
    }

    fn position(&self, name: &str) -> Option<usize> {
        let mut names = self.shown.iter();
        let exactly = names.position(|shown| shown.name == name);
        exactly.or_else(|| self.shown.iter().position(|shown| same(&shown.name, name)))
    }

    /// True if this control is there, and no other is in charge of it.
    pub fn is_active(&self, name: &str) -> bool {
        self.position(name).is_some_and(|at| self.shown[at].active)
    }

    /// What a value of a config means to a control.
    pub fn meaning(&self, name: &str, text: &str) -> controls::Value {
        let found = self.position(name).map(|at| &self.found[at]);
        let parsed = found.and_then(|found| parse(&found.control, &found.items, text));
        parsed.map(|parsed| told(parsed.value)).unwrap_or_default()
    }

    /// True if a control that could be set so is set to something else.
    pub fn differs(&mut self, name: &str, text: &str) -> bool {
        let Some(at) = self.position(name) else {
            return false;
        };
        self.refresh(at);
        let volatile = self.found[at].control.flags & ctrl::FLAG_VOLATILE != 0;
        let (shown, wanted) = (&self.shown[at], self.meaning(name, text));
        let known = !volatile && shown.value != controls::Value::None && wanted != controls::Value::None;
        known && shown.active && shown.value != wanted
    }

    /// Sets a control; what the camera made of it is seen afterwards.
    ///
    /// # Errors
    /// The end of a sentence that begins with its name.
    pub fn set(&mut self, name: &str, wish: &Wish) -> Outcome {
        let at = self.position(name).ok_or("is not there any more")?;
        self.refresh(at);
        let shown = &self.shown[at];
        let Found {
            node,
            control,
            items,
            field,
            ..
        } = &self.found[at];
        let has = |flag| control.flags & flag != 0;
        if shown.read_only {
            return Err("can only be read".into());
        }
        if has(ctrl::FLAG_MODIFY_LAYOUT) {
            return Err("would change the layout of the pictures; set it in the config".into());
        }
        if has(ctrl::FLAG_GRABBED) {
            return Err("can't be set now: it is in use".into());
        }
        if !shown.active {
            return Err(self.in_charge(&shown.name));
        }
        let is_menu = !items.is_empty();
        let value = match wish {
            Wish::Number(number) if is_menu => {
                let there = items.iter().any(|item| item.number == *number);
                there.then_some(Value::Number(*number))
            }
            Wish::Number(number) => parse(control, items, &number.to_string()).map(|it| it.value),
            Wish::Text(text) => parse(control, items, text).map(|it| it.value),
            Wish::Reset if control.kind == ctrl::STRING => {
                return Err("has no default".into());
            }
            Wish::Reset => Some(Value::Number(control.default)),
        };
        let value = value.ok_or_else(|| not_allowed(control, items))?;
        let text = show(control, items, &value).replace("%%", "%");
        let (node, update) = (*node, has(ctrl::FLAG_UPDATE));
        let Node { file, follows, .. } = &self.nodes[node];
        match field {
            Some((_, kind, _)) if kind.selector == CONFIG_PROBE => return Ok(Done::AtOpening(text)),
            Some((id, _, field)) => {
                let mut bytes = uvc::get(file, *id, Query::Current).map_err(refused)?;
                if let Value::Number(number) = value {
                    field.write(&mut bytes, stepped(number, control) as u32);
                }
                uvc::set(file, *id, &bytes).map_err(refused)?;
            }
            None => write(file, control, items, &value)?,
        }
        let (pressed, all) = (control.kind == ctrl::BUTTON, update || !follows);
        for other in 0..self.found.len() {
            let found = &self.found[other];
            if other == at || all && found.node == node && found.field.is_none() {
                self.refresh(other);
            }
        }
        self.take_changes();
        Ok(if pressed { Done::Pressed } else { Done::Set(text) })
    }

    /// Why an inactive control is not set.
    fn in_charge(&self, name: &str) -> String {
        let mut others = self.shown.iter();
        let words = |other: &&controls::Control| {
            let mut words = name.split('_').filter(|word| word.len() > 3);
            is_auto(&other.name) && other.name != name && words.any(|word| other.name.contains(word))
        };
        let Some(other) = others.find(words) else {
            return "is inactive: another control (such as an automatic mode) is in charge of it".into();
        };
        let item = other
            .menu
            .iter()
            .find(|(number, _)| other.value == controls::Value::Number(*number));
        let how = item.map_or("on", |(_, label)| label);
        format!("is inactive while {} is {how}", other.name)
    }
}

/// True for what a camera has to be told before its format is set.
pub fn is_set_at_opening(name: &str) -> bool {
    name.starts_with(H264.prefix)
}

fn refused(errno: Errno) -> String {
    format!("not set: the camera's unit refuses it ({})", sys::words(errno))
}

/// The fields of a camera's extension units.
fn fields(file: &File, node: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for kind in KINDS {
        let Some(unit) = kind.unit(file) else { continue };
        let id = ControlId {
            unit,
            selector: kind.selector,
        };
        let Ok(answers) = Answers::ask(file, id) else {
            continue;
        };
        for field in kind.fields {
            let Some((mut control, items)) = answers.control(kind, field) else {
                continue;
            };
            if field.implied {
                control.flags |= ctrl::FLAG_READ_ONLY;
            }
            found.push(Found {
                node,
                class: format!("{} extension unit", kind.what),
                control,
                items,
                field: Some((id, kind, field)),
            });
        }
    }
    found
}

/// The word for a type; `None` for those that no client can set.
fn kind(control: &Control) -> Option<&'static str> {
    Some(match control.kind {
        ctrl::INTEGER | ctrl::INTEGER64 | ctrl::BITMASK => "int",
        ctrl::BOOLEAN => "bool",
        ctrl::MENU => "menu",
        ctrl::INTEGER_MENU => "intmenu",
        ctrl::BUTTON => "button",
        ctrl::STRING => controls::TEXT,
        _ => return None,
    })
}

/// A value as clients are told of it.
fn told(value: Value) -> controls::Value {
    match value {
        Value::Nothing => controls::Value::None,
        Value::Number(number) => controls::Value::Number(number),
        Value::Bytes(bytes) => {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            controls::Value::Text(String::from_utf8_lossy(text).into_owned())
        }
    }
}
