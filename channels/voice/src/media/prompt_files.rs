//! The audio that is built in, so that a desk speaks without any file.

/// The languages of [`EMBEDDED`], in the order of its files.
pub(super) const EMBEDDED_LANGUAGES: [&str; 2] = ["en", "zh-TW"];

macro_rules! embedded {
    ($($name:literal)*) => {
        /// Each prompt's name, and its file in each language.
        pub(super) const EMBEDDED: &[(&str, [&[u8]; EMBEDDED_LANGUAGES.len()])] = &[$((
            $name,
            [
                include_bytes!(concat!("../../../../fixtures/prompts/en/", $name, ".wav")),
                include_bytes!(concat!("../../../../fixtures/prompts/zh-TW/", $name, ".wav")),
            ],
        )),*];
    };
}

embedded! {
    "greeting"
    "you_are_number"
    "number_1"
    "number_2"
    "number_3"
    "number_4"
    "number_5"
    "number_6"
    "number_7"
    "number_8"
    "number_9"
    "number_10"
    "number_11"
    "number_12"
    "number_13"
    "number_14"
    "number_15"
    "number_16"
    "number_17"
    "number_18"
    "number_19"
    "number_20"
    "more_than_20"
    "estimated_wait"
    "less_than_a_minute"
    "minutes_1"
    "minutes_2"
    "minutes_3"
    "minutes_4"
    "minutes_5"
    "minutes_6"
    "minutes_7"
    "minutes_8"
    "minutes_9"
    "minutes_10"
    "more_than_10_minutes"
    "all_agents_busy"
    "please_hold"
    "queue_closed"
    "queue_full"
    "no_agents"
    "technical_problem"
    "enter_ticket_number"
    "ticket_noted"
    "thank_you_goodbye"
    "connecting"
    "agent_lost_please_wait"
    "emergency_closed"
    "callback_offer"
    "callback_number"
    "callback_noted"
    "incident_message"
    "incident_join"
    "incident_leave"
    "incident_stay"
    "leave_message"
    "incident_noted"
    "how_it_went"
}

/// The music on hold.
pub(super) const EMBEDDED_MUSIC: &[u8] =
    include_bytes!("../../../../fixtures/music/hold_music.wav");
