--[[
finish_slot: an attempt has ended on this node, however far it came; its slot is free (R5, C8).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  max, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  job:attempt
ARGV[2]  test clock, or ''

Returns  {1, load, 'run'}   it held a run lease
         {1, load, 'resv'}  it held a reservation (its acceptance was lost)
         {1, load, 'none'}  it held nothing: already freed, or its lease had ended
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempt, test_clock = ARGV[1], ARGV[2]
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/note_load"
local reserved, running = live_load(resv, run, now_ms(test_clock))
local was_running = running > 0 and redis.call('ZREM', run, attempt) or 0
local was_reserved = reserved > 0 and redis.call('ZREM', resv, attempt) or 0
local held = was_running == 1 and 'run' or was_reserved == 1 and 'resv' or 'none'
return {1, note_load(info, cap, reserved - was_reserved, running - was_running), held}
