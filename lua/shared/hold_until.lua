-- Give `attempt` a lease; the set lives a minute longer than its newest lease. `held` is how many
-- leases it had, where the caller knows: a set that is new needs a life without being asked for it.
local function hold_until(leases, attempt, now, length_ms, held)
  redis.call('ZADD', leases, now + length_ms, attempt)
  if held == 0 or redis.call('PTTL', leases) < length_ms + 30000 then
    redis.call('PEXPIRE', leases, length_ms + 60000)
  end
end
