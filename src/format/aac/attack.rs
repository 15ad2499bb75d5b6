//! Where a sound begins suddenly.

use super::mdct::SHORT;

/// A sound begins where the energy grows by this factor.
const ATTACK: f32 = 15.0;
/// How much the newest 128 samples count in what was before: little, or each period of a low voice would be an attack.
const MEMORY: f32 = 0.2;
/// A sound with less energy than this in 128 samples is too low to be heard as an attack.
const LEAST: f32 = 1e6;

/// Finds the sudden beginning of a sound in one channel.
#[derive(Debug, Default)]
pub struct Detector {
    /// The last sample.
    last: f32,
    /// The energy of what was before, on the average.
    past: f32,
}

impl Detector {
    /// The first of the eighths of 1024 new samples in which a sound begins.
    pub fn find(&mut self, samples: &[f32]) -> Option<usize> {
        let mut found = None;
        for (part, samples) in samples.chunks_exact(SHORT).enumerate() {
            let mut energy = 0.0;
            for &sample in samples {
                // The difference leaves hum and wind out.
                let change = sample - self.last;
                energy += change * change;
                self.last = sample;
            }
            if energy > ATTACK * self.past && energy > LEAST && found.is_none() {
                found = Some(part);
            }
            self.past += MEMORY * (energy - self.past);
        }
        found
    }
}
