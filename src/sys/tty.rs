//! A line from whoever sits at the terminal, without showing it.

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, StdinLock};

/// Reads lines of standard input; a terminal does not show them while this is there.
pub struct Hidden {
    input: StdinLock<'static>,
    /// How the terminal was.
    before: Option<Termios>,
}

impl Hidden {
    /// Hides what is typed from now on.
    ///
    /// # Errors
    /// Those of tcsetattr(3).
    pub fn begin() -> io::Result<Hidden> {
        let input = io::stdin().lock();
        let mut before = None;
        if input.is_terminal() {
            let now = tcgetattr(&input)?;
            let mut hidden = now.clone();
            hidden.local_flags.remove(LocalFlags::ECHO);
            tcsetattr(&input, SetArg::TCSAFLUSH, &hidden)?;
            before = Some(now);
        }
        Ok(Hidden { input, before })
    }

    /// True if somebody types.
    pub fn is_terminal(&self) -> bool {
        self.before.is_some()
    }

    /// The next line without its end; `None` at the end of the input.
    ///
    /// # Errors
    /// Those of read(2), or it is not UTF-8.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.input.read_line(&mut line)?;
        let text = line.strip_suffix('\n').unwrap_or(&line);
        Ok((read > 0).then(|| text.strip_suffix('\r').unwrap_or(text).into()))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // It has just been set; there is nobody to tell.
            _ = tcsetattr(&self.input, SetArg::TCSAFLUSH, before);
        }
    }
}
