//! The output of those that cut byte streams into pictures.

/// A piece of a byte stream that is cut into pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// One coded picture: an access unit in the byte stream format (H.264 Annex B), or a JPEG picture.
    Unit {
        /// Its bytes, lent from the buffer of the splitter.
        data: &'a [u8],
        /// Its time of arrival, in microseconds on the caller's clock.
        arrived_us: u64,
    },
    /// A picture was lost here, or the one before was not whole.
    Gap,
}
