//! Counts the instructions of the ARMv6 program: QEMU runs it in its user mode, with a plugin of ours. What the kernel does for it is
//! not among them.

use crate::fanout::Result;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

const QEMU: &str = "qemu-arm";
const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.c");
/// Where packaging/cargo puts what it builds for a Raspberry Pi Zero.
const BUILT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/arm-unknown-linux-musleabihf/release"
);
const TO_BUILD: &str = "packaging/cargo build arm-unknown-linux-musleabihf -- --bins --examples";

/// Makes what counts, in a folder that goes with it.
pub struct Counter(PathBuf);

/// What a program has done so far.
#[derive(Clone, Copy)]
pub struct Count {
    pub instructions: u64,
    pub calls: u64,
}

impl Counter {
    /// # Errors
    /// What this machine lacks.
    pub fn new() -> Result<Counter> {
        if !Path::new(BUILT).join("fmp4streamer").exists() {
            return Err(format!("there is no ARMv6 program; {TO_BUILD}").into());
        }
        let help = Command::new(QEMU).arg("-help").output();
        let help = help.map_err(|e| format!("{QEMU}: {e} (Debian: qemu-user)"))?;
        if !String::from_utf8_lossy(&help.stdout).contains("-plugin") {
            return Err(format!("this {QEMU} takes no plugins").into());
        }
        let counter = Counter(env::temp_dir().join(format!("fmp4streamer-bench-count-{}", process::id())));
        fs::create_dir_all(&counter.0)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-o"]);
        let made = compiler.arg(counter.0.join("plugin.so")).arg(PLUGIN).status();
        if !made.map_err(|e| format!("cc: {e}"))?.success() {
            return Err("the plugin can't be built".into());
        }
        Ok(counter)
    }

    /// What runs that program of the build, and counts under this name.
    pub fn command(&self, program: &str, name: &str) -> Command {
        let mut command = Command::new(QEMU);
        let mut plugin = self.0.join("plugin.so").into_os_string();
        plugin.push(",into=");
        plugin.push(self.0.join(name));
        command.args([
            OsStr::new("-cpu"),
            OsStr::new("arm1176"),
            OsStr::new("-plugin"),
            &plugin,
        ]);
        command.arg(Path::new(BUILT).join(program));
        command
    }

    /// What there is under this name by now.
    pub fn read(&self, name: &str) -> Result<Count> {
        let bytes = fs::read(self.0.join(name))?;
        let number = |at: usize| {
            bytes
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .copied()
                .map(u64::from_ne_bytes)
        };
        let (instructions, calls) = number(0).zip(number(8)).ok_or("nothing was counted")?;
        Ok(Count { instructions, calls })
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
