-- An agent's phone came within reach or left it.
-- KEYS: of the shard (desk.lua); changes states.
-- ARGV: at, agent, '1' within reach or '0'.
-- Answer: done, or refused unknown_agent. Event: agent_reachable, unless it is so already.

local id, is_reachable = ARGV[2], ARGV[3] == '1'
local agent = load_agent(id)
if not agent then
  return refuse('unknown_agent')
end
if agent.is_reachable ~= is_reachable then
  emit('agent_reachable', { agent = id }, { is_reachable = is_reachable })
  agent.is_reachable = is_reachable
  save_agent(id, agent)
end
return reply(DONE)
