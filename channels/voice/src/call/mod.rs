//! Call control: a call is a value with legs.
