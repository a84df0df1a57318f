--[[
keep_pairing_code: a node has a code by which a session may be bound to it (ND11).

KEYS[1]  {p}:v2:{pairing:<code>}:node  HASH  node_id, used_by; ends by itself
ARGV[1]  node id
ARGV[2]  life of the code, ms

Returns  {1}            the code is this node's
         {0, 'taken'}   another node has it, or it was used: the caller draws another
]]
local code = KEYS[1]
local node_id, life_ms = ARGV[1], tonumber(ARGV[2])
local kept = redis.call('HMGET', code, 'node_id', 'used_by')
if kept[1] and (kept[1] ~= node_id or kept[2]) then
  return {0, 'taken'}
end
redis.call('HSET', code, 'node_id', node_id)
redis.call('PEXPIRE', code, life_ms)
return {1}
