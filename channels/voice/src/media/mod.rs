//! Media: RTP relay, players, DTMF and quality.
//!
//! | module | what lives here |
//! |---|---|
//! | [`core`] | all ports of one thread, sans-IO: packets, commands and time in; packets and events out |
//! | [`rtp`], [`rtcp`], [`telephone_event`], [`g711`] | the formats on the wire |
//! | [`latch`], [`reception`], [`outgoing`] | a leg's peer, the stream from it, the one stream to it |
//! | [`clip`] | what is played, encoded once and shared |
//! | [`prompts`], [`tone`], [`wav`], [`resample`] | where clips come from: phrases, tones, files |
//! | [`tap`], [`recording`], [`recorder`] | what a peer says, heard beside the bridge, and written to a file |
//! | [`engine`], `threads`, `gather` | the shell: few threads with sockets and clocks, and the door to them |
//! | [`port_range`] | which UDP ports are free |
//! | [`terms`] | what a port is told, and what it tells |
//!
//! The invariant: towards each leg there is one RTP stream for its whole life - one SSRC, one
//! sequence, one clock - whoever feeds it.
//!
//! What deliberately does not live here: who hears whom, and which prompt is played when.

pub mod clip;
pub mod core;
pub mod engine;
pub mod g711;
mod gather;
pub mod latch;
pub mod outgoing;
mod port;
pub mod port_range;
mod prompt_files;
pub mod prompts;
pub mod reception;
pub mod recorder;
pub mod recording;
mod reports;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod tap;
pub mod telephone_event;
pub mod terms;
mod threads;
pub mod tone;
pub mod wav;
mod wheel;

pub use clip::{Clip, Clips, Repeat, Start};
pub use engine::{CommandFault, MediaEngine, OpenFault, PortHandle, Settings};
pub use prompts::{Folders, Language, Prompt, PromptLibrary, PromptWarning};
pub use recorder::{Recorder, RecordingFault};
pub use recording::{Recorded, RecordingEnd, RecordingLimits};
pub use tap::{Tap, TapFrame, TapId};
pub use terms::{
    Flow, History, MediaEvent, MediaEventKind, Owner, Play, PlayId, PortCommand, PortId, Report,
    Shard,
};
