//! The Lua files, one a verb, ready to be loaded.

use super::keys::EVENTS_KEPT;
use redis::Script;
use ringdown_routing::queue::RING_ALL_MAX_USUAL;
use ringdown_routing::verb::{LEASE_GRACE, Verb};
use std::sync::LazyLock;

/// All scripts, hashed once.
pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(Scripts::new);

/// One script: its text for loading, its hash for running.
pub(super) struct LuaScript {
    pub(super) text: String,
    pub(super) hash: String,
}

impl LuaScript {
    fn new(text: String) -> Self {
        let hash = Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// The command that runs it, without keys and arguments.
    pub(super) fn command(&self) -> redis::Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.hash);
        cmd
    }
}

/// The scripts by what they do.
pub(super) struct Scripts {
    pub(super) open: LuaScript,
    pub(super) lead: LuaScript,
    pub(super) resign: LuaScript,
    pub(super) publish: LuaScript,
    pub(super) forget_written: LuaScript,
    pub(super) join: LuaScript,
    pub(super) phone: LuaScript,
    pub(super) phones_over: LuaScript,
    pub(super) phones_lost: LuaScript,
    verbs: [LuaScript; 22],
}

impl Scripts {
    fn new() -> Self {
        Self {
            open: LuaScript::new(include_str!("lua/open.lua").to_owned()),
            lead: LuaScript::new(include_str!("lua/lead.lua").to_owned()),
            resign: LuaScript::new(include_str!("lua/resign.lua").to_owned()),
            publish: with_desk(include_str!("lua/publish.lua")),
            forget_written: LuaScript::new(include_str!("lua/forget_written.lua").to_owned()),
            join: LuaScript::new(include_str!("lua/join.lua").to_owned()),
            phone: LuaScript::new(include_str!("lua/phone.lua").to_owned()),
            phones_over: LuaScript::new(include_str!("lua/phones_over.lua").to_owned()),
            phones_lost: LuaScript::new(include_str!("lua/phones_lost.lua").to_owned()),
            verbs: [
                include_str!("lua/set_queue.lua"),
                include_str!("lua/set_agent.lua"),
                include_str!("lua/remove_agent.lua"),
                include_str!("lua/enqueue.lua"),
                include_str!("lua/agent_status.lua"),
                include_str!("lua/agent_reachable.lua"),
                include_str!("lua/offer.lua"),
                include_str!("lua/accept.lua"),
                include_str!("lua/decline.lua"),
                include_str!("lua/ring_timeout.lua"),
                include_str!("lua/abandon.lua"),
                include_str!("lua/requeue.lua"),
                include_str!("lua/flow_out.lua"),
                include_str!("lua/complete.lua"),
                include_str!("lua/end_wrap_up.lua"),
                include_str!("lua/node_alive.lua"),
                include_str!("lua/restore.lua"),
                include_str!("lua/expire.lua"),
                include_str!("lua/extend_wrap_up.lua"),
                include_str!("lua/move.lua"),
                include_str!("lua/reprioritise.lua"),
                include_str!("lua/hand_over.lua"),
            ]
            .map(with_desk),
        }
    }

    /// The script of a verb.
    pub(super) fn of(&self, verb: &Verb) -> &LuaScript {
        let place = match verb {
            Verb::SetQueue { .. } => 0,
            Verb::SetAgent { .. } => 1,
            Verb::RemoveAgent { .. } => 2,
            Verb::Enqueue { .. } => 3,
            Verb::AgentStatus { .. } => 4,
            Verb::AgentReachable { .. } => 5,
            Verb::Offer { .. } => 6,
            Verb::Accept { .. } => 7,
            Verb::Decline { .. } => 8,
            Verb::RingTimeout { .. } => 9,
            Verb::Abandon { .. } => 10,
            Verb::Requeue { .. } => 11,
            Verb::FlowOut { .. } => 12,
            Verb::Complete { .. } => 13,
            Verb::EndWrapUp { .. } => 14,
            Verb::NodeAlive { .. } => 15,
            Verb::Restore { .. } => 16,
            Verb::Expire => 17,
            Verb::ExtendWrapUp { .. } => 18,
            Verb::Move { .. } => 19,
            Verb::Reprioritise { .. } => 20,
            Verb::HandOver { .. } => 21,
        };
        &self.verbs[place]
    }

    /// Every script, to be loaded into a server.
    pub(super) fn all(&self) -> impl Iterator<Item = &LuaScript> {
        [
            &self.open,
            &self.lead,
            &self.resign,
            &self.publish,
            &self.forget_written,
            &self.join,
            &self.phone,
            &self.phones_over,
            &self.phones_lost,
        ]
        .into_iter()
        .chain(&self.verbs)
    }
}

fn with_desk(verb: &str) -> LuaScript {
    let grace = LEASE_GRACE.as_millis();
    LuaScript::new(format!(
        "local EVENTS_MAX, LEASE_GRACE_MS, RING_ALL_MAX = {EVENTS_KEPT}, {grace}, {RING_ALL_MAX_USUAL}\n{}\n{verb}",
        include_str!("lua/desk.lua")
    ))
}
