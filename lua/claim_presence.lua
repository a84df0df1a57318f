--[[
claim_presence: an instance says that it lives; its id belongs to one process at a time (C1, J-28).

KEYS[1]  {p}:v2:{instance:<id>}:presence  HASH  boot_id, record
ARGV[1]  boot id: drawn once by this process
ARGV[2]  record: JSON of what others may know of it
ARGV[3]  life without renewal, ms
ARGV[4]  boot id whose process is known to be gone, or ''
ARGV[5]  test clock, or ''

Returns  {1, now, '1' or '0'}   present; whether the presence was there before
         {0, 'taken', record}   another process holds this id
]]
local presence = KEYS[1]
local boot_id, record, life_ms, gone = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local test_clock = ARGV[5]
--- @include "shared/now_ms"
local held = redis.call('HMGET', presence, 'boot_id', 'record')
if held[1] and held[1] ~= boot_id and held[1] ~= gone then
  return {0, 'taken', held[2]}
end
redis.call('HSET', presence, 'boot_id', boot_id, 'record', record)
redis.call('PEXPIRE', presence, life_ms)
return {1, now_ms(test_clock), held[1] == boot_id and '1' or '0'}
