--[[
record_heartbeat: a node lives; renew what it runs and take its status one step on (N5, N6, C4).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, health, conn_epoch, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  connection epoch of the socket it came on
ARGV[2]  '1' when healthy by N7, else '0'
ARGV[3]  usage: JSON of cpu, gpu and memory percent
ARGV[4]  description, when it changed, else ''
ARGV[5]  '1' the node drains, '0' it does not, '' it did not say
ARGV[6]  attempts it says it runs, comma separated, or '*' for all it holds
ARGV[7]  run lease length, ms
ARGV[8]  good heartbeats in a row that make a node ready
ARGV[9]  bad heartbeats in a row that degrade it
ARGV[10] bad heartbeats within the window that degrade it
ARGV[11] window, heartbeats
ARGV[12] warm-up, ms
ARGV[13] life of the record without a heartbeat, ms
ARGV[14] JSON of what the node's frames had wrong, or '' where there was nothing
ARGV[15] test clock, or ''

Returns  {1, status, before, load, draining, held, now, standing, shown}
                                                                  status after and before; JSON or ''; what
                                                                  `repeat_heartbeat` may be told next, or ''
         {0, 'unknown'}                                            no such node: it must register again
         {0, 'stale_epoch'}                                        a newer socket holds this id
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, healthy, usage, description, draining = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local listed, lease_ms, window = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[11])
local rules = {
  good_needed = tonumber(ARGV[8]), consecutive = tonumber(ARGV[9]),
  failures = tonumber(ARGV[10]), warmup_ms = tonumber(ARGV[12]),
}
local life_ms, flaws, test_clock = tonumber(ARGV[13]), ARGV[14], ARGV[15]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/next_status"
--- @include "shared/hold_until"
--- @include "shared/mirror_cap"
--- @include "shared/show_node"
local now = now_ms(test_clock)
local node = redis.call('HMGET', info, 'conn_epoch', 'status', 'health', 'registered_at_ms', 'draining', 'max',
  'held', 'standing', 'usage')
if not node[2] then
  return {0, 'unknown'}
end
if node[1] ~= epoch then
  return {0, 'stale_epoch'}
end
local health = string.sub(node[3] .. healthy, -window)
local status = next_status(node[2], health, now - tonumber(node[4]), rules)
-- What an operator asked for holds until an operator ends it.
local drains = (node[7] or '') ~= '' and '1' or draining ~= '' and draining or node[5]
if status == node[2] and health == node[3] and drains == node[5] and usage == node[9] then
  redis.call('HSET', info, 'heartbeat_at_ms', now)
else
  redis.call('HSET', info, 'status', status, 'health', health, 'usage', usage, 'draining', drains,
    'heartbeat_at_ms', now)
end
if description ~= '' then
  redis.call('HSET', info, 'description', description)
end
if flaws ~= '' then
  redis.call('HSET', info, 'flaws', flaws)
end
redis.call('PEXPIRE', info, life_ms)
local reserved, running = live_load(resv, run, now)
local wanted = ',' .. listed .. ','
for _, attempt in ipairs(running > 0 and redis.call('ZRANGE', run, 0, -1) or {}) do
  if listed == '*' or string.find(wanted, ',' .. attempt .. ',', 1, true) then
    hold_until(run, attempt, now, lease_ms, running)
  end
end
local load = mirror_cap(cap, tonumber(node[6]), reserved, running)
-- One that is well and holds nothing need not say all of it again.
local is_well = status == 'ready' and load == 0 and not string.find(health, '0', 1, true)
local shown = is_well and show_node(epoch, status, drains, node[7], node[8]) or ''
return {1, status, node[2], load, drains, node[7] or '', now, node[8] or '', shown}
