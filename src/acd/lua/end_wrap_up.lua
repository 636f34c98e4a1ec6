-- The agent ends the wrap-up of a contact, or all they have, before its time.
-- KEYS: of the shard (desk.lua); changes states, wrap_ups.
-- ARGV: at, agent, contact (empty: all).
-- Answer: done (also without a wrap-up), or refused unknown_agent. Events: agent_status, ready.

local id, meant = ARGV[2], ARGV[3]
local agent = load_agent(id)
if not agent then
  return refuse('unknown_agent')
end
for _, contact_id in ipairs(wrap_ups_of(agent)) do
  if meant == '' or meant == contact_id then
    free_from_wrap_up(id, agent, contact_id, at)
  end
end
return reply(DONE)
