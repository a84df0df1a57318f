--[[
note_decision: keep why a job goes where it goes, for those who ask (L18).

KEYS[1]  {p}:v2:{session:<id>}:why:<job>  LIST  JSON of each decision, oldest first
ARGV[1]  decision
ARGV[2]  most decisions to keep
ARGV[3]  life from now on, ms

Returns  {1}  noted
]]
local decisions = KEYS[1]
local decision, most, life_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('RPUSH', decisions, decision) > most then
  redis.call('LTRIM', decisions, -most, -1)
end
redis.call('PEXPIRE', decisions, life_ms)
return {1}
