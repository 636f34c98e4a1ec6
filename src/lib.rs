//! `ringdown`, the gateway: configuration, stores, CMS, tickets, web API and wiring.

pub mod acd;
pub mod api;
pub mod call_backs;
pub mod call_flow;
pub mod cli;
pub mod cms;
pub mod config;
pub mod cti;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod drain;
pub mod event_log;
pub mod forecast;
pub mod gateway;
pub mod live_view;
pub mod mail;
pub mod metrics;
pub mod openings;
pub mod report;
pub mod roster;
pub mod simulation;
pub mod site_prompts;
pub mod staffing;
pub mod tickets;
pub mod trace;
