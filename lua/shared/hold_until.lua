-- Give `attempt` a lease; the set lives a minute longer than its newest lease.
local function hold_until(leases, attempt, now, length_ms)
  redis.call('ZADD', leases, now + length_ms, attempt)
  if redis.call('PTTL', leases) < length_ms + 30000 then
    redis.call('PEXPIRE', leases, length_ms + 60000)
  end
end
