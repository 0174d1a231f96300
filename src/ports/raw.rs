//! The fields that the seller sent about one license, for an operator whose seller answers in a new way.

/// A field as it came, secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawField {
    /// The element; `a/b`: the element b of an element a; `a@b`: its attribute b.
    pub name: String,
    /// Its text, or its attribute `v`.
    pub value: String,
    /// Whether the program reads a field of this name there.
    pub is_known: bool,
}

/// One document about the license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The function that was called.
    pub func: String,
    /// The fields, in the order in which they came.
    pub fields: Vec<RawField>,
}
