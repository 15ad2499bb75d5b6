//! A proxy in front of the camera: one that caches, with what it needs in a directory of its own.

use super::client::Client;
use super::crowd::HOST;
use super::support::{Dir, run};
use std::process::Child;

/// It listens on the socket `socket` in its directory, so that no port can be taken.
pub struct Proxy {
    pub process: Child,
    pub dir: Dir,
    /// The file there with what it says.
    pub log: &'static str,
}

impl Proxy {
    pub fn client(&self) -> Client {
        let mut client = Client::unix(&self.dir.file("socket"));
        client.host = HOST;
        client
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The processes that serve end with it only if it is asked to.
        run("kill", &["-TERM", &self.process.id().to_string()]);
        _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.file(self.log));
            eprintln!("{}", log.unwrap_or_default());
        }
    }
}
