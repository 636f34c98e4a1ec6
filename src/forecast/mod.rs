//! Forecasts as they are asked and told: past arrivals read from files and logs, days to come as table, CSV
//! or JSON, with the staff they take.
//!
//! | module | what lives here |
//! |---|---|
//! | `arrivals` | past arrivals on the desk's wall clock, days of changed clocks made even |
//! | `asked` | a forecast as it is asked for over HTTP |
//! | `reading` | past arrivals and special days from CSV, every fault as line:column |
//! | `staff` | the agents each interval takes |
//! | `told` | one forecast as a document; `table` and `csv` print it |
//!
//! Every figure comes out of `routing::forecast` and `routing::staffing`. The back-test that chose the
//! method is told with every forecast.

mod arrivals;
mod asked;
mod csv;
mod reading;
mod staff;
mod table;
mod told;

pub use arrivals::{Arrivals, day};
pub use asked::{Asked, AskedFault, PAST_DAYS_MAX, must_be_dates, staffed};
pub use reading::{Fault, Wrong, read_arrivals, read_special_days};
pub use staff::Staffed;
pub(crate) use told::DEFINITIONS;
pub use told::{Format, Told};
