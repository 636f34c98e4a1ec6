-- The contact goes to another queue in one step.
-- KEYS: of the shard (desk.lua); changes contacts and what holds them, states, meta.
-- ARGV: at, contact, queue.
-- Answer: done (also when it is there), or refused unknown_contact, not_waiting, unknown_queue,
--   queue_closed, queue_full.
-- Events: overflowed, enqueued, agent_status (if one was chosen), ready (if somebody rang).

local id, to = ARGV[2], ARGV[3]
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place == 'active' then
  return refuse('not_waiting')
end
local reason = contact.queue ~= to and move_contact(contact, to)
if reason then
  return refuse(reason)
end
return reply(DONE)
