//! What the cutters of byte streams give: whole pictures, and word of what was lost.

/// A piece of a byte stream that is cut into pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// One coded picture: an access unit in the byte stream format (H.264 Annex B), or a JPEG picture.
    Unit {
        /// Its bytes, lent from the buffer of what cuts.
        data: &'a [u8],
        /// When it arrived, on the clock of the caller.
        arrived_us: u64,
    },
    /// A picture was lost here, or the one before was not whole.
    Gap,
}
