--[[
leave_pool: a node is no longer in a pool (P4, C16).

KEYS[1]  {p}:v2:{pool:<id>}:members  SET   node ids
KEYS[2]  {p}:v2:{pool:<id>}:meta     HASH  version
ARGV[1]  node id
ARGV[2]  channel for hints
ARGV[3]  hint

Returns  {1}  it is none
]]
local members, meta = KEYS[1], KEYS[2]
local node_id, channel, hint = ARGV[1], ARGV[2], ARGV[3]
if redis.call('SREM', members, node_id) == 1 then
  redis.call('HINCRBY', meta, 'version', 1)
  redis.call('PEXPIRE', meta, 7200000)
  redis.call('PUBLISH', channel, hint)
end
return {1}
