--[[
limit_rate: count one event in a window that always ends (C18, M5).

KEYS[1]  {p}:v2:{node:<id>}:rl:<what>  STRING  events in the current window
ARGV[1]  events a window may hold
ARGV[2]  window, ms

Returns  {1}                      allowed
         {0, 'limited', left ms}  the window is full, and ends then
]]
local counter = KEYS[1]
local most, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local count = redis.call('INCR', counter)
local left_ms = redis.call('PTTL', counter)
-- A counter without an end would limit for ever, whatever lost its end.
if left_ms < 0 then
  redis.call('PEXPIRE', counter, window_ms)
  left_ms = window_ms
end
if count > most then
  return {0, 'limited', left_ms}
end
return {1}
