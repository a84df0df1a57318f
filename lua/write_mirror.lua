--[[
write_mirror: write the copy of something that older tools read; nothing decides by it (G8, N15).

KEYS[1]  {p}:v1:<kind>:{<entity>}  HASH  the copy
ARGV[1]  fields: field, value, … flattened as JSON array
ARGV[2]  life, ms; 0 for no end

Returns  {1}  written
]]
local mirror = KEYS[1]
local fields, life_ms = ARGV[1], tonumber(ARGV[2])
redis.call('DEL', mirror)
redis.call('HSET', mirror, unpack(cjson.decode(fields)))
if life_ms > 0 then
  redis.call('PEXPIRE', mirror, life_ms)
end
return {1}
