//! Packs the files of the page with gzip, so that the program holds them as it sends them: `src/serve/pages.rs`. Indentation
//! and comments stay here: a quarter of what is packed.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

const ASSETS: &str = "assets";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={ASSETS}");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    pack(Path::new(ASSETS), Path::new(&out))
}

/// Packs the texts of a folder into another one, as `NAME.gz`. Pictures are packed already.
fn pack(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let mut place = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            pack(&path, &place)?;
        } else if path.extension() != Some(OsStr::new("png")) {
            place.as_mut_os_string().push(".gz");
            // The same bytes each time: the header has neither name nor time.
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(spare(&fs::read_to_string(path)?).as_bytes())?;
            fs::write(place, encoder.finish()?)?;
        }
    }
    Ok(())
}

/// A text without indentation, blank lines, and comments that end with their lines. Lines stay lines, as they mean something
/// in JavaScript.
fn spare(text: &str) -> String {
    let mut spared = String::new();
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            spared += line.split(" // ").next().unwrap_or_default();
            spared.push('\n');
        }
    }
    spared
}
