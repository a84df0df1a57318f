-- Keep the read-only counters that dashboards and older tools know (N10); nothing decides by them.
local function mirror_cap(cap, max, reserved, running)
  redis.call('HSET', cap, 'max', max, 'reserved', reserved, 'running', running)
  redis.call('PEXPIRE', cap, 3600000)
  return reserved + running
end
