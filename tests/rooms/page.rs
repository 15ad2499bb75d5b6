//! Names on a page that the sources no longer have.

use std::collections::BTreeSet;

/// The names in backticks on a page that are neither a word of the sources nor a file or folder of the repository.
/// Blocks of code and spans that are no names (`a = b`, `[section]`, an address such as `/status`) are passed over.
pub fn stale_names<'a>(
    page: &'a str,
    sources: &[(String, String)],
    exists: &dyn Fn(&str) -> bool,
) -> Vec<&'a str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = sources
        .iter()
        .flat_map(|(_, text)| text.split(|c| !is_name(c)))
        .collect();
    let blocks = page.split("```").step_by(2);
    let names = blocks.flat_map(|text| text.split('`').skip(1).step_by(2));
    let stale = |name: &&str| {
        if name.contains('/') {
            return !name.starts_with('/')
                && name.chars().all(|c| is_name(c) || "/._-".contains(c))
                && !exists(name);
        }
        // Not ends of names, such as `_us`.
        let plain = name.chars().all(|c| is_name(c) || c == ':') && !name.starts_with('_');
        plain && !exists(name) && name.split("::").any(|word| !words.contains(word))
    };
    names.filter(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_gone_is_caught() {
        let sources = [("src/ring.rs".to_owned(), "pub struct Ring; // fn push".to_owned())];
        let exists = |name: &str| ["ring.rs", "docs/a.md"].contains(&name);
        let page = "`Ring::push` `_us` `ring.rs` `docs/a.md` `x = y` `Rin` `Ring::pull`\n```\n`Old`\n```\n`old/b.rs` `/status`";
        assert_eq!(
            stale_names(page, &sources, &exists),
            ["Rin", "Ring::pull", "old/b.rs"]
        );
    }
}
