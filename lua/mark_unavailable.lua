--[[
mark_unavailable: a node said it cannot run a service now; it is not asked for it for a while (C19, M3).

KEYS[1]  {p}:v2:{node:<id>}:unavail  ZSET  service id, scored by the end of its mark (ms)
ARGV[1]  service id
ARGV[2]  length of the mark, ms
ARGV[3]  test clock, or ''

Returns  {1, until}  marked until then; a longer mark stands
]]
local unavail = KEYS[1]
local service, length_ms, test_clock = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
--- @include "shared/hold_until"
local now = now_ms(test_clock)
redis.call('ZREMRANGEBYSCORE', unavail, '-inf', now)
local until_ms = math.max(tonumber(redis.call('ZSCORE', unavail, service) or 0), now + length_ms)
hold_until(unavail, service, now, until_ms - now)
return {1, until_ms}
