//! What must hold whatever the bytes are; for fuzzing and for tests.

use super::ini;
use super::model::Config;

/// Reading never panics, every error names a line of the file, and line ends and a byte order mark change
/// nothing.
pub fn config(data: &[u8]) {
    let result = Config::parse(data, "f", &[]).map_err(|e| e.to_string());
    match &result {
        Ok(config) => assert!(config.describe().starts_with("config: f\n")),
        Err(error) => {
            let lines = 1 + data.iter().filter(|b| matches!(b, b'\n' | b'\r')).count();
            let line = error
                .strip_prefix("f:")
                .and_then(|e| e.split_once(": ")?.0.parse().ok());
            assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{error}");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let dos = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    if !text.contains('\r') && !text.starts_with('\u{feff}') && dos.len() <= ini::MAX_BYTES {
        assert_eq!(
            Config::parse(dos.as_bytes(), "f", &[]).map_err(|e| e.to_string()),
            result
        );
    }
}
