-- An agent chose a status; while they hold a contact or wrap up it is kept for afterwards, unless they were
-- logged off with contacts in hand (restored ones).
-- KEYS: of the shard (desk.lua); changes states.
-- ARGV: at, agent, status JSON.
-- Answer: done, or refused unknown_agent. Event: agent_status or next_status, unless it is chosen already.

local id, status = ARGV[2], cjson.decode(ARGV[3])
local agent = load_agent(id)
if not agent then
  return refuse('unknown_agent')
end
if is_same_status(agent.next_status or agent, status) then
  return reply(DONE)
end
if not next(agent.holds) or agent.status == 'logged_off' then
  take_status(id, agent, status)
else
  emit('next_status', { agent = id }, { status = status.status, reason = status.reason })
  agent.next_status = nil
  if not is_same_status(agent, status) then
    agent.next_status = status
  end
end
save_agent(id, agent)
return reply(DONE)
