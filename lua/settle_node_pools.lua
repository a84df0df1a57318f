--[[
settle_node_pools: a node left these pools; the reverse index forgets them last (C16).

KEYS[1]  {p}:v2:{node:<id>}:info   HASH  conn_epoch, pools_version, pools_step, …
KEYS[2]  {p}:v2:{node:<id>}:pools  SET   pool ids
ARGV[1]  connection epoch the caller speaks for, or '' to clear up after a node that is gone
ARGV[2]  version of the configuration the pools were computed from
ARGV[3]  step of the caller
ARGV[4…]  ids of the pools it left

Returns  {1}             settled
         {0, 'stale'}    another computation came between, and settles instead
]]
local info, pools = KEYS[1], KEYS[2]
local epoch, version, step = ARGV[1], ARGV[2], ARGV[3]
local left = {select(4, unpack(ARGV, 1, #ARGV))}
local node = redis.call('HMGET', info, 'status', 'pools_version', 'pools_step', 'pools_epoch')
local same = node[4] == epoch and node[2] == version and node[3] == step
local gone = epoch == '' and (not node[1] or node[1] == 'offline')
if not same and not gone then
  return {0, 'stale'}
end
for _, pool_id in ipairs(left) do
  redis.call('SREM', pools, pool_id)
end
return {1}
