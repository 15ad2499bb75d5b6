//! The texts that answers are made of: `texts.txt`, which build.rs packs, as they are long and recorders ask seldom.

use crate::format::gzip::Gzip;
use crate::format::soap;
use std::sync::OnceLock;

/// As build.rs has packed it: a line with a name, a line with its text, and so on.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts.txt.gz"));

/// The texts with their names, the operations first. They are unpacked once, when the first is needed.
pub fn all() -> &'static [(&'static str, &'static str)] {
    static ALL: OnceLock<Vec<(&str, &str)>> = OnceLock::new();
    ALL.get_or_init(|| {
        // Neither can fail for what the build has packed, as a test shows.
        let content = Gzip::parse(PACKED).and_then(|gzip| gzip.inflate());
        let content = String::from_utf8(content.unwrap_or_default()).unwrap_or_default();
        let mut lines = content.leak().lines();
        let mut all = Vec::new();
        while let (Some(name), Some(text)) = (lines.next(), lines.next()) {
            all.push((name, text));
        }
        all
    })
}

/// A text whose holes are filled with the texts of their names, and then with values.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    soap::fill(&soap::fill(text, all()), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_and_whole() {
        let texts = all();
        assert_eq!(texts.len(), 17 + 8 + 6 + 5);
        for (at, (name, text)) in texts.iter().enumerate() {
            if let Some((operation, about)) = name.split_once(' ') {
                assert!(operation.starts_with("tds:Get") || operation.starts_with("trt:Get"));
                assert!(["anybody", "device", "every", "one"].contains(&about), "{name}");
            } else {
                assert!(name.starts_with('{') && name.ends_with('}'), "{name}");
            }
            assert_eq!(text.is_empty(), name.ends_with("_of_JPEG}"), "{name}");
            assert_eq!(text.trim(), *text, "{name}");
            for (other, (hole, _)) in texts.iter().enumerate() {
                assert!(other > at || !text.contains(hole), "{name} has {hole} too late");
            }
            let elements = text.replace("{codec}", "H264").replace("{kind}", "Probe");
            let elements = elements.replace("{operation}", "a:Get");
            let is_xml = crate::format::soap::read(format!("<Body><a>{elements}</a></Body>").as_bytes());
            assert!(is_xml.is_some(), "{name}: {text}");
        }
        for name in ["{scopes}", "{envelope}", "{response}", "{fault}", "{match}"] {
            assert!(texts.iter().any(|(text, _)| *text == name), "{name}");
        }
    }

    #[test]
    fn what_is_found_by_its_scopes_lists_them() {
        let (_, list) = all()
            .iter()
            .find(|(name, _)| name.starts_with("tds:GetScopes "))
            .unwrap();
        let scopes = fill("{scopes}", &[]);
        let items = scopes.split(' ').map(|scope| {
            format!("<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{scope}</tt:ScopeItem></tds:Scopes>")
        });
        assert_eq!(fill(list, &[]), items.collect::<String>());
        assert!(scopes.ends_with("/{host_name}"));
    }
}
