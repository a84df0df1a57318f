--[[
drain_node: an operator asks a node to take nothing new, or to take work again.

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  draining, …
ARGV[1]  '1' drain, '0' resume

Returns  {1, status}      the node's status, unchanged
         {0, 'unknown'}   no such node
]]
local info = KEYS[1]
local draining = ARGV[1]
local status = redis.call('HGET', info, 'status')
if not status then
  return {0, 'unknown'}
end
redis.call('HSET', info, 'draining', draining)
return {1, status}
