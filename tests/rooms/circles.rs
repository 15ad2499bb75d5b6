//! Circles between files: each of them uses the next one, and the last one the first.

use crate::law::ROOT_MACROS;
use crate::source::{is_tests, module_of, paths, tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Who uses whom, by names of files.
type Uses<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The shortest circle that each file is in, if it is in one. A file is (its name, its text); tests are left out, and a
/// `mod.rs` is a file as any other.
pub fn circles<'a>(files: &'a [(String, String)]) -> Vec<Vec<&'a str>> {
    let uses = uses(files);
    let mut seen = BTreeSet::new();
    let mut found: Vec<Vec<&'a str>> = uses.keys().filter_map(|file| circle(file, &uses)).collect();
    found.retain(|circle| {
        let mut files = circle.clone();
        files.sort_unstable();
        seen.insert(files)
    });
    found
}

/// What each file uses of the others.
fn uses(files: &[(String, String)]) -> Uses<'_> {
    let files: Vec<_> = files.iter().filter(|file| !is_tests(&file.0)).collect();
    let modules: BTreeMap<Vec<String>, &str> = files
        .iter()
        .map(|(name, _)| (module_of(Path::new(name)), name.as_str()))
        .filter(|(module, _)| !module.is_empty())
        .collect();
    let of = |(name, text): &'_ &(String, String)| -> BTreeSet<&str> {
        let module = module_of(Path::new(name));
        let (code, _) = without_tests(&tokens(text));
        let paths = paths(&module, &code).into_iter();
        let used = paths.filter_map(|(_, path)| file_of(&modules, &module, &path));
        used.filter(|used| used != name).collect()
    };
    files.iter().map(|file| (file.0.as_str(), of(file))).collect()
}

/// The file that a path in `module` leads to: that of the deepest module on it.
fn file_of<'a>(
    modules: &BTreeMap<Vec<String>, &'a str>,
    module: &[String],
    path: &[String],
) -> Option<&'a str> {
    let full = match path.split_first() {
        Some((first, rest)) if first == "crate" => rest.to_vec(),
        // A module below this one, as in `pub use part::Name`.
        Some((first, _)) if modules.contains_key(&[module, std::slice::from_ref(first)].concat()) => {
            [module, path].concat()
        }
        _ => return None,
    };
    let known = ROOT_MACROS
        .iter()
        .find(|known| full.first().is_some_and(|first| first == known.0));
    let full = known.map_or(full, |known| vec![known.1.to_owned()]);
    (1..=full.len())
        .rev()
        .find_map(|end| modules.get(&full[..end]).copied())
}

/// The shortest walk from a file back to itself.
fn circle<'a>(start: &'a str, uses: &Uses<'a>) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for &used in uses.get(file).into_iter().flatten() {
            if used == start {
                let mut walk = vec![file];
                while let Some(before) = walk.last().and_then(|file| came_from.get(file).copied()) {
                    walk.push(before);
                }
                walk.reverse();
                return Some(walk);
            }
            came_from.entry(used).or_insert_with(|| {
                queue.push_back(used);
                file
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(name, text): &(&str, &str)| (format!("src/{name}.rs"), (*text).to_owned());
        let files: Vec<_> = files.iter().map(file).collect();
        let circles = circles(&files);
        let name = |file: &str| file.trim_start_matches("src/").trim_end_matches(".rs").to_owned();
        let line = |circle: &Vec<&str>| {
            circle
                .iter()
                .map(|file| name(file))
                .collect::<Vec<_>>()
                .join(" → ")
        };
        circles.iter().map(line).collect()
    }

    #[test]
    fn circles_are_found_however_they_are_written() {
        for (files, circle) in [
            // A part that takes what stands in its door.
            (
                vec![
                    ("a/mod", "mod b; pub use b::B; pub struct A;"),
                    ("a/b", "use super::A;"),
                ],
                "a/b → a/mod",
            ),
            (
                vec![("a/mod", "pub use self::b::B;"), ("a/b", "fn f() -> super::A {}")],
                "a/b → a/mod",
            ),
            // Two of one room, in groups and with other names.
            (
                vec![
                    ("a/b", "use super::{c::C, d};"),
                    ("a/c", "use crate::a::b::B as X;"),
                ],
                "a/b → a/c",
            ),
            // Through the door of another room.
            (
                vec![
                    ("a/mod", "pub use b::B;"),
                    ("a/b", "use crate::c::C;"),
                    ("c", "use crate::a::B;"),
                ],
                "a/b → c → a/mod",
            ),
            // In a function, in an inner module, and by a macro of the root.
            (
                vec![
                    ("a", "fn f() { crate::b::g() }"),
                    ("b", "mod x { use super::super::a; }"),
                ],
                "a → b",
            ),
            (
                vec![
                    ("error", "use crate::a;"),
                    ("a", "fn f() { crate::log_info!(\"\") }"),
                ],
                "a → error",
            ),
            // Modules of the program, which calls the library by its name.
            (
                vec![("app", "use fmp4streamer::pump;"), ("pump", "use crate::app;")],
                "app → pump",
            ),
        ] {
            assert_eq!(found(&files), [circle], "{files:?}");
        }
    }

    #[test]
    fn what_is_no_circle_passes() {
        for files in [
            vec![
                ("a/mod", "mod b; pub use b::B;"),
                ("a/b", "use super::c; use std::b;"),
                ("a/c", ""),
            ],
            vec![
                ("a", "use crate::b;"),
                ("b", "// crate::a\nconst A: &str = \"crate::a\";"),
            ],
            // Tests may use what they like.
            vec![
                ("a", "use crate::b;"),
                ("b", "#[cfg(test)]\nmod tests { use crate::a; }"),
            ],
            vec![
                ("a", "use crate::b;"),
                ("b", "#[cfg(test)] use crate::a::{A, B}; fn f() {}"),
            ],
            vec![
                ("a/mod", "pub use b::B;"),
                ("a/b", ""),
                ("a/tests", "use super::B;"),
            ],
        ] {
            assert_eq!(found(&files), [""; 0], "{files:?}");
        }
    }

    #[test]
    fn the_shortest_circle_is_told_once() {
        let files = [
            ("a", "use crate::{b, c};"),
            ("b", "use crate::c;"),
            ("c", "use crate::{a, d};"),
            ("d", "use crate::e;"),
            ("e", "use crate::d;"),
        ];
        assert_eq!(found(&files), ["a → c", "b → c → a", "d → e"]);
    }
}
