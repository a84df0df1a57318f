--[[
note_seen: these were seen alive now (N13); the index is how all of a kind are found without a scan.

KEYS[1]  {p}:v2:{nodes}:last_seen or {p}:v2:{instances}:seen  ZSET  id, scored by when it was last seen (ms)
ARGV[1]  test clock, or ''
ARGV[2…] ids

Returns  {1, now}  noted
]]
local index = KEYS[1]
local test_clock = ARGV[1]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
for at = 2, #ARGV do
  redis.call('ZADD', index, now, ARGV[at])
end
return {1, now}
