-- Drop leases that have ended; return how many reservations and runs still hold a slot.
-- Most sets are empty or gone, and a count is cheaper than a search for what has ended.
local function live_load(resv, run, now)
  local reserved, running = redis.call('ZCARD', resv), redis.call('ZCARD', run)
  if reserved > 0 then
    reserved = reserved - redis.call('ZREMRANGEBYSCORE', resv, '-inf', now)
  end
  if running > 0 then
    running = running - redis.call('ZREMRANGEBYSCORE', run, '-inf', now)
  end
  return reserved, running
end
