--[[
publish_pool_config: the leader replaces the pool configuration; its version only grows (C15, P11).

KEYS[1]  {p}:v2:{poolcfg}:doc     HASH    doc, version, published_at_ms
KEYS[2]  {p}:v2:{poolcfg}:leader  HASH    instance_id, fence, until_ms
KEYS[3]  {p}:v2:{poolcfg}:fence   STRING  the highest fence ever given
ARGV[1]  instance id
ARGV[2]  fence it was given
ARGV[3]  version the new document was made from
ARGV[4]  document
ARGV[5]  '1' when the document names no pool, else '0'
ARGV[6]  '1' when such a document may follow one that names pools
ARGV[7]  channel for hints
ARGV[8]  test clock, or ''

Returns  {1, version}          published
         {0, 'not_leader'}     the leadership ended or is another's
         {0, 'stale', version} another document came first
         {0, 'empty'}          it would wipe the pools; nothing changed
]]
local config, leader, fence = KEYS[1], KEYS[2], KEYS[3]
local instance_id, shown, base, doc, is_empty = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local may_wipe, channel, test_clock = ARGV[6], ARGV[7], ARGV[8]
--- @include "shared/now_ms"
local now = now_ms(test_clock)
local held = redis.call('HMGET', leader, 'instance_id', 'fence', 'until_ms')
if held[1] ~= instance_id or held[2] ~= shown or tonumber(held[3]) <= now
  or redis.call('GET', fence) ~= shown then
  return {0, 'not_leader'}
end
local stored = redis.call('HMGET', config, 'version', 'doc')
local version = stored[1] or '0'
if stored[2] == doc then
  return {1, tonumber(version)}
end
if version ~= base then
  return {0, 'stale', tonumber(version)}
end
if stored[2] and is_empty == '1' and may_wipe ~= '1' then
  return {0, 'empty'}
end
local following = redis.call('HINCRBY', config, 'version', 1)
redis.call('HSET', config, 'doc', doc, 'published_at_ms', now)
redis.call('PUBLISH', channel, 'config')
return {1, following}
