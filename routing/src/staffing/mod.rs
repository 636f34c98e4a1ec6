//! Staffing: how many agents a load takes, by the formulas of Erlang, Palm and their followers.
//!
//! | module | what lives here |
//! |---|---|
//! | `question`, `answer` | what is asked, and the fewest agents that will do, with their measures |
//! | `load` | offered load, to twice the precision of a number |
//! | `erlang_b`, `erlang_c` | nobody waits; everybody waits as long as it takes |
//! | `erlang_a`, `palm` | callers hang up; the integrals behind it |
//! | `erlang_x` | callers hang up, and some call again |
//! | `rehearsal` | a day's plan played by the real policy, the queue carried over |
//! | `patience`, `wait_counts` | how long callers are willing to wait, from what waits there were |
//! | `told`, `waits`, `waits_fold` | what a log tells of waits: each, of a short one; how many, of one of any length |
//!
//! Everything is right to 1e-9 against exact arithmetic from 1 to 100,000 agents and for loads up to
//! 100,000 erlang (`fixtures/staffing/make` computes what the tests compare with), and the same to the
//! last bit on every machine. Erlang C over-staffs when callers hang up; whoever tells it tells Erlang A
//! beside it where the patience is known.
//!
//! What deliberately does not live here: the queue's real policy and its rules. A plan that is rehearsed
//! is played by [`crate::simulation`], which is the judge.

mod answer;
mod erlang_a;
mod erlang_b;
mod erlang_c;
mod erlang_x;
mod load;
mod palm;
mod patience;
mod question;
mod rehearsal;
mod told;
mod wait_counts;
mod waits;
mod waits_fold;

pub use answer::{
    Answer, BacklogStaff, DEFINITIONS, ImpatientStaff, PatientStaff, RetryingStaff,
    WaitPercentiles, scheduled,
};
pub use erlang_a::ErlangA;
pub use erlang_b::Blocking;
pub use erlang_c::ErlangC;
pub use erlang_x::ErlangX;
pub use load::Load;
pub use patience::{Patience, Step, Wait, WaitEnd};
pub use question::{Deadline, LOAD_MAX, Question, SERVERS_MAX, StaffingFault, Target};
pub use rehearsal::{Estimate, Plan, Rehearsal, Stretch};
pub use wait_counts::{INSTANTS_MAX, WaitCounts};
pub use waits::Waits;
pub use waits_fold::{DISORDER_MAX, FoldHealth, WaitsFold};
