--[[
place_job: the job's current attempt goes to a node (c in docs/architecture.md).

KEYS[1]  {p}:v2:{session:<id>}:job:<job>  HASH  the job record
ARGV[1]  attempt
ARGV[2]  node it was reserved at, or '' when the node it had refused it
ARGV[3]  time until the next step must have happened, ms; '' keeps the deadline
ARGV[4]  node the job stands at as the caller knows it, '' when it waits; '*' wherever it stands
ARGV[5]  test clock, or ''

Returns  {1, state}               placed at the node (RESERVED), or waiting again (SELECTING)
         {0, 'not_found'}         no such job
         {0, 'stale_attempt'}     another attempt is current
         {0, 'elsewhere', node}   somebody else placed it meanwhile
         {0, 'illegal', state}    already sent or ended, or a second node has it as well
]]
local job = KEYS[1]
local attempt, node_id, deadline_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stands_at, test_clock = ARGV[4], ARGV[5]
--- @include "shared/now_ms"
local record = redis.call('HMGET', job, 'state', 'attempt', 'node_id', 'open_until_ms', 'hedge')
local state = record[1]
if not state then
  return {0, 'not_found'}
end
if record[2] ~= attempt then
  return {0, 'stale_attempt'}
end
if record[5] or state ~= 'SELECTING' and state ~= 'RETRYING' and state ~= 'RESERVED' then
  return {0, 'illegal', state}
end
if stands_at ~= '*' and record[3] ~= stands_at and record[3] ~= node_id then
  return {0, 'elsewhere', record[3]}
end
local now = now_ms(test_clock)
local target = node_id == '' and 'SELECTING' or 'RESERVED'
redis.call('HSET', job, 'state', target, 'node_id', node_id, 'node:' .. attempt, node_id,
  'at:' .. attempt .. ':' .. target, now)
if deadline_ms then
  -- An open job waits for a node as long as it is being spoken: then anybody may have it.
  local open_until = node_id == '' and tonumber(record[4] or 0) or 0
  redis.call('HSET', job, 'deadline_at_ms', math.max(now + deadline_ms, open_until))
end
return {1, target}
