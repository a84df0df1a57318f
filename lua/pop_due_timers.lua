--[[
pop_due_timers: take what is due under a short lease; what is not disarmed by then is due again (C23).

KEYS[1]  {p}:v2:{t:<n>}:timers  ZSET  entity, scored by the moment it is due (ms); below 0: not timed any more
ARGV[1]  most entries to take
ARGV[2]  lease, ms
ARGV[3]  test clock, or ''

Returns  {1, now, entity…}  each is this caller's until the lease ends
]]
local timers = KEYS[1]
local most, lease_ms, test_clock = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local due = redis.call('ZRANGEBYSCORE', timers, 0, now, 'LIMIT', 0, most)
local reply = {1, now}
for _, entity in ipairs(due) do
  redis.call('ZADD', timers, now + lease_ms, entity)
  reply[#reply + 1] = entity
end
return reply
