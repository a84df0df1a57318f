-- Count one more, or one less, who listens in a language of a room.
local function want(state, lang, step)
  if redis.call('HINCRBY', state, 'want:' .. lang, step) <= 0 then
    redis.call('HDEL', state, 'want:' .. lang)
  end
end
