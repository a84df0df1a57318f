--[[
acquire_leadership: become the one writer of the pool configuration, or stay it (C14).

KEYS[1]  {p}:v2:{poolcfg}:leader  HASH    instance_id, fence, until_ms
KEYS[2]  {p}:v2:{poolcfg}:fence   STRING  the highest fence ever given
ARGV[1]  instance id
ARGV[2]  length of the leadership, ms
ARGV[3]  test clock, or ''

Returns  {1, fence}          leader until then; the fence it had before while it was leader already
         {0, 'held', leader} another instance leads
]]
local leader, fence = KEYS[1], KEYS[2]
local instance_id, length_ms, test_clock = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local held = redis.call('HMGET', leader, 'instance_id', 'fence', 'until_ms')
local lives = held[1] and tonumber(held[3]) > now
if lives and held[1] ~= instance_id then
  return {0, 'held', held[1]}
end
local given = lives and held[2] or redis.call('INCR', fence)
redis.call('HSET', leader, 'instance_id', instance_id, 'fence', given, 'until_ms', now + length_ms)
redis.call('PEXPIRE', leader, length_ms + 60000)
return {1, tonumber(given)}
