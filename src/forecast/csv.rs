//! A forecast as CSV (RFC 4180), one line for each interval; what is not known is an empty field.

use super::staff::StaffLine;
use super::{Staffed, Told};
use crate::report::period;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints it.
pub(super) fn print(
    told: &Told,
    staffed: Option<&Staffed>,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "start,end,expected,low,high")?;
    if staffed.is_some() {
        write!(
            out,
            ",erlang_c.agents,erlang_a.agents,scheduled,service_level,abandon_rate,occupancy,rehearsal.service_level,rehearsal.abandon_rate"
        )?;
    }
    write!(out, "\r\n")?;
    for (place, row) in told.rows.iter().enumerate() {
        let (start, end) = (
            period::local(row.span.from, &told.zone),
            period::local(row.span.to, &told.zone),
        );
        write!(
            out,
            "{start},{end},{},{},{}",
            field(row.expected.map(|slot| slot.expected)),
            field(row.expected.map(|slot| slot.low)),
            field(row.expected.map(|slot| slot.high)),
        )?;
        if let Some(staffed) = staffed {
            let staff = StaffLine::of(staffed.answer(place));
            let played = staffed.played(place);
            write!(
                out,
                ",{},{},{},{},{},{},{},{}",
                field(staff.agents_c),
                field(staff.agents_a),
                field(staff.scheduled),
                field(staff.service_level),
                field(staff.abandon_rate),
                field(staff.occupancy),
                field(played.and_then(|played| played.service_level.negative)),
                field(played.and_then(|played| played.abandon_rate)),
            )?;
        }
        write!(out, "\r\n")?;
    }
    Ok(())
}

fn field(figure: Option<impl Display>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}
