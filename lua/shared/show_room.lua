-- A room after a change: what its members are told, and by which version they know the newest.
local function show_room(state, members, listeners)
  local known = redis.call('HMGET', state, 'room_id', 'host', 'next_index')
  return {1, known[1], known[2], known[3] or '0', redis.call('HINCRBY', state, 'version', 1),
    redis.call('HLEN', listeners), redis.call('HVALS', members)}
end
