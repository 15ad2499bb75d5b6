//! Reading boxes: for tests, fuzzing and benches, which judge what the writer made.

use std::fmt;

/// Deepest nesting that is followed. Ours is seven: moov/trak/mdia/minf/stbl/stsd/avc1.
const MAX_DEPTH: usize = 12;

/// One box, as [`walk`] met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its type and those of the boxes around it, as in "moov/trak/tkhd". Bytes but letters, digits and
    /// spaces are `?`.
    pub path: String,
    /// All of it, with its size and type.
    pub whole: &'a [u8],
    /// The bytes behind its size and type.
    pub body: &'a [u8],
}

/// Bytes that are not a sequence of boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The box around the place, empty at the top.
    pub path: String,
    /// The fault, in words.
    pub why: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {:?}: {}", self.path, self.why)
    }
}

impl std::error::Error for Broken {}

/// All boxes in `data`, each before those in it.
///
/// # Errors
/// Somewhere the boxes don't fill the box around them exactly, or nest too deep.
pub fn walk(data: &[u8]) -> Result<Vec<Found<'_>>, Broken> {
    let mut found = Vec::new();
    walk_into(data, "", 0, &mut found)?;
    Ok(found)
}

/// The body of the first box at `path`, such as "moov/trak/tkhd".
pub fn find<'a>(data: &'a [u8], path: &str) -> Option<&'a [u8]> {
    walk(data)
        .ok()?
        .into_iter()
        .find(|found| found.path == path)
        .map(|found| found.body)
}

fn walk_into<'a>(
    data: &'a [u8],
    parent: &str,
    depth: usize,
    found: &mut Vec<Found<'a>>,
) -> Result<(), Broken> {
    let broken = |why| Broken {
        path: parent.to_string(),
        why,
    };
    if depth == MAX_DEPTH {
        return Err(broken("too deep"));
    }
    let mut rest = data;
    while !rest.is_empty() {
        let (kind, body, after) =
            split_box(rest).ok_or_else(|| broken("a box is cut short or has no right size"))?;
        let whole = &rest[..rest.len() - after.len()];
        rest = after;
        let name: String = kind
            .iter()
            .map(|&c| {
                if c.is_ascii_alphanumeric() || c == b' ' {
                    c as char
                } else {
                    '?'
                }
            })
            .collect();
        let path = if parent.is_empty() {
            name
        } else {
            format!("{parent}/{name}")
        };
        found.push(Found {
            path: path.clone(),
            whole,
            body,
        });
        if let Some(fields) = fields_before_children(&kind) {
            let children = body
                .get(fields..)
                .ok_or_else(|| broken("a box is shorter than its fields"))?;
            walk_into(children, &path, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Bytes of a box's own fields before the boxes in it; None: it holds no boxes.
pub(super) fn fields_before_children(kind: &[u8; 4]) -> Option<usize> {
    match kind {
        b"moov" | b"trak" | b"edts" | b"mdia" | b"minf" | b"dinf" | b"stbl" | b"mvex" | b"moof" | b"traf" => {
            Some(0)
        }
        b"stsd" | b"dref" => Some(8), // version and flags, entry_count
        b"avc1" => Some(78),          // VisualSampleEntry, 12.1.3.2
        b"mp4a" => Some(28),          // AudioSampleEntry, 12.2.3.2
        _ => None,
    }
}

/// The first box of `data`: its type, its body, and what follows (4.2).
fn split_box(data: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (size, rest) = data.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (body_bytes, rest) = match u32::from_be_bytes(*size) {
        0 => (rest.len(), rest), // up to the end
        1 => {
            let (large, rest) = rest.split_first_chunk()?;
            (
                usize::try_from(u64::from_be_bytes(*large))
                    .ok()?
                    .checked_sub(16)?,
                rest,
            )
        }
        size => ((size as usize).checked_sub(8)?, rest),
    };
    let (body, after) = rest.split_at_checked(body_bytes)?;
    Some((*kind, body, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::hex::hex;

    fn paths(data: &[u8]) -> Vec<(String, usize)> {
        walk(data)
            .unwrap()
            .into_iter()
            .map(|found| (found.path, found.body.len()))
            .collect()
    }

    #[test]
    fn sizes() {
        let boxes = hex("00000009 66726565 aa  0000000d 6d6f6f76 00000009 6464642f");
        assert!(walk(&boxes).is_err(), "a child that reaches out of its parent");
        let boxes = hex("
            00000009 66726565 aa                            // free
            00000001 66726565 0000000000000012 aabb         // free with a 64-bit size
            00000010 6d6f6f76 00000008 ff64642f             // moov with an odd child
            00000000 6d646174 aabbcc                        // mdat up to the end
        ");
        let expected = [
            ("free", 1),
            ("free", 2),
            ("moov", 8),
            ("moov/?dd?", 0),
            ("mdat", 3),
        ];
        assert_eq!(
            paths(&boxes),
            expected.map(|(path, size)| (path.to_string(), size))
        );
    }

    #[test]
    fn broken_sizes() {
        for broken in [
            "00",
            "00000008 6d6f6f",
            "00000007 66726565",
            "00000009 66726565",
            "00000001 66726565 000000000000000f",
            "00000001 66726565 ffffffffffffffff",
            "00000001 66726565",
            "0000000f 73747364 00000000000000",
            "00000008 66726565 00",
        ] {
            assert!(walk(&hex(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: u32| -> Vec<u8> {
            (1..=depth)
                .rev()
                .flat_map(|n| [(8 * n).to_be_bytes(), *b"moov"].concat())
                .collect()
        };
        assert!(walk(&nested(MAX_DEPTH as u32 - 1)).is_ok());
        assert_eq!(walk(&nested(100_000)).unwrap_err().why, "too deep");
    }
}
