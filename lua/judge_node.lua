--[[
judge_node: a doubt about a node was right, or an operator says what it is worth (ND1, ND15).

KEYS[1]  {p}:v2:{node:<id>}:info  HASH  status, standing, goods, …
ARGV[1]  a fault that is proved, 'passed' or 'probe' (a probe, passed or failed), 'untried' (one is to come), 'doubt',
         'quarantine' or 'absolve'
ARGV[2]  job:attempt of the fault, or how long the quarantine lasts, ms
ARGV[3]  rules: half-life of outcomes (ms), faults, percent of faults, passes, probation (ms), rest (ms),
         quarantine (ms), longest quarantine (ms), jobs of a node until a probe proves it
ARGV[4]  test clock, or ''

Returns  {1, state, reason, since, ends, rest, before, left, bad, now}
                             the standing now, its state before, how many jobs it may have until a probe proves it (-1
                             for any), and its faults, in hundredths
         {0, 'unchanged'}    no such node, no such doubt, or nothing to absolve it of
]]
local info = KEYS[1]
local word, subject, rules, test_clock = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--- @include "shared/now_ms"
--- @include "shared/judge"
local told = judge(info, word, subject, now_ms(test_clock), rules)
if not told then
  return {0, 'unchanged'}
end
return {1, unpack(told, 1, 9)}
