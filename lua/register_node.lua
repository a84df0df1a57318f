--[[
register_node: a node's new connection takes its id; leases it holds stay (N1, N4, C3).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, conn_epoch, resume_token, heartbeat_at_ms, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  id of the instance that holds the socket
ARGV[2]  slots the node offers, at least 1
ARGV[3]  description: JSON of what does not change with every heartbeat
ARGV[4]  resume token the node shows, or ''
ARGV[5]  resume token to keep, or '' where the node knows nothing of resumption
ARGV[6]  age at which a heartbeat is stale, ms
ARGV[7]  life of the record without a heartbeat, ms
ARGV[8]  '1' when operators cordoned it, else '0'
ARGV[9]  epoch this very socket had before, or ''
ARGV[10] standing of a node that Redis knows nothing of: JSON, or '' for a good one
ARGV[11] test clock, or ''

Returns  {1, epoch, now, held, taken, takeovers, standing, attempt…}
                                                            registered; whether a living connection lost its
                                                            id to this one, how often that was so, the node's
                                                            standing (JSON or ''), and every attempt that
                                                            still holds a slot
         {0, 'conflict'}                                    the id lives on another socket, and the token does
                                                            not match
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local instance_id, max, description = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local shown_token, kept_token = ARGV[4], ARGV[5]
local stale_ms, life_ms, cordon = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local own_epoch, standing, test_clock = ARGV[9], ARGV[10], ARGV[11]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/mirror_cap"
local now = now_ms(test_clock)
local node = redis.call('HMGET', info, 'status', 'heartbeat_at_ms', 'resume_token', 'conn_epoch', 'held')
local lives = node[1] and node[1] ~= 'offline' and tonumber(node[2]) + stale_ms >= now
-- A node that can prove who it is keeps its id against others; one that cannot yields to the newer socket.
-- The token to keep is drawn for one call: finding it means that this call's first reply was lost.
local again = lives and kept_token ~= '' and node[3] == kept_token
if lives and not again and (node[3] or '') ~= '' and node[3] ~= shown_token then
  return {0, 'conflict'}
end
local reserved, running = live_load(resv, run, now)
mirror_cap(cap, max, reserved, running)
-- Never below the clock, so that an epoch cannot come back after the record expired or was lost.
local epoch = again and tonumber(node[4]) or math.max(tonumber(node[4] or 0) + 1, now)
-- A cordon outlives the connection, a drain does not.
local cordoned = node[5] == 'cordon' or cordon == '1'
local held = cordoned and 'cordon' or ''
-- Two programs with one id take it from each other for ever; one that comes back does so once.
local is_proved = (node[3] or '') ~= '' and node[3] == shown_token
local taken = lives and not again and not is_proved and node[4] ~= own_epoch
local takeovers = taken and redis.call('HINCRBY', info, 'takeovers', 1)
  or tonumber(redis.call('HGET', info, 'takeovers') or 0)
redis.call('HDEL', info, 'flaws')
redis.call('HSET', info, 'instance_id', instance_id, 'max', max, 'description', description,
  'conn_epoch', epoch,
  'status', 'registering', 'draining', cordoned and '1' or '0', 'held', held,
  'health', '', 'resume_token', kept_token,
  'registered_at_ms', now, 'heartbeat_at_ms', now)
redis.call('PEXPIRE', info, life_ms)
if not node[4] and standing ~= '' then
  redis.call('HSET', info, 'standing', standing)
end
standing = redis.call('HGET', info, 'standing') or ''
local reply = {1, epoch, now, held, taken and 1 or 0, takeovers, standing}
for _, leases in ipairs({resv, run}) do
  for _, attempt in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    reply[#reply + 1] = attempt
  end
end
return reply
