//! What the stage `motion_detect` of `rpicam-vid` says on its standard error, with `"verbose": 1` in its file
//! (rpicam-apps, post_processing_stages/motion_detect_stage.cpp).

/// No more stages are told apart.
const MOST: usize = 16;

/// The stages of a run.
#[derive(Default)]
pub(super) struct Stages {
    /// The regions in which something moves; some may have no name.
    moving: Vec<String>,
}

impl Stages {
    /// Reads a line. If it is one of theirs: whether something moves anywhere.
    pub fn read(&mut self, line: &str) -> Option<bool> {
        // As a stage begins: "Lores: 160x120 roi: (16,12) 128x96 threshold: 61".
        if !line.starts_with("Lores: ") || !line.contains(" roi: (") {
            let said = line.strip_prefix("Motion ")?;
            let (word, region) = said.split_once(' ').unwrap_or((said, ""));
            match word {
                "detected" if self.moving.len() < MOST => self.moving.push(region.to_owned()),
                "detected" => {}
                "stopped" => {
                    if let Some(at) = self.moving.iter().position(|moving| moving == region) {
                        self.moving.swap_remove(at);
                    }
                }
                _ => return None,
            }
        }
        Some(!self.moving.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Stages};

    #[test]
    fn something_moves_while_it_does_in_any_region() {
        let mut stages = Stages::default();
        for (line, moves) in [
            ("Lores: 160x120 roi: (16,12) 128x96 threshold: 61", Some(false)),
            ("Lores: 160x120", None),
            ("Motion detected", Some(true)),
            ("#12 (30.00 fps) exp 33251.00 ag 4.00 dg 1.00", None),
            ("Motion stopped", Some(false)),
            ("Motion stopped", Some(false)),
            ("Motion detected", Some(true)),
            ("Motion detected", Some(true)),
            ("Motion stopped", Some(true)),
            ("Motion stopped", Some(false)),
            ("Motion blur", None),
            ("Motion ", None),
            ("Motion detected in region door", Some(true)),
            ("Motion detected in region the gate", Some(true)),
            ("Motion stopped in region door", Some(true)),
            ("Motion stopped in region the gate", Some(false)),
        ] {
            assert_eq!(stages.read(line), moves, "{line}");
        }
        for n in 0..1000 {
            assert_eq!(stages.read(&format!("Motion detected in region {n}")), Some(true));
        }
        assert_eq!(stages.moving.len(), MOST);
    }
}
