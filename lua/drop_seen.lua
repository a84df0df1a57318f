--[[
drop_seen: forget somebody unless it was seen again meanwhile.

KEYS[1]  {p}:v2:{nodes}:last_seen or {p}:v2:{instances}:seen  ZSET  id, scored by when it was last seen (ms)
ARGV[1]  id
ARGV[2]  the moment it was last seen, as the caller knows it (ms)

Returns  {1}          forgotten
         {0, 'seen'}  it was seen after that, or is unknown
]]
local index = KEYS[1]
local id, seen_at_ms = ARGV[1], tonumber(ARGV[2])
local score = redis.call('ZSCORE', index, id)
if not score or tonumber(score) > seen_at_ms then
  return {0, 'seen'}
end
redis.call('ZREM', index, id)
return {1}
