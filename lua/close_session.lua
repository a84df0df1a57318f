--[[
close_session: a session ends with its socket, unless its speaker is back on another, here or elsewhere.

KEYS[1]  {p}:v2:{session:<id>}:info     HASH  instance_id, conn_epoch, …
KEYS[2]  {p}:v2:{session:<id>}:tracked  ZSET  job id, scored by utterance index
ARGV[1]  id of the instance that held the socket
ARGV[2]  epoch of that socket

Returns  {1}               ended, or it had before
         {0, 'elsewhere'}  it goes on at another socket
]]
local info, tracked = KEYS[1], KEYS[2]
local instance_id, conn_epoch = ARGV[1], ARGV[2]
--- @include "shared/is_elsewhere"
local owner = redis.call('HGET', info, 'instance_id')
if owner and (owner ~= instance_id or is_elsewhere(info, conn_epoch)) then
  return {0, 'elsewhere'}
end
redis.call('DEL', info, tracked)
return {1}
