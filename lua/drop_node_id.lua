--[[
drop_node_id: a node id is nobody's any more, where it is the principal's that lets it go.

KEYS[1]  {p}:v2:{node:<id>}:owner  STRING  id of the principal
ARGV[1]  id of the principal

Returns  {1}            the id is free
         {0, 'owned'}   it is another's, or nobody's
]]
local owner = KEYS[1]
local principal_id = ARGV[1]
if redis.call('GET', owner) ~= principal_id then
  return {0, 'owned'}
end
redis.call('DEL', owner)
return {1}
