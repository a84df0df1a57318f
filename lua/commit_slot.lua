--[[
commit_slot: the node accepted an attempt; its reservation becomes a run lease (R3, C6).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  max, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  job:attempt
ARGV[2]  run lease length, ms
ARGV[3]  test clock, or ''

Returns  {1, load, 'committed'}  the reservation is a run lease now
         {1, load, 'already'}    it was one before (sent twice)
         {1, load, 'late'}       the reservation had ended, but a slot was free
         {0, 'full', load}       the reservation had ended and its slot went to another attempt
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempt, length_ms, test_clock = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/hold_until"
--- @include "shared/note_load"
local now = now_ms(test_clock)
local reserved, running = live_load(resv, run, now)
if running > 0 and redis.call('ZSCORE', run, attempt) then
  return {1, reserved + running, 'already'}
end
if reserved > 0 and redis.call('ZREM', resv, attempt) == 1 then
  hold_until(run, attempt, now, length_ms, running)
  return {1, note_load(info, cap, reserved - 1, running + 1), 'committed'}
end
-- Late: the promise that no node holds more than it offered outranks this attempt (decision 0011).
if reserved + running >= tonumber(redis.call('HGET', info, 'max') or 0) then
  return {0, 'full', reserved + running}
end
hold_until(run, attempt, now, length_ms, running)
return {1, note_load(info, cap, reserved, running + 1), 'late'}
