-- Say whether `attempt` holds a lease in `leases` that has not ended.
local function is_held(leases, attempt, now)
  local ends_at = redis.call('ZSCORE', leases, attempt)
  return ends_at and tonumber(ends_at) > now
end
