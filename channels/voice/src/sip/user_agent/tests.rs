//! The user agent, told as calls between two of them over a network of our making.

mod answers;
mod calls;
mod offers;
mod pair;
mod properties;
mod races;
mod sessions;
