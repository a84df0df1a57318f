--[[
settle_node_pools: a node left these pools; the reverse index forgets them last (C16).

KEYS[1]  {p}:v2:{node:<id>}:pools  SET   pool ids
KEYS[2]  {p}:v2:{node:<id>}:stamp  HASH  epoch, version, step of the newest computation
ARGV[1]  connection epoch the caller speaks for, or '' to clear up after a node that is gone
ARGV[2]  version of the configuration the pools were computed from
ARGV[3]  step of the caller
ARGV[4…]  ids of the pools it left

Returns  {1}             settled
         {0, 'stale'}    another computation came between, and settles instead
]]
local pools, stamp = KEYS[1], KEYS[2]
local epoch, version, step = ARGV[1], ARGV[2], ARGV[3]
local left = {select(4, unpack(ARGV, 1, #ARGV))}
local newest = redis.call('HMGET', stamp, 'epoch', 'version', 'step')
if newest[1] ~= epoch or newest[2] ~= version or newest[3] ~= step then
  return {0, 'stale'}
end
for _, pool_id in ipairs(left) do
  redis.call('SREM', pools, pool_id)
end
if epoch == '' then
  redis.call('DEL', stamp)
end
return {1}
