//! How files are laid out: one style of modules, doors that hold no code, and how long a file may be.

use crate::source::{Token, is_tests, skip_attributes, tokens, without_tests};
use std::collections::BTreeSet;

/// The most lines of a file, its tests not counted.
pub const MAX_LINES: usize = 500;

/// Files with a limit of their own: tables, which are read by the row, and main.rs, which is to stay thin.
const OTHER_MAX_LINES: &[(&str, usize)] = &[("src/config/keys.rs", 1250), ("src/main.rs", 150)];

/// What is wrong with the layout of one file, each as "file:line: rule". `names` are all files.
pub fn offences(file: &str, source: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |line: usize, rule: String| wrong.push(format!("{file}:{line}: {rule}"));
    let folder = format!("{}/", file.trim_end_matches(".rs"));
    if names.iter().any(|name| name.starts_with(&folder)) {
        say(1, format!("beside its folder; it is {folder}mod.rs"));
    }
    let tokens = tokens(source);
    if let (true, Some(line)) = (file.ends_with("/mod.rs"), code_in_door(&tokens)) {
        say(line, "a mod.rs holds `mod` and `use` only".into());
    }
    let other = OTHER_MAX_LINES.iter().find(|other| other.0 == file);
    let most = other.map_or(MAX_LINES, |other| other.1);
    let length = source.lines().count() - without_tests(&tokens).1;
    if length > most && !is_tests(file) {
        say(
            length,
            format!("{length} lines without its tests; {most} is the most"),
        );
    }
    wrong
}

/// The line of the first item that is neither `mod name;` nor a `use`.
fn code_in_door(tokens: &[(usize, Token)]) -> Option<usize> {
    let is = |i: usize, word: &str| tokens.get(i).is_some_and(|t| t.1 == Token::Word(word.into()));
    let sign = |i: usize, c: char| tokens.get(i).is_some_and(|t| t.1 == Token::Sign(c));
    let mut i = 0;
    loop {
        i = skip_attributes(tokens, i);
        let line = tokens.get(i)?.0;
        if is(i, "pub") {
            i += 1;
            if sign(i, '(') {
                i += (i..tokens.len()).take_while(|&k| !sign(k, ')')).count() + 1;
            }
        }
        if is(i, "use") {
            i += (i..tokens.len()).take_while(|&k| !sign(k, ';')).count() + 1;
        } else if is(i, "mod") && sign(i + 2, ';') {
            i += 3;
        } else {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file gives, if there are these others: the rules, without their places.
    fn rules(file: &str, source: &str, others: &[&str]) -> Vec<String> {
        let names = others.iter().copied().chain([file]).collect();
        let rule = |wrong: String| wrong.split_once(": ").unwrap().1.to_owned();
        offences(file, source, &names).into_iter().map(rule).collect()
    }

    #[test]
    fn a_long_file_is_caught_but_its_tests_are_not_counted() {
        let code = "fn f() {}\n".repeat(MAX_LINES);
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn g() { h(\"}\") }\n".repeat(500)
        );
        let long = format!("{code}\n{tests}");
        assert_eq!(rules("src/ring.rs", &code, &[]), [""; 0]);
        assert_eq!(rules("src/ring.rs", &format!("{code}{tests}"), &[]), [""; 0]);
        assert_eq!(rules("src/ring.rs", &long, &[]).len(), 1);
        assert_eq!(rules("src/config/keys.rs", &long, &[]), [""; 0]);
        assert_eq!(rules("src/ring/tests.rs", &long, &[]), [""; 0]);
        assert_eq!(rules("src/ring/tests/follower.rs", &long, &[]), [""; 0]);
        assert_eq!(
            rules("src/main.rs", &"//\n".repeat(151), &[]),
            ["151 lines without its tests; 150 is the most"]
        );
    }

    #[test]
    fn a_file_beside_its_folder_is_caught() {
        let others = ["src/ring/pictures.rs", "src/ringing.rs"];
        assert_eq!(
            rules("src/ring.rs", "", &others),
            ["beside its folder; it is src/ring/mod.rs"]
        );
        assert_eq!(rules("src/ring/mod.rs", "", &others), [""; 0]);
        assert_eq!(rules("src/rin.rs", "", &others), [""; 0]);
    }

    #[test]
    fn code_in_a_door_is_caught() {
        let door = "//! Doc.\n#![allow(x)]\nmod a;\n#[cfg(test)]\n#[path = \"tests/b.rs\"]\nmod b;\n\
                    pub(crate) mod c;\nuse d::E;\npub use a::{F, G as H};\n";
        assert_eq!(rules("src/ring/mod.rs", door, &[]), [""; 0]);
        for code in [
            "fn f() {}",
            "pub struct A;",
            "mod a {}",
            "const A: u8 = 0;",
            "pub(super) enum B {}",
        ] {
            let names = BTreeSet::from(["src/ring/mod.rs"]);
            assert_eq!(
                offences("src/ring/mod.rs", &format!("{door}{code}"), &names),
                ["src/ring/mod.rs:10: a mod.rs holds `mod` and `use` only"],
                "{code}"
            );
        }
    }
}
