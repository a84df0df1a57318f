--[[
close_session: a session ends, unless its speaker is back on another instance.

KEYS[1]  {p}:v2:{session:<id>}:info     HASH  instance_id, …
KEYS[2]  {p}:v2:{session:<id>}:tracked  ZSET  job id, scored by utterance index
ARGV[1]  id of the instance that held the socket

Returns  {1}               ended, or it had before
         {0, 'elsewhere'}  it goes on at another instance
]]
local info, tracked = KEYS[1], KEYS[2]
local instance_id = ARGV[1]
local owner = redis.call('HGET', info, 'instance_id')
if owner and owner ~= instance_id then
  return {0, 'elsewhere'}
end
redis.call('DEL', info, tracked)
return {1}
