//! The names of controls: what is one in spite of two spellings.

/// Names that Linux 5.16 changed when uvcvideo took those of the control framework, old and new; and the short ones that
/// an `[rpicam]` section has.
const RENAMED: [(&str, &str); 11] = [
    ("exposure_auto", "auto_exposure"),
    ("exposure_auto_priority", "exposure_dynamic_framerate"),
    ("exposure_absolute", "exposure_time_absolute"),
    ("focus_auto", "focus_automatic_continuous"),
    ("hue_auto", "hue_automatic"),
    ("white_balance_temperature_auto", "white_balance_automatic"),
    ("white_balance_component_auto", "white_balance_automatic"),
    ("white_balance_blue_component", "blue_balance"),
    ("white_balance_red_component", "red_balance"),
    ("hflip", "horizontal_flip"),
    ("vflip", "vertical_flip"),
];

/// The part of a name that must be the same in two spellings: letters and digits. The predecessor, v4l2-ctl and
/// kernels of different ages disagree on the rest.
pub fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The names that kernels of other ages have for it.
pub fn other_names(name: &str) -> impl Iterator<Item = &'static str> {
    let name = letters(name);
    RENAMED.iter().filter_map(move |(old, new)| match &name {
        name if *name == letters(old) => Some(*new),
        name if *name == letters(new) => Some(*old),
        _ => None,
    })
}

/// True if both are names of one control.
pub fn same(a: &str, b: &str) -> bool {
    letters(a) == letters(b) || other_names(a).any(|other| letters(other) == letters(b))
}

/// True for what may be in charge of others: it is shown and set before them.
pub fn is_auto(name: &str) -> bool {
    name.contains("auto")
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn old_and_new_names_are_of_one_control() {
        for (a, b, expected) in [
            ("brightness", "Brightness", true),
            ("focus_auto", "focus_automatic_continuous", true),
            ("focus_automatic_continuous", "Focus, Auto", true),
            ("exposure_absolute", "exposure_time_absolute", true),
            ("white_balance_automatic", "white_balance_component_auto", true),
            ("exposure_auto", "exposure_absolute", false),
            ("", "brightness", false),
        ] {
            assert_eq!(same(a, b), expected, "{a} {b}");
        }
    }
}
