--[[
dispatch_job: an attempt was handed to its node (e in docs/architecture.md), and why to this one (L18).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
KEYS[2]  {p}:v2:{session:<id>}:why:<job>  LIST  JSON of each decision, oldest first
ARGV[1]  attempt
ARGV[2]  node it was handed to
ARGV[3]  decision
ARGV[4]  most decisions to keep
ARGV[5]  life of the decisions from now on, ms
ARGV[6]  test clock, or ''

Returns  {1, state before}         dispatched
         {1, state, 'already'}     it was there, or further (the node was faster), or it is the second attempt
                                   of a hedged job; the decision is kept
         {0, 'not_found'}          no such job
         {0, 'stale_attempt'}      another attempt or node is current
]]
local job, decisions = KEYS[1], KEYS[2]
local attempt, node_id, decision = ARGV[1], ARGV[2], ARGV[3]
local most, life_ms, test_clock = tonumber(ARGV[4]), ARGV[5], ARGV[6]
--- @include "shared/now_ms"
--- @include "shared/step_hedge"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'hedge', 'node:' .. attempt)
local state = record[1]
if not state then
  return {0, 'not_found'}
end
local is_placed = state == 'RESERVED' or state == 'DISPATCHED' or state == 'ACKED' or state == 'RUNNING'
local is_hedge = is_placed and record[4] == attempt and record[5] == node_id
if not is_hedge and (record[2] ~= attempt or record[3] ~= node_id) then
  return {0, 'stale_attempt'}
end
if redis.call('RPUSH', decisions, decision) > most then
  redis.call('LTRIM', decisions, -most, -1)
end
redis.call('PEXPIRE', decisions, life_ms)
if is_hedge then
  step_hedge(job, attempt, 'DISPATCHED', nil, now_ms(test_clock))
end
if is_hedge or state ~= 'RESERVED' then
  return {1, state, 'already'}
end
redis.call('HSET', job, 'state', 'DISPATCHED', 'at:' .. attempt .. ':DISPATCHED', now_ms(test_clock))
return {1, state}
