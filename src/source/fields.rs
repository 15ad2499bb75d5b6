//! Interlaced pictures: asked away where the driver can do without, warned of where it can't.
//!
//! Nothing here or in a browser takes the two fields of a picture apart: what moves has combed edges.

use super::input::Tuned;
use crate::sys::v4l2::{self, BufferKind, Layout, field};
use std::fs::File;

/// True if a buffer holds two fields, or one of them in turn.
fn is_interlaced(kind: u32) -> bool {
    !matches!(kind, field::ANY | field::NONE | field::TOP | field::BOTTOM)
}

/// Asks for whole pictures where a driver has set `wanted` with fields; else for one field of each picture, if that has the
/// wanted height, or else for the two in one picture.
pub(super) fn ask_away(file: &File, kind: BufferKind, wanted: &Layout, set: u32, signal: Option<&Tuned>) {
    let ask = |wish: u32| {
        let wanted = Layout {
            field: wish,
            ..*wanted
        };
        v4l2::set_layout(file, kind, &wanted).map_or(set, |got| got.field)
    };
    if !is_interlaced(set) || !is_interlaced(ask(field::NONE)) {
        return;
    }
    let half = signal.and_then(Tuned::lines).map_or(0, |lines| lines / 2);
    if wanted.format.height <= half && !is_interlaced(ask(field::TOP)) {
        return;
    }
    ask(field::INTERLACED);
}

/// The words for pictures with these fields, and what to do; None for whole ones.
pub(super) fn warning(kind: u32, signal: Option<&Tuned>) -> Option<String> {
    if !is_interlaced(kind) {
        return None;
    }
    let what = match signal.map_or(String::new(), Tuned::words) {
        words if words.is_empty() => "its pictures are interlaced".to_owned(),
        words => format!("the signal ({words}) is interlaced"),
    };
    let effect = match kind {
        field::ALTERNATE => "each picture is one field, half as high",
        field::SEQUENTIAL_TOP | field::SEQUENTIAL_BOTTOM => {
            "each picture has its two fields one above the other"
        }
        _ => "what moves has combed edges",
    };
    let remedy = match signal.and_then(Tuned::lines) {
        Some(lines) => format!(
            "height = {} asks for one field of each picture, if the driver can do that",
            lines / 2
        ),
        None => "set what is connected to a progressive mode, such as 1080p or 720p".to_owned(),
    };
    Some(format!("{what}: {effect}; {remedy}"))
}
