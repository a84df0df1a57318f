--[[
confirm: tell who asked a process for a membership that the process has seen to it.

KEYS[1]  {p}:{process:<iid>}:done:<token>  LIST  one word, for the one that waits
ARGV[1]  how long the word is kept, ms

Returns  {1}
]]
local done, keep_ms = KEYS[1], ARGV[1]

redis.call('DEL', done)
redis.call('RPUSH', done, '1')
redis.call('PEXPIRE', done, keep_ms)
return {1}
