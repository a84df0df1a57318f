--[[
use_pairing_code: a speaker shows the code of a node; the first who does so uses it up (ND11).

KEYS[1]  {p}:v2:{pairing:<code>}:node  HASH  node_id, used_by; ends by itself
ARGV[1]  who shows it: the socket, which may show it again

Returns  {1, node id}     the session belongs to this node
         {0, 'unknown'}   nobody has this code, or its time is over
         {0, 'used'}      another has used it
]]
local code, shown_by = KEYS[1], ARGV[1]
local kept = redis.call('HMGET', code, 'node_id', 'used_by')
if not kept[1] then
  return {0, 'unknown'}
end
if kept[2] and kept[2] ~= shown_by then
  return {0, 'used'}
end
redis.call('HSET', code, 'used_by', shown_by)
return {1, kept[1]}
