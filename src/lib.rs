//! `ringdown`, the gateway: configuration, stores, CMS, tickets, web API and wiring.

pub mod cli;
pub mod config;
pub mod metrics;
pub mod report;
pub mod trace;
