--[[
note_seen: somebody was seen alive now (N13); the index is how all of a kind are found without a scan.

KEYS[1]  {p}:v2:{nodes}:last_seen or {p}:v2:{instances}:seen  ZSET  id, scored by when it was last seen (ms)
ARGV[1]  id
ARGV[2]  test clock, or ''

Returns  {1, now}  noted
]]
local index = KEYS[1]
local id, test_clock = ARGV[1], ARGV[2]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
redis.call('ZADD', index, now, id)
return {1, now}
