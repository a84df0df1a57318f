--[[
track_utterance: remember an utterance until its speaker has acknowledged the answer, and which chunks are safe.

KEYS[1]  {p}:v2:{session:<id>}:info     HASH  conn_epoch, next_index, safe_seq, …
KEYS[2]  {p}:v2:{session:<id>}:tracked  ZSET  job id, scored by utterance index
ARGV[1]  job id
ARGV[2]  utterance index
ARGV[3]  life without another utterance, ms
ARGV[4]  last chunk that is safe with this, -1 where that does not change
ARGV[5]  epoch of the socket it was said on, or 0 whichever

Returns  {1}               remembered
         {0, 'unknown'}    no such session
         {0, 'elsewhere'}  the session goes on at another socket, which hears it again
]]
local info, tracked = KEYS[1], KEYS[2]
local job_id, index, life_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local safe_seq, conn_epoch = tonumber(ARGV[4]), ARGV[5]
local session = redis.call('HMGET', info, 'conn_epoch', 'next_index', 'safe_seq')
if not session[1] then
  return {0, 'unknown'}
end
if conn_epoch ~= '0' and session[1] ~= conn_epoch then
  return {0, 'elsewhere'}
end
if index >= tonumber(session[2] or 0) then
  redis.call('HSET', info, 'next_index', index + 1)
end
if safe_seq > tonumber(session[3] or -1) then
  redis.call('HSET', info, 'safe_seq', string.format('%d', safe_seq))
end
redis.call('ZADD', tracked, index, job_id)
redis.call('PEXPIRE', tracked, life_ms)
return {1}
