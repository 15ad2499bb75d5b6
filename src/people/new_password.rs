//! Asks for a new password, for `--password`.

use crate::error::{Error, Result};
use crate::format::password::{ITERATIONS, MAX_PASSWORD_BYTES, Password, is_allowed};
use crate::sys::random;
use crate::sys::tty::Hidden;
use std::fmt::Display;

const TRIED: &str = "no password";

/// Asks twice at a terminal, or takes the first line of standard input, and gives the line for a `[user NAME]` section.
///
/// # Errors
/// Nothing was given, the two differ, or it can't be a password.
pub fn ask() -> Result<String> {
    let mut input = Hidden::begin().map_err(|e| error("can't hide what is typed", e))?;
    let password = line(&mut input, "Password: ")?;
    if input.is_terminal() && line(&mut input, "The same again: ")? != password {
        return Err(error(TRIED, "the two differ; nothing was made"));
    }
    if !is_allowed(&password) {
        let allowed = format!(
            "allowed: 1 to {MAX_PASSWORD_BYTES} bytes without control characters, such as four random words"
        );
        return Err(error(TRIED, allowed));
    }
    let salt = random::bytes().map_err(|e| error("no random bytes", e))?;
    Ok(format!(
        "password = {}",
        Password::new(&password, salt, ITERATIONS)
    ))
}

fn line(input: &mut Hidden, prompt: &str) -> Result<String> {
    if input.is_terminal() {
        eprint!("{prompt}");
    }
    let line = input.line().map_err(|e| error("can't read it", e))?;
    if input.is_terminal() {
        eprintln!();
    }
    line.ok_or_else(|| error(TRIED, "the input has ended"))
}

fn error(tried: &str, why: impl Display) -> Error {
    Error::new("--password", tried, why)
}
