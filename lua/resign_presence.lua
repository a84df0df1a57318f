--[[
resign_presence: an instance leaves in order; its id is free at once.

KEYS[1]  {p}:v2:{instance:<id>}:presence  HASH  boot_id, record
ARGV[1]  boot id of the process that leaves

Returns  {1}             gone
         {0, 'another'}  another process holds the id, or nobody
]]
local presence = KEYS[1]
local boot_id = ARGV[1]
if redis.call('HGET', presence, 'boot_id') ~= boot_id then
  return {0, 'another'}
end
redis.call('DEL', presence)
return {1}
