-- An agent passes a contact on in one step, to this line or another one, kept for somebody or for anybody.
-- KEYS: of the shard (desk.lua); changes contacts and what holds them, avoid, states, meta.
-- ARGV: at, contact, queue, JSON of whom it is kept for (empty for nobody), the token by which it
--   is rung for or was answered (empty for whichever).
-- Answer: done, or refused unknown_contact, not_active (it waits or has ended), stale_offer (nobody has it by that token), unknown_queue, queue_closed,
--   queue_full.
-- Events: left_offer (of each who rang beside another), requeued, overflowed and enqueued (unless it stays as it is in its line), agent_status (if one was
--   chosen), ready.

local id, to, reserved = ARGV[2], ARGV[3], ARGV[4]
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_active')
end
local place = contact.place
if not place.agent then
  return refuse('not_active')
end
if ARGV[5] ~= '' and not holder_by(place, tonumber(ARGV[5])) then
  return refuse('stale_offer')
end
local is_elsewhere = contact.queue ~= to
local reason = is_elsewhere and may_not_enter(to)
if reason then
  return refuse(reason)
end
requeue_contact(contact, 'handed_over', back_off_end(contact))
if is_elsewhere or reserved ~= '' then
  local record = contact.record
  emit('overflowed', about(contact), { to = to, wait_ms = math.max(0, at - record.enqueued_at) })
  leave(contact)
  record.queue, record.entered_at, record.overflows_refused = to, at, nil
  record.reserved = reserved ~= '' and cjson.decode(reserved) or nil
  emit_enqueued(id, record)
  enter(id, record, cjson.encode(record))
end
free_holders(contact, place)
return reply(DONE)
