--[[
limit_rate: count one event in a window that always ends (C18, M5).

KEYS[1]  {p}:v2:{node:<id>}:rl:<what>  STRING  events in the current window
ARGV[1]  events a window may hold
ARGV[2]  window, ms

Returns  {1, count}      allowed
         {0, 'limited'}  the window is full
]]
local counter = KEYS[1]
local most, window_ms = tonumber(ARGV[1]), ARGV[2]
local count = redis.call('INCR', counter)
-- A counter without an end would limit for ever, whatever lost its end.
if count == 1 or redis.call('PTTL', counter) < 0 then
  redis.call('PEXPIRE', counter, window_ms)
end
if count > most then
  return {0, 'limited'}
end
return {1, count}
