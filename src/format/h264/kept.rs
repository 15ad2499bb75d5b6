//! The parameter sets that came last.

/// A parameter set is kept up to this size, in bytes. Real ones have tens of them.
pub(super) const MAX_PARAMETER_SET_BYTES: usize = 4096;
/// One that is doubted is believed after so many pictures in which the one that it replaces did not come again.
const DOUBTED_PICTURES: u32 = 100;

/// So many bits of a parameter set may be damage. (What differs in more may be a size that was changed, which is not to be kept
/// waiting.)
const FLIPPED_BITS: u32 = 2;

/// A parameter set as it came, and what it says.
pub(super) struct Kept<T> {
    pub nal: Vec<u8>,
    pub says: T,
    /// It came again.
    pub repeated: bool,
}

/// A parameter set that may be a damaged one: nothing in it shows that.
struct Doubted<T> {
    nal: Vec<u8>,
    says: T,
    pictures: u32,
}

/// The newest parameter set of each id, in the order of the ids. They are few.
pub(super) struct ById<T> {
    kept: Vec<(u8, Kept<T>)>,
    doubted: Option<Doubted<T>>,
}

impl<T: Clone> ById<T> {
    pub fn get(&self, id: u8) -> Option<&Kept<T>> {
        let mut kept = self.kept.iter();
        kept.find(|(other, _)| *other == id).map(|(_, kept)| kept)
    }

    pub fn insert(&mut self, id: u8, nal: &[u8], says: T) {
        let nal = nal.to_vec();
        let repeated = false;
        let kept = Kept { nal, says, repeated };
        match self.kept.binary_search_by_key(&id, |(other, _)| *other) {
            Ok(at) => self.kept[at].1 = kept,
            Err(at) => self.kept.insert(at, (id, kept)),
        }
    }

    /// True if this one is here already, which is noted.
    pub fn repeats(&mut self, nal: &[u8]) -> bool {
        let kept = self.kept.iter_mut().find(|(_, kept)| kept.nal == nal);
        let Some((_, kept)) = kept else { return false };
        kept.repeated = true;
        self.doubted = None;
        true
    }

    /// True if a new one can be believed. One that is nearly the one that it would replace has to come again first.
    pub fn is_believed(&mut self, id: u8, nal: &[u8], says: &T) -> bool {
        let again = self.doubted.take().is_some_and(|doubted| doubted.nal == nal);
        if again || self.get(id).is_none_or(|kept| !is_nearly(nal, &kept.nal)) {
            return true;
        }
        self.doubted = Some(Doubted {
            nal: nal.to_vec(),
            says: says.clone(),
            pictures: 0,
        });
        false
    }

    /// Counts a picture; gives a doubted parameter set that no other has contradicted for long enough.
    pub fn outlasted_doubt(&mut self) -> Option<(Vec<u8>, T)> {
        let doubted = self.doubted.as_mut()?;
        doubted.pictures += 1;
        if doubted.pictures < DOUBTED_PICTURES {
            return None;
        }
        self.doubted.take().map(|doubted| (doubted.nal, doubted.says))
    }

    pub fn values(&self) -> impl Iterator<Item = &Kept<T>> {
        self.kept.iter().map(|(_, kept)| kept)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

/// True if one may be the other with some bits flipped, or cut off.
fn is_nearly(one: &[u8], other: &[u8]) -> bool {
    let differing: u32 = one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum();
    differing <= FLIPPED_BITS && one.len() <= other.len()
}

impl<T> Default for ById<T> {
    fn default() -> ById<T> {
        ById {
            kept: Vec::new(),
            doubted: None,
        }
    }
}
