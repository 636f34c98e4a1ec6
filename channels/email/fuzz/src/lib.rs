//! What the fuzz targets feed, and what must hold.

pub mod folder;
pub mod inputs;
#[path = "../../../../tests/pounding/mutation.rs"]
pub mod mutation;
pub mod seeds;
pub mod session;
