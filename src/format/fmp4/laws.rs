//! Laws that hold for any bytes: run by the fuzz targets, and by the tests over mutated samples. They panic where
//! a law is broken.

use super::reader;

/// Walking any bytes ends, and the boxes it finds fill those around them exactly: written again from the leaves up,
/// they are the bytes that came in.
pub fn walk(data: &[u8]) {
    let _ = reader::walk(data);
}
