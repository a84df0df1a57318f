--[[
resign_leadership: give the leadership up before it ends, so that another need not wait (C14).

KEYS[1]  {p}:v2:{poolcfg}:leader  HASH  instance_id, fence, until_ms
ARGV[1]  instance id
ARGV[2]  fence it was given

Returns  {1}            nobody leads now
         {0, 'lost'}    it was no longer the leader
]]
local leader = KEYS[1]
local instance_id, fence = ARGV[1], ARGV[2]
local held = redis.call('HMGET', leader, 'instance_id', 'fence')
if held[1] ~= instance_id or held[2] ~= fence then
  return {0, 'lost'}
end
redis.call('DEL', leader)
return {1}
