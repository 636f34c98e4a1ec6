//! What the fuzz targets feed, and what must hold.

pub mod inputs;
pub mod mutation;
