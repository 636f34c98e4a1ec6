//! Media: RTP relay, players, DTMF and quality.
