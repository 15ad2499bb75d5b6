//! `enum v4l2_field`: whether a buffer holds a whole picture, or which fields of an interlaced one.

/// The driver's choice.
pub const ANY: u32 = 0;
/// A whole picture: there are no fields.
pub const NONE: u32 = 1;
/// The top field alone.
pub const TOP: u32 = 2;
/// The bottom field alone.
pub const BOTTOM: u32 = 3;
/// Both fields, their lines in turn.
pub const INTERLACED: u32 = 4;
/// Both fields, one above the other.
pub const SEQUENTIAL_TOP: u32 = 5;
/// The same, the bottom field first.
pub const SEQUENTIAL_BOTTOM: u32 = 6;
/// One field a buffer, in turn.
pub const ALTERNATE: u32 = 7;
