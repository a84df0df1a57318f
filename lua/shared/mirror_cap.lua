-- Keep the read-only counters that dashboards and older tools know (N10); nothing decides by them.
-- A node that is not known, or offers nothing, has none: a late call must not bring its keys back (N14).
local function mirror_cap(cap, max, reserved, running)
  if max > 0 then
    redis.call('HSET', cap, 'max', max, 'reserved', reserved, 'running', running)
    redis.call('PEXPIRE', cap, 3600000)
  else
    redis.call('DEL', cap)
  end
  return reserved + running
end
