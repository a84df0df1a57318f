--[[
read_pool_age: for how long the pool configuration has been published, by the clock that published it (C15).

KEYS[1]  {p}:v2:{poolcfg}:doc  HASH  doc, version, published_at_ms
ARGV[1]  test clock, or ''

Returns  {1, age}        ms
         {0, 'unknown'}  nothing is published
]]
local config = KEYS[1]
local test_clock = ARGV[1]
--- @include "shared/now_ms"
local published_at_ms = redis.call('HGET', config, 'published_at_ms')
if not published_at_ms then
  return {0, 'unknown'}
end
return {1, math.max(now_ms(test_clock) - tonumber(published_at_ms), 0)}
