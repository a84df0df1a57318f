--[[
drain_node: an operator asks a node to take nothing new, or to take work again.

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  draining, held, …
ARGV[1]  '1' drain, '0' resume
ARGV[2]  '1' when it lasts over new connections of the node (a cordon), else '0'

The node's own word does not end what an operator asked for: `held` is '', 'drain' or 'cordon'.

Returns  {1}             noted
         {0, 'unknown'}  no such node
]]
local info = KEYS[1]
local draining, lasting = ARGV[1], ARGV[2]
if redis.call('HEXISTS', info, 'status') == 0 then
  return {0, 'unknown'}
end
local held = draining == '1' and (lasting == '1' and 'cordon' or 'drain') or ''
redis.call('HSET', info, 'draining', draining, 'held', held)
return {1}
