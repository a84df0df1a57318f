--[[
publish_standing: an instance says how it stands and which sessions it holds (D6).

KEYS[1]  {p}:v2:{instance:<id>}:figures   STRING  JSON of its figures
KEYS[2]  {p}:v2:{instance:<id>}:sessions  HASH    session id → JSON of the session
ARGV[1]  figures
ARGV[2]  life without renewal, ms
ARGV[3]  JSON object of the sessions that came or changed
ARGV[4]  JSON array of the ids of those that went
ARGV[5]  '1' to forget what was told before

Returns  {1, sessions}  how many are listed now
]]
local figures_key, sessions = KEYS[1], KEYS[2]
local figures, life_ms = ARGV[1], tonumber(ARGV[2])
local came, gone, anew = cjson.decode(ARGV[3]), cjson.decode(ARGV[4]), ARGV[5]
redis.call('SET', figures_key, figures, 'PX', life_ms)
if anew == '1' then
  redis.call('DEL', sessions)
end
for session_id, row in pairs(came) do
  redis.call('HSET', sessions, session_id, row)
end
for _, session_id in ipairs(gone) do
  redis.call('HDEL', sessions, session_id)
end
redis.call('PEXPIRE', sessions, life_ms)
return {1, redis.call('HLEN', sessions)}
