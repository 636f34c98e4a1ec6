-- Takes an agent away who neither rings nor talks.
-- KEYS: of the shard (desk.lua); changes agents, states, wrap_ups.
-- ARGV: at, agent.
-- Answer: done (also when there is no such agent), or refused agent_not_free. Event: agent_removed.

local id = ARGV[2]
local agent = load_agent(id)
if not agent then
  return reply(DONE)
end
if agent.state == 'ringing' or agent.state == 'talking' then
  return refuse('agent_not_free')
end
emit('agent_removed', { agent = id })
redis.call('HDEL', AGENTS, id)
redis.call('HDEL', STATES, id)
redis.call('ZREM', WRAP_UPS, id)
return reply(DONE)
