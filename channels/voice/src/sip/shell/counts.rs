//! What the shell counts, for metrics and the operator.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counted {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct ShellCounts {
            $($(#[$doc])* pub $name: u64,)*
            /// Connections open now.
            pub connections: usize,
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn read(&self, connections: usize) -> ShellCounts {
                ShellCounts {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    connections,
                }
            }
        }
    };
}

counted! {
    /// Messages given to a shard.
    received,
    /// Messages sent, or queued on a connection.
    sent,
    /// Keep-alives received.
    keep_alives,
    /// Datagrams dropped because their shard's inbox was full.
    dropped,
    /// Among these, INVITEs that were answered 503.
    refused,
    /// Messages not sent because a socket or a connection was full.
    send_full,
    /// Messages that could not be delivered.
    send_failed,
    /// Connections accepted or opened.
    connections_opened,
    /// Connections turned away because there were too many.
    connections_refused,
    /// Connections closed because they were silent, or slow, or not SIP.
    connections_cut,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
