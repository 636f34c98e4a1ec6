-- The contact goes back to its old place although it was answered or offered; one that waits is left.
-- KEYS: of the shard (desk.lua); changes places, offers, leases, unanswered, avoid, states.
-- ARGV: at, contact, reason, the token by which it is rung for or was answered (empty for whichever).
-- Answer: done, or refused unknown_contact, not_active (it has ended), stale_offer (others have it or ring
--   for it by now).
-- Events: left_offer (of each who rang beside another and is not asked for a while), requeued, agent_status
--   (if one was chosen), ready.

local id, reason = ARGV[2], ARGV[3]
local contact = load_contact(id)
if not contact then
  return missing(id, 'not_active')
end
local place = contact.place
if place.agent then
  if ARGV[4] ~= '' and not holder_by(place, tonumber(ARGV[4])) then
    return refuse('stale_offer')
  end
  local retry_at = nil
  if reason ~= 'lease_expired' then
    retry_at = back_off_end(contact)
  end
  requeue_contact(contact, reason, retry_at)
  free_holders(contact, place)
end
return reply(DONE)
