//! What can go wrong with the database: whose fault, and whether trying again is useful.

use std::sync::Arc;

/// Why the database did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DatabaseFault {
    /// No space is left for it.
    #[error("the database is full: free space on its disk, or raise its limit ({0})")]
    Full(Arc<sqlx::Error>),
    /// It may only be read.
    #[error("the database is read-only: check the owner and the rights of its file ({0})")]
    ReadOnly(Arc<sqlx::Error>),
    /// Another process holds it.
    #[error("the database is locked by another process: stop that one, or wait ({0})")]
    Locked(Arc<sqlx::Error>),
    /// It cannot be reached, or stopped answering.
    #[error("the database cannot be reached: check its address and that it runs ({0})")]
    Unreachable(Arc<sqlx::Error>),
    /// Its file or folder cannot be opened or made.
    #[error(
        "the database file {path} cannot be opened: check that its folder is there and ours ({source})"
    )]
    NotOpened {
        /// The file or folder.
        path: String,
        /// Why.
        source: Arc<sqlx::Error>,
    },
    /// It refused this very statement; trying again is of no use.
    #[error("the database refused: {0}")]
    Refused(Arc<sqlx::Error>),
    /// Something stored is not what we store.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// It is asked for what it kept only until retention let it go.
    #[error(
        "the events before {0} have been let go: ask for a later period, or for intervals of 15 minutes, or a \
         multiple of that"
    )]
    LetGo(jiff::Timestamp),
    /// More is waiting to be written than `limits.unwritten_max`, or the gateway is stopping.
    #[error("too much is waiting to be written to the database")]
    Backlog,
}

impl DatabaseFault {
    /// It did not answer in time.
    pub(super) fn no_answer(within: std::time::Duration) -> Self {
        let sentence = format!("no answer within {} s", within.as_secs());
        let silence = std::io::Error::new(std::io::ErrorKind::TimedOut, sentence);
        Self::Unreachable(Arc::new(sqlx::Error::Io(silence)))
    }

    /// Whether the same thing may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Full(_)
            | Self::ReadOnly(_)
            | Self::Locked(_)
            | Self::Unreachable(_)
            | Self::NotOpened { .. }
            | Self::Backlog => true,
            Self::Refused(_) | Self::Unreadable(_) | Self::LetGo(_) => false,
        }
    }
}

impl From<sqlx::Error> for DatabaseFault {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .map(|code| code.into_owned());
        let is_answer = error.as_database_error().is_some();
        let error = Arc::new(error);
        match code.as_deref() {
            Some(code) => classify(code)(error),
            None if is_answer => Self::Refused(error),
            None => Self::of_connection(error),
        }
    }
}

impl DatabaseFault {
    fn of_connection(error: Arc<sqlx::Error>) -> Self {
        match &*error {
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Decode(_) => Self::Unreadable(error.to_string()),
            sqlx::Error::Configuration(_)
            | sqlx::Error::InvalidArgument(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::Migrate(_)
            | sqlx::Error::InvalidSavePointStatement => Self::Refused(error),
            // What is left, and what a later sqlx may add, is a broken or missing connection.
            sqlx::Error::Database(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::AnyDriverError(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | _ => Self::Unreachable(error),
        }
    }
}

/// SQLite gives its extended result code in decimal, whose low byte is the primary code
/// (sqlite.org/rescode.html); PostgreSQL gives five letters (its Appendix A).
fn classify(code: &str) -> fn(Arc<sqlx::Error>) -> DatabaseFault {
    if code.len() < 5
        && let Ok(number) = code.parse::<u32>()
    {
        return match number & 0xff {
            13 => DatabaseFault::Full,
            8 => DatabaseFault::ReadOnly,
            5 | 6 => DatabaseFault::Locked,
            // Input/output error, cannot open, out of memory: the disk or machine, not the statement.
            10 | 14 | 7 => DatabaseFault::Unreachable,
            _ => DatabaseFault::Refused,
        };
    }
    match code {
        "53100" | "53200" => DatabaseFault::Full,
        "25006" => DatabaseFault::ReadOnly,
        // Serialisation failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => DatabaseFault::Locked,
        // The session was ended because it slept within a transaction.
        "25P03" => DatabaseFault::Unreachable,
        _ if ["08", "57", "53", "58"].contains(&&code[..2]) => DatabaseFault::Unreachable,
        _ => DatabaseFault::Refused,
    }
}
