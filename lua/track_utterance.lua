--[[
track_utterance: remember an utterance until its speaker has acknowledged the answer.

KEYS[1]  {p}:v2:{session:<id>}:info     HASH  next_index, …
KEYS[2]  {p}:v2:{session:<id>}:tracked  ZSET  job id, scored by utterance index
ARGV[1]  job id
ARGV[2]  utterance index
ARGV[3]  life without another utterance, ms

Returns  {1}             remembered
         {0, 'unknown'}  no such session
]]
local info, tracked = KEYS[1], KEYS[2]
local job_id, index, life_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local next_index = redis.call('HMGET', info, 'conn_epoch', 'next_index')
if not next_index[1] then
  return {0, 'unknown'}
end
if index >= tonumber(next_index[2] or 0) then
  redis.call('HSET', info, 'next_index', index + 1)
end
redis.call('ZADD', tracked, index, job_id)
redis.call('PEXPIRE', tracked, life_ms)
return {1}
