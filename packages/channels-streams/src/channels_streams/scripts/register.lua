--[[
register: say that a process lives; make its inbox if it is missing.

KEYS[1]  {p}:{process:<iid>}:stream    STREAM  the inbox
KEYS[2]  {p}:{process:<iid>}:presence  STRING  there while the process lives
ARGV[1]  consumer group
ARGV[2]  how long the process counts as alive, ms
ARGV[3]  how long an inbox without presence is kept for a takeover, ms

Returns  {1, state, now_ms, length, oldest_ms}
         state: 'kept'     presence and inbox were there
                'lapsed'   the presence had ended, nobody took the inbox over
                'created'  there was no inbox: first time, a takeover, or an empty Redis
]]
--- @include "shared/redis_now"
local inbox, presence = KEYS[1], KEYS[2]
local group, ttl_ms, keep_ms = ARGV[1], ARGV[2], ARGV[3]

local state = 'kept'
if redis.call('EXISTS', presence) == 0 then
  state = 'lapsed'
end
-- From 0: an entry that came before the group is read too. An error says the group is there.
local made = redis.pcall('XGROUP', 'CREATE', inbox, group, '0', 'MKSTREAM')
if not made.err then
  state = 'created'
end
redis.call('SET', presence, '1', 'PX', ttl_ms)
redis.call('PEXPIRE', inbox, keep_ms)
local oldest = redis.call('XRANGE', inbox, '-', '+', 'COUNT', 1)[1]
local oldest_ms = oldest and string.match(oldest[1], '^%d+') or '0'
return {1, state, string.format('%d', redis_now()), redis.call('XLEN', inbox), oldest_ms}
