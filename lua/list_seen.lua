--[[
list_seen: who is in an index, and when each was last seen.

KEYS[1]  {p}:v2:{nodes}:last_seen or {p}:v2:{instances}:seen  ZSET  id, scored by when it was last seen (ms)
ARGV[1]  test clock, or ''

Returns  {1, now, id, moment, …}  moments are ms of Redis's clock
]]
local index = KEYS[1]
local test_clock = ARGV[1]
--- @include "shared/now_ms"
local reply = redis.call('ZRANGE', index, 0, -1, 'WITHSCORES')
table.insert(reply, 1, now_ms(test_clock))
table.insert(reply, 1, 1)
return reply
