-- A room goes on: none of its keys ends before it is idle for so long again.
local function keep_room(life_ms, state, members, listeners)
  redis.call('PEXPIRE', state, life_ms)
  redis.call('PEXPIRE', members, life_ms)
  redis.call('PEXPIRE', listeners, life_ms)
end
