-- The agent ends the wrap-up before its time.
-- KEYS: of the shard (desk.lua); changes states, wrap_ups.
-- ARGV: at, agent.
-- Answer: done (also without a wrap-up), or refused unknown_agent. Events: agent_status, ready.

local id = ARGV[2]
local agent = load_agent(id)
if not agent then
  return refuse('unknown_agent')
end
if agent.state == 'wrap_up' then
  free_from_wrap_up(id, agent, at)
end
return reply(DONE)
