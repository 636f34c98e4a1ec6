-- A contact enters a queue; one that is here already is left as it is.
-- KEYS: of the shard (desk.lua); changes contacts, places, unanswered, meta.
-- ARGV: at, contact, record JSON (as it enters now: with no agents to avoid).
-- Answer: done, or refused already_ended, unknown_queue, queue_closed, queue_full. Event: enqueued.

local id, text = ARGV[2], ARGV[3]
if redis.call('HEXISTS', CONTACTS, id) == 1 then
  return reply(DONE)
end
if redis.call('HEXISTS', ENDED, id) == 1 then
  return refuse('already_ended')
end
local record = cjson.decode(text)
local reason = may_not_enter(record.queue)
if reason then
  return refuse(reason)
end
emit_enqueued(id, record)
enter(id, record, text)
return reply(DONE)
