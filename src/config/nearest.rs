//! Did you mean ...?

/// The known name that a mistyped one was most likely meant to be: at most a third of its letters (but at
/// least one) are wrong, missing, too many or swapped with a neighbour.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(name, &mut known.into_iter())
}

/// [`nearest`] without its type parameter, so that its code, which is not small, exists once.
fn nearest_of<'a>(name: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for known in known {
        let letters: Vec<char> = known.chars().collect();
        let limit = (letters.len() / 3).max(1);
        // The lengths are compared first, so that a name of any length costs little.
        if name.len().abs_diff(letters.len()) > limit {
            continue;
        }
        let distance = distance(&name, &letters);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, known));
        }
    }
    best.map(|(_, known)| known)
}

/// The optimal string alignment distance: how many single letters to put in, take out, change or swap to get
/// from one to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped {
                    best.min(table[i - 2][j - 2] + 1)
                } else {
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        for (a, b, expected) in [
            ("", "", 0),
            ("port", "port", 0),
            ("", "abc", 3),
            ("prot", "port", 1),
            ("heigth", "height", 1),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!((distance(&a, &b), distance(&b, &a)), (expected, expected));
        }
    }

    #[test]
    fn names_what_was_meant_or_nothing() {
        let known = ["listen", "port", "fps", "width"];
        assert_eq!(nearest("widht", known), Some("width"));
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("spf", known), None);
        assert_eq!(nearest("brightness", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
        assert_eq!(nearest("x", []), None);
    }
}
