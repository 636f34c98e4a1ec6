//! Erlang B: the share of contacts that find every server busy when nobody may wait.

use super::load::Load;

/// Blocking of a load for every number of servers, computed once and as far as it is asked for.
#[derive(Clone, Debug)]
pub struct Blocking {
    load: Load,
    /// B by number of servers, from none.
    shares: Vec<f64>,
}

impl Blocking {
    /// Prepares the blocking of a load.
    pub fn new(load: Load) -> Self {
        Self {
            load,
            shares: vec![1.0],
        }
    }

    /// The load it is about.
    pub fn load(&self) -> Load {
        self.load
    }

    /// B by the recursion `B_k = a B_{k-1} / (k + a B_{k-1})`.
    ///
    /// The recursion is stable: while k < a each step shrinks the error of the one before, and beyond
    /// a it adds at most a rounding or two, 1e-11 in all for a hundred thousand steps.
    pub fn share(&mut self, servers: u32) -> f64 {
        let place = usize::try_from(servers).unwrap_or(usize::MAX);
        let load = self.load.erlang();
        while self.shares.len() <= place {
            let step = self.shares.len() as f64;
            let pushed = load * self.shares.last().copied().unwrap_or(1.0);
            self.shares.push(pushed / (step + pushed));
        }
        self.shares[place]
    }

    /// 1 - B, which stays precise where nearly everybody is blocked.
    pub fn carried_share(&mut self, servers: u32) -> f64 {
        let Some(before) = servers.checked_sub(1) else {
            return 0.0;
        };
        let step = f64::from(servers);
        step / (step + self.load.erlang() * self.share(before))
    }
}
