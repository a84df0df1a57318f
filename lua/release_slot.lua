--[[
release_slot: give a reservation back before the node accepted it (R4, C7); a run lease stays.

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  max, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  job:attempt
ARGV[2]  test clock, or ''

Returns  {1, load, 'resv'}  the reservation is gone
         {1, load, 'none'}  there was none
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempt, test_clock = ARGV[1], ARGV[2]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/note_load"
local reserved, running = live_load(resv, run, now_ms(test_clock))
local removed = reserved > 0 and redis.call('ZREM', resv, attempt) or 0
local load = note_load(info, cap, reserved - removed, running)
return {1, load, removed == 1 and 'resv' or 'none'}
