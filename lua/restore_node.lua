--[[
restore_node: Redis lost a node whose socket lives; its instance writes back what it knows (G5).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, resume_token, heartbeat_at_ms, standing, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
ARGV[1]  id of the instance that holds the socket
ARGV[2]  connection epoch of that socket
ARGV[3]  slots the node offers
ARGV[4]  description: JSON
ARGV[5]  status it had
ARGV[6]  '1' when it drains, else '0'
ARGV[7]  what an operator asked of it: '', 'drain' or 'cordon'
ARGV[8]  resume token it was given, or ''
ARGV[9]  attempts it was given and has not answered, comma separated
ARGV[10] run lease length, ms
ARGV[11] life of the record without a heartbeat, ms
ARGV[12] standing it had: JSON, or '' for a good one
ARGV[13] test clock, or ''

Returns  {1, 'restored'}      it was lost, or taken for dead; it is back, its leases with it
         {1, 'known'}         it was not lost
         {0, 'stale_epoch'}   a newer socket holds this id
]]
local info, resv, run = KEYS[1], KEYS[2], KEYS[3]
local instance_id, epoch, max, description = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local status, draining, held, resume_token = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local attempts, lease_ms, life_ms = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local standing, test_clock = ARGV[12], ARGV[13]
--- @include "shared/now_ms"
--- @include "shared/hold_until"
local known = redis.call('HGET', info, 'conn_epoch')
if known == epoch and redis.call('HGET', info, 'status') ~= 'offline' then
  return {1, 'known'}
end
if known and tonumber(known) > tonumber(epoch) then
  return {0, 'stale_epoch'}
end
local now = now_ms(test_clock)
redis.call('HSET', info, 'instance_id', instance_id, 'conn_epoch', epoch, 'max', max,
  'description', description, 'status', status, 'draining', draining, 'held', held, 'health', '',
  'resume_token', resume_token, 'registered_at_ms', now, 'heartbeat_at_ms', now)
if not known and standing ~= '' then
  redis.call('HSET', info, 'standing', standing)
end
redis.call('PEXPIRE', info, life_ms)
-- What Redis still has is of an older socket, or of before it lost the newest: the socket knows better.
redis.call('DEL', resv, run)
for attempt in string.gmatch(attempts, '[^,]+') do
  hold_until(run, attempt, now, lease_ms)
end
return {1, 'restored'}
