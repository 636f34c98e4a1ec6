//! The `ringdown` command.

fn main() {}
