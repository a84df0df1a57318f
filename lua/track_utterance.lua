--[[
track_utterance: remember an utterance until its speaker has acknowledged the answer.

KEYS[1]  {p}:v2:{session:<id>}:info     HASH  next_index, safe_seq, …
KEYS[2]  {p}:v2:{session:<id>}:tracked  ZSET  job id, scored by utterance index
ARGV[1]  job id
ARGV[2]  utterance index
ARGV[3]  life without another utterance, ms
ARGV[4]  last chunk that is safe with this, -1 where that does not change

Returns  {1}               remembered
         {0, 'unknown'}    no such session
]]
local info, tracked = KEYS[1], KEYS[2]
local job_id, index, life_ms, safe_seq = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--- @include "shared/track"
if redis.call('EXISTS', info) == 0 then
  return {0, 'unknown'}
end
track(info, tracked, job_id, index, life_ms, safe_seq)
return {1}
