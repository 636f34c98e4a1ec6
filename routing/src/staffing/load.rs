//! The offered load: how many agents the contacts would keep busy if nobody ever waited.

/// Offered load in erlang, a = calls x AHT / interval, kept to twice the precision of a number.
///
/// With a hundred thousand agents `n - a` may be a small difference of large numbers; the second
/// half keeps it right to the last digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    upper: f64,
    lower: f64,
}

impl Load {
    /// The load of `calls` in an interval, each handled for `aht_s`; all positive and finite.
    pub fn of(calls: f64, aht_s: f64, interval_s: f64) -> Self {
        let work = calls * aht_s;
        let work_lower = calls.mul_add(aht_s, -work);
        let upper = work / interval_s;
        let lower = (upper.mul_add(-interval_s, work) + work_lower) / interval_s;
        Self { upper, lower }
    }

    /// The load in erlang.
    pub fn erlang(self) -> f64 {
        self.upper
    }

    /// n - a: how many of so many servers the load leaves free; negative when it is too much.
    pub fn spare(self, servers: u32) -> f64 {
        (f64::from(servers) - self.upper) - self.lower
    }

    /// The same contacts, more or fewer of them.
    pub(super) fn times(self, factor: f64) -> Self {
        let upper = self.upper * factor;
        let lower = self.upper.mul_add(factor, -upper) + self.lower * factor;
        Self { upper, lower }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_margin_is_exact() {
        // 0.1 and 0.3 are no binary numbers; what they are as such leaves 1e5 x 0.1 - 1e4 over.
        let load = Load::of(100_000.0, 0.1, 1.0);
        assert_eq!(load.erlang(), 10_000.0);
        assert!((load.spare(10_000) + 5.551_115_123_125_783e-13).abs() < 1e-25);
        assert_eq!(Load::of(120.0, 240.0, 1_800.0).spare(20), 4.0);
    }
}
