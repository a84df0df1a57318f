--[[
finish_slot: an attempt has ended on this node, however far it came; its slot is free (R5, C8).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  max, …
KEYS[2]  {p}:v2:{node:<id>}:resv  ZSET  job:attempt, scored by the end of the reservation (ms)
KEYS[3]  {p}:v2:{node:<id>}:run   ZSET  job:attempt, scored by the end of the run lease (ms)
KEYS[4]  {p}:v2:{node:<id>}:cap   HASH  mirror of the counters
ARGV[1]  job:attempt
ARGV[2]  how it ended: 'good', 'doubt' (badly, and perhaps by the node's fault), or '' (says nothing of the node)
ARGV[3]  rules of a node's standing, as `judge_node` has them
ARGV[4]  services of the attempt whose time is known, or ''
ARGV[5]  ms it took for each second of its audio, or 0
ARGV[6]  test clock, or ''

Returns  {1, load, 'run', speeds, …}   it held a run lease
         {1, load, 'resv', speeds, …}  it held a reservation (its acceptance was lost)
         {1, load, 'none', ''}         it held nothing: already freed, or its lease had ended
         speeds is JSON where there is news of them, else ''
         … is nothing, or the node's standing: state, reason, since, ends, rest, state before, jobs left, bad, now
]]
local info, resv, run, cap = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempt, ending, rules, test_clock = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local services, rate = ARGV[4], tonumber(ARGV[5])
--- @include "shared/now_ms"
--- @include "shared/live_load"
--- @include "shared/note_load"
--- @include "shared/judge"
--- @include "shared/note_speed"
local now = now_ms(test_clock)
local reserved, running = live_load(resv, run, now)
local was_running = running > 0 and redis.call('ZREM', run, attempt) or 0
local was_reserved = reserved > 0 and redis.call('ZREM', resv, attempt) or 0
local held = was_running == 1 and 'run' or was_reserved == 1 and 'resv' or 'none'
local load = note_load(info, cap, reserved - was_reserved, running - was_running)
-- Who held nothing was judged already: a script that is sent twice counts once.
local told = held ~= 'none' and judge(info, ending, attempt, now, rules)
local news = held ~= 'none' and note_speed(info, services, rate, now) or ''
if not told then
  return {1, load, held, news}
end
return {1, load, held, news, unpack(told, 1, 9)}
