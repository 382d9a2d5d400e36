//! The items that every layer needs: errors, shapes, element types, digests.

pub(crate) mod checksum;
pub(crate) mod digest;
pub(crate) mod dtype;
pub(crate) mod error;
pub(crate) mod setters;
pub(crate) mod shape;
