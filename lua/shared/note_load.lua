-- Keep the mirror of a node's counters (N10) after a slot was taken or given back; nothing decides by it.
-- Its life is renewed by heartbeats. Where it is not there, so is no node, or one that offers nothing (N14).
local function note_load(info, cap, reserved, running)
  if redis.call('HSET', cap, 'reserved', reserved, 'running', running) > 0 then
    local max = tonumber(redis.call('HGET', info, 'max') or 0)
    if max > 0 then
      redis.call('HSET', cap, 'max', max)
      redis.call('PEXPIRE', cap, 3600000)
    else
      redis.call('DEL', cap)
    end
  end
  return reserved + running
end
