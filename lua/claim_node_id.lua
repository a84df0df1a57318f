--[[
claim_node_id: a node id belongs to the principal that had it first, while it is used.

KEYS[1]  {p}:v2:{node:<id>}:owner  STRING  id of the principal
ARGV[1]  id of the principal
ARGV[2]  life of the claim without renewal, ms
ARGV[3]  '1' when the principal's credential names this very node id, else '0'

Returns  {1}            the id is the principal's
         {0, 'owned'}   it is another's, and the credential does not name it
]]
local owner = KEYS[1]
local principal_id, life_ms, is_named = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local known = redis.call('GET', owner)
if known and known ~= principal_id and not is_named then
  return {0, 'owned'}
end
redis.call('SET', owner, principal_id, 'PX', life_ms)
return {1}
