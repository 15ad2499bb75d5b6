//! The parameter sets of a camera's stream: in the init segment for who comes, in the stream for who is there.
//!
//! Encoders may send others at each key frame (OpenH264, WebRTC, IP cameras), and picture parameter sets at any picture.
//! What players are told once, before the first frame, is the *format* ([`Init::serves`]): as long as that is the same,
//! sets that change go into the sample of the picture that needs them, and no player has to begin anew.

use crate::format::fmp4::{Init, SoundFormat};
use crate::format::h264::Parameters;
use std::sync::Arc;

/// Follows the parameter sets of one stream. They live on when its source is closed and opened again.
#[derive(Default)]
pub(super) struct Sets {
    /// The newest init segment.
    init: Option<Arc<Init>>,
    /// The parameter sets that it was last made or found good for.
    parameters: Option<Arc<Parameters>>,
    /// There are players with an init segment of this format that has other sets: each key frame brings its own, since
    /// any of them may be the next frame of a player that skips.
    in_band: bool,
}

/// What goes with a picture.
pub(super) struct Given<'a> {
    /// The init segment with its parameter sets.
    pub init: Arc<Init>,
    /// The parameter sets that stand before it in its sample.
    pub in_band: Vec<&'a [u8]>,
    /// They are others than those of the picture before, ...
    pub changed: bool,
    /// ... and tell of another format.
    pub other_format: bool,
}

impl Sets {
    /// Takes the parameter sets of the next picture; `start`: players can begin with it. None: it needs an init segment of
    /// another format, and can't have it, since nobody can begin with this picture.
    pub fn take<'a>(
        &mut self,
        parameters: &'a Arc<Parameters>,
        start: bool,
        rotation: u16,
        sound: Option<SoundFormat>,
    ) -> Option<Given<'a>> {
        // Sound that came, went or is another begins with the next key frame; the pictures go on until then.
        let sound = match &self.init {
            Some(init) if !start => init.sound,
            _ => sound,
        };
        let known = self.parameters.as_ref();
        let same_sound = self.init.as_ref().is_some_and(|init| init.sound == sound);
        let changed = !same_sound || known.is_none_or(|known| !Arc::ptr_eq(known, parameters));
        let (mut in_band, mut other_format) = (Vec::new(), false);
        if changed {
            let new = Init::new(Arc::clone(parameters), rotation, sound);
            match &self.init {
                Some(old) if old.bytes(true) == new.bytes(true) => {}
                Some(old) if old.serves(&new) => {
                    self.in_band = true;
                    if !start {
                        in_band = differing(&old.parameters, parameters);
                    }
                    self.init = Some(Arc::new(new));
                }
                Some(_) if !start => return None,
                _ => {
                    (self.in_band, other_format) = (false, true);
                    self.init = Some(Arc::new(new));
                }
            }
            self.parameters = Some(Arc::clone(parameters));
        }
        if start && self.in_band {
            in_band = all(parameters);
        }
        let init = Arc::clone(self.init.as_ref()?);
        Some(Given {
            init,
            in_band,
            changed,
            other_format,
        })
    }

    /// Has the next picture's parameter sets looked at, be they the same: the rotation may be another one.
    pub fn look_again(&mut self) {
        self.parameters = None;
    }
}

/// A stream's parameter sets, in the order in which they are needed.
fn all(parameters: &Parameters) -> Vec<&[u8]> {
    let mut all = vec![parameters.sps.as_slice()];
    all.extend(parameters.pps.iter().map(Vec::as_slice));
    all
}

/// The new parameter sets that are not among the old ones; all of them where the SPS, which they belong to, is new.
fn differing<'a>(old: &Parameters, new: &'a Parameters) -> Vec<&'a [u8]> {
    let mut sets = all(new);
    if old.sps == new.sps {
        sets.retain(|set| *set != old.sps && !old.pps.iter().any(|known| known == set));
    }
    sets
}

#[cfg(test)]
#[path = "tests/sets.rs"]
mod tests;
