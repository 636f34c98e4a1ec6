-- A contact enters a queue; one that is here already is left as it is.
-- KEYS: of the shard (desk.lua); changes contacts, places, unanswered, meta.
-- ARGV: at, contact, record JSON (with no agents to avoid).
-- Answer: done, or refused already_ended, unknown_queue, queue_closed, queue_full. Event: enqueued.

local id, text = ARGV[2], ARGV[3]
if redis.call('HEXISTS', CONTACTS, id) == 1 then
  return reply(DONE)
end
if redis.call('HEXISTS', ENDED, id) == 1 then
  return refuse('already_ended')
end
local record = cjson.decode(text)
local rules = rules_of(record.queue)
if not rules then
  return refuse('unknown_queue')
end
if not rules.is_open then
  return refuse('queue_closed')
end
local most = rules.waiting_max
if most and most ~= cjson.null then
  local unanswered = tonumber(redis.call('HGET', UNANSWERED, record.queue) or '0')
  if unanswered >= most then
    return refuse('queue_full')
  end
end
local fields = {
  priority = record.priority,
  channel = record.channel,
  enqueued_at = record.enqueued_at,
  node = record.node,
}
if next(record.skills) then
  fields.skills = record.skills
end
fields.reserved = record.reserved
emit('enqueued', { contact = id, queue = record.queue }, fields)
enter(id, record, text)
return reply(DONE)
