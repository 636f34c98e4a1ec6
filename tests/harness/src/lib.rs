//! The other ends of the black-box tests.
//!
//! Starts the real gateway and real programs (redis-server, PostgreSQL, SIPp, baresip) on free loopback ports in
//! folders of their own, and speaks SIP, RTP and HTTP by itself, sharing no code with the gateway: a
//! mistake made on both sides would otherwise pass. Nothing here sleeps: every wait is for a line, a
//! packet or an answer, has a deadline, and fails with a sentence that says what was waited for.
//! What is started is ended, by its process id, when its value is dropped.

pub mod audio;
pub mod baresip;
pub mod chromium;
pub mod desk;
pub mod digest;
pub mod dkim;
pub mod dns;
pub mod dovecot;
pub mod flood;
pub mod gateway;
pub mod http;
pub mod large;
pub mod linphone;
pub mod load;
pub mod mail;
pub mod measure;
pub mod phone;
pub mod place;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod sip;
pub mod sipp;
pub mod tcp_phone;
pub mod token_server;

use std::time::Duration;

/// How long a test waits for something that should happen at once on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
