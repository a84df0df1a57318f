--[[
reserve_slot: take one free slot on a node for one attempt of a job (R1, C5).

KEYS[1]  {p}:v2:{node:<id>}:info     HASH  status, draining, conn_epoch, max, heartbeat_at_ms, …
KEYS[2]  {p}:v2:{node:<id>}:resv     ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run      ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:unavail  ZSET  service id, scored by the end of its mark (ms)
KEYS[5]  {p}:v2:{node:<id>}:cap      HASH  mirror of the counters
ARGV[1]  job:attempt
ARGV[2]  reservation length, ms
ARGV[3]  connection epoch the caller saw
ARGV[4]  age at which a heartbeat is stale, ms
ARGV[5]  service ids the job needs here, comma separated
ARGV[6]  '1' whatever its standing, for nobody in good standing could serve, else '0'
ARGV[7]  test clock, or ''

Returns  {1, load, 'reserved'}           the slot is taken; load after it
         {1, load, 'already'}            this attempt already holds a slot here (sent twice)
         {0, 'offline', 0}               unknown, gone, silent, or connected anew since the caller looked
         {0, 'not_ready', load}          registering, degraded or draining
         {0, 'no_capacity', load}        offers no slots
         {0, 'full', load}               every slot is held
         {0, 'quarantined', load}        its attempts failed, and it is not yet to be tried again
         {0, 'unproven', load}           it had its jobs until a probe proves it
         {0, 'on_probation', load}       it has one job, and gets one at a time
         {0, 'service_unavailable', load}  a needed service is marked
]]
local info, resv, run, unavail, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local attempt, length_ms, epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local stale_ms, services, forced, test_clock = tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1', ARGV[7]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/is_held"
--- @include "shared/hold_until"
--- @include "shared/note_load"
--- @include "shared/why_held_back"
--- @include "shared/spend_left"
local now = now_ms(test_clock)
local node = redis.call('HMGET', info, 'status', 'draining', 'conn_epoch', 'max', 'heartbeat_at_ms',
  'standing')
local status, draining, max = node[1], node[2], tonumber(node[4] or 0)
if not status or status == 'offline' or node[3] ~= epoch or tonumber(node[5]) + stale_ms < now then
  return {0, 'offline', 0}
end
local reserved, running = live_load(resv, run, now)
if running > 0 and redis.call('ZSCORE', run, attempt) then
  return {1, reserved + running, 'already'}
end
if reserved > 0 and redis.call('ZSCORE', resv, attempt) then
  hold_until(resv, attempt, now, length_ms, reserved)
  return {1, reserved + running, 'already'}
end
if status ~= 'ready' or draining == '1' then
  return {0, 'not_ready', reserved + running}
end
if max <= 0 then
  return {0, 'no_capacity', reserved + running}
end
if reserved + running >= max then
  return {0, 'full', reserved + running}
end
local held_back = not forced and why_held_back(node[6], reserved + running, now)
if held_back == 'quarantined' then
  return {0, 'quarantined', reserved + running}
end
if held_back == 'unproven' then
  return {0, 'unproven', reserved + running}
end
if held_back then
  return {0, 'on_probation', reserved + running}
end
if redis.call('EXISTS', unavail) == 1 then
  for service in string.gmatch(services, '[^,]+') do
    if is_held(unavail, service, now) then
      return {0, 'service_unavailable', reserved + running}
    end
  end
end
hold_until(resv, attempt, now, length_ms, reserved)
if not forced then
  spend_left(info, node[6])
end
return {1, note_load(info, cap, reserved + 1, running), 'reserved'}
