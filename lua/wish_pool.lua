--[[
wish_pool: ask the leader for a pool that some node needs (P8), or for a rebuild (P16); twice asks once.

KEYS[1]  {p}:v2:{poolcfg}:wishes  HASH  pool id, JSON of the pool; or rebuild, nothing
ARGV[1]  pool id, or 'rebuild'
ARGV[2]  pool, or ''
ARGV[3]  life of the wishes while nobody wishes, ms
ARGV[4]  channel for hints
ARGV[5]  hint

Returns  {1, new}  1 when nobody had asked
]]
local wishes = KEYS[1]
local pool_id, pool, life_ms, channel, hint = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local new = redis.call('HSET', wishes, pool_id, pool)
redis.call('PEXPIRE', wishes, life_ms)
if new == 1 then
  redis.call('PUBLISH', channel, hint)
end
return {1, new}
