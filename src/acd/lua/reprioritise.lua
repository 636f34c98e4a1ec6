-- The contact gets another priority.
-- KEYS: of the shard (desk.lua); changes contacts.
-- ARGV: at, contact, priority.
-- Answer: done, or refused unknown_contact, not_waiting. Event: reprioritised, unless it has that already.

local id, priority = ARGV[2], tonumber(ARGV[3])
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_waiting')
end
if contact.place.place == 'active' then
  return refuse('not_waiting')
end
if contact.record.priority ~= priority then
  emit('reprioritised', about(contact), { priority = priority })
  contact.record.priority = priority
  save_record(contact)
end
return reply(DONE)
