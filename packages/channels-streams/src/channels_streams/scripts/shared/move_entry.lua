-- Move one entry of a stream to its dead letters; says whether it was still there.
-- `about` is a list of further field names and values.
local function move_entry(stream, group, dead_letters, id, about, moved_at_ms, maxlen)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    -- Deleted, and perhaps still pending: nobody can finish it any more.
    redis.pcall('XACK', stream, group, id)
    return false
  end
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
  local deliveries = 0
  if not pending.err and pending[1] then
    deliveries = pending[1][4]
  end
  local fields = {
    'src_stream', stream, 'src_id', id, 'deliveries', deliveries,
    'moved_at_ms', string.format('%d', moved_at_ms), 'first_seen_ms', string.match(id, '^%d+'),
  }
  for _, value in ipairs(entry[2]) do
    fields[#fields + 1] = value
  end
  for _, value in ipairs(about) do
    fields[#fields + 1] = value
  end
  redis.call('XADD', dead_letters, 'MAXLEN', '~', maxlen, '*', unpack(fields))
  if not pending.err then
    redis.call('XACK', stream, group, id)
  end
  redis.call('XDEL', stream, id)
  return true
end
