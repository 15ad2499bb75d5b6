//! A key: what stands in the tables of keys.

use super::model::Draft;
use super::scope::Scope;
use super::values::Refused;

/// One key.
pub struct Key {
    /// The sections in which it may stand.
    pub scope: Scope,
    /// In lower case.
    pub name: &'static str,
    /// As it would stand in the file.
    pub default: &'static str,
    /// Its meaning, in whole sentences.
    pub doc: Doc,
    /// The values that `set` takes, as it follows "allowed: ".
    pub allowed: &'static str,
    /// Puts a value in its place.
    pub set: fn(&mut Draft, &str) -> Result<(), Refused>,
}

/// What a text is that the tests alone read, to compare it with a file of the docs: nothing, in the program.
#[cfg(test)]
pub type Doc = &'static str;
/// The same in the program.
#[cfg(not(test))]
pub struct Doc;

/// Makes one.
#[cfg(test)]
pub const fn doc(text: &'static str) -> Doc {
    text
}
/// Makes one.
#[cfg(not(test))]
pub const fn doc(_text: &'static str) -> Doc {
    Doc
}
