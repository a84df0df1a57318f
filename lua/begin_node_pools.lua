--[[
begin_node_pools: a node is about to join and leave pools; until settled it may be in any of both (C16).

KEYS[1]  {p}:v2:{node:<id>}:info   HASH  status, conn_epoch, …
KEYS[2]  {p}:v2:{node:<id>}:pools  SET   pool ids
KEYS[3]  {p}:v2:{node:<id>}:stamp  HASH  epoch, version, step of the newest computation
ARGV[1]  connection epoch the caller speaks for, or '' to clear up after a node that is gone
ARGV[2]  version of the configuration the pools were computed from
ARGV[3]  step of the caller, growing with each computation for this connection
ARGV[4]  life of the set, ms
ARGV[5…]  ids of the pools it is to be in

Returns  {1, id…}             begun; the pools it was in
         {0, 'stale'}         a newer connection, configuration or computation was here
         {0, 'alive'}         it is not gone
]]
local info, pools, stamp = KEYS[1], KEYS[2], KEYS[3]
local epoch, version, step, life_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wanted = {select(5, unpack(ARGV, 1, #ARGV))}
local node = redis.call('HMGET', info, 'status', 'conn_epoch')
if epoch == '' then
  if node[1] and node[1] ~= 'offline' then
    return {0, 'alive'}
  end
else
  if node[2] ~= epoch then
    return {0, 'stale'}
  end
  local newest = redis.call('HMGET', stamp, 'epoch', 'version', 'step')
  if newest[1] == epoch and (tonumber(newest[2]) > tonumber(version)
    or (newest[2] == version and tonumber(newest[3]) > tonumber(step))) then
    return {0, 'stale'}
  end
end
redis.call('HSET', stamp, 'epoch', epoch, 'version', version, 'step', step)
redis.call('PEXPIRE', stamp, life_ms)
local reply = {1}
for _, pool_id in ipairs(redis.call('SMEMBERS', pools)) do
  reply[#reply + 1] = pool_id
end
for _, pool_id in ipairs(wanted) do
  redis.call('SADD', pools, pool_id)
end
redis.call('PEXPIRE', pools, life_ms)
return reply
