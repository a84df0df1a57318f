-- Drop leases that have ended; return how many reservations and runs still hold a slot.
local function live_load(resv, run, now)
  redis.call('ZREMRANGEBYSCORE', resv, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', run, '-inf', now)
  return redis.call('ZCARD', resv), redis.call('ZCARD', run)
end
