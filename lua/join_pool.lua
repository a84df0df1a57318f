--[[
join_pool: a node is in a pool from now on; one that was there stays (P4, C16).

KEYS[1]  {p}:v2:{pool:<id>}:members  SET   node ids
KEYS[2]  {p}:v2:{pool:<id>}:meta     HASH  version
ARGV[1]  node id
ARGV[2]  life of the membership without renewal, ms
ARGV[3]  channel for hints
ARGV[4]  hint

Returns  {1}  it is a member
]]
local members, meta = KEYS[1], KEYS[2]
local node_id, life_ms, channel, hint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('SADD', members, node_id) == 1 then
  redis.call('HINCRBY', meta, 'version', 1)
  redis.call('PUBLISH', channel, hint)
end
redis.call('PEXPIRE', members, life_ms)
redis.call('PEXPIRE', meta, life_ms * 2)
return {1}
