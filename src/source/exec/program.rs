//! Programs, by the names that a shell finds them by.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Words at a command's start that are the shell's own (POSIX.1-2024, XCU 2.4 and 2.15; and `exec`'s like).
const SHELL_WORDS: [&str; 26] = [
    ".", "alias", "case", "cd", "command", "echo", "eval", "exec", "exit", "export", "false", "for", "if",
    "kill", "printf", "pwd", "read", "set", "test", "trap", "true", "ulimit", "umask", "until", "wait",
    "while",
];

/// The folders in which programs are looked for, with a colon between them.
pub fn path() -> String {
    env::var("PATH").unwrap_or_default()
}

/// The file of a program: a path as it is, a name by the folders of `path`. None if no such file can be run.
pub fn find(program: &str, path: &str) -> Option<String> {
    let can_run =
        |file: &String| fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
    if program.contains('/') {
        return Some(program.to_owned()).filter(can_run);
    }
    path.split(':')
        .map(|folder| format!("{folder}/{program}"))
        .find(can_run)
}

/// The first program of a shell command that is not installed, as far as that shows without a shell: what is quoted or
/// computed is left out.
pub fn not_installed(command: &str) -> Option<&str> {
    let plain = command
        .split(['\'', '"', '\\', '$', '`', '(', '#', ';', '&'])
        .next()?;
    if command.contains("||") {
        return None; // The second is for where the first fails.
    }
    plain.split('|').find_map(|stage| {
        let mut words = stage.split_ascii_whitespace();
        let program = words.find(|word| *word != "exec")?;
        let whole = words.next().is_some() || stage.ends_with(' ') || command.ends_with(stage);
        let is_name = program
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./+".contains(&b));
        let missing = whole && is_name && !SHELL_WORDS.contains(&program) && find(program, &path()).is_none();
        missing.then_some(program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_and_nothing_else() {
        for (command, missing) in [
            ("no-such-a -i x -", Some("no-such-a")),
            ("exec no-such-a", Some("no-such-a")),
            ("/no/such/b 'x y'", Some("/no/such/b")),
            ("cat x | no-such-a -o - | cat", Some("no-such-a")),
            ("cat 'x | no-such-a'", None),
            ("no-such-a$suffix", None),
            ("no-such-a || cat", None),
            ("X=1 no-such-a", None),
            ("\"no such\" x", None),
            ("while true; do no-such-a; done", None),
            ("cd /tmp && no-such-a", None),
            ("exec cat x", None),
            ("/bin/sh x", None),
            ("", None),
        ] {
            assert_eq!(not_installed(command), missing, "{command}");
        }
    }
}
