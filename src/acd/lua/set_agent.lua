-- Sets who an agent is; who is new is logged off and out of reach.
-- KEYS: of the shard (desk.lua); changes agents, states.
-- ARGV: at, agent, profile JSON.
-- Answer: done. Event: agent_changed, unless the profile is the same.

local id, profile = ARGV[2], ARGV[3]
if redis.call('HGET', AGENTS, id) ~= profile then
  emit('agent_changed', { agent = id }, nil, '"profile":' .. profile)
  redis.call('HSET', AGENTS, id, profile)
  if redis.call('HEXISTS', STATES, id) == 0 then
    save_agent(id, {
      status = 'logged_off', holds = {}, is_reachable = false, idle_since = at, tally = new_tally(at),
    })
  end
end
return reply(DONE)
