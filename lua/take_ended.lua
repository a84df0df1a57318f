--[[
take_ended: take jobs to be written into the history under a lease; not struck off, they are taken again.

KEYS[1]  {p}:v2:{t:<n>}:timers  ZSET  entity; below 0: a job that is over, scored by the moment it may be taken - 1e15
ARGV[1]  most entries to take
ARGV[2]  lease, ms
ARGV[3]  test clock, or ''

Returns  {1, waiting, entity…}  how many wait in all; each entity is this caller's until the lease ends
]]
local timers = KEYS[1]
local most, lease_ms, test_clock = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
local now = now_ms(test_clock) - 1e15
local taken = redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, most)
local reply = {1, redis.call('ZCOUNT', timers, '-inf', '(0')}
local leases = {}
for _, entity in ipairs(taken) do
  leases[#leases + 1] = now + lease_ms
  leases[#leases + 1] = entity
  reply[#reply + 1] = entity
end
for first = 1, #leases, 1000 do
  redis.call('ZADD', timers, unpack(leases, first, math.min(first + 999, #leases)))
end
return reply
