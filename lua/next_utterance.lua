--[[
next_utterance: a caller without a socket says one more thing in its session (J16).

KEYS[1]  {p}:v2:{session:<id>}:info  HASH  instance_id, conn_epoch, profile, spoken
ARGV[1]  index the caller gives the utterance, or '' for the next one
ARGV[2]  id of the instance that was asked: the session's answers go there
ARGV[3]  life without another request, ms

Returns  {1, index, profile}  the utterance's index
         {0, 'unknown'}       no such session
]]
local info = KEYS[1]
local wanted, instance_id, life_ms = ARGV[1], ARGV[2], ARGV[3]
local session = redis.call('HMGET', info, 'profile', 'spoken')
if not session[1] then
  return {0, 'unknown'}
end
local spoken = tonumber(session[2] or '0')
local index = wanted == '' and spoken or tonumber(wanted)
redis.call('HSET', info, 'spoken', string.format('%.0f', math.max(spoken, index + 1)),
  'instance_id', instance_id)
redis.call('PEXPIRE', info, life_ms)
return {1, string.format('%.0f', index), session[1]}
