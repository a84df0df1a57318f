-- Count a job of a node that has a number left until a probe proves it (decision 0164).
local function spend_left(info, standing)
  local one = standing and cjson.decode(standing)
  if one and (one.left or 0) > 0 then
    one.left = one.left - 1
    redis.call('HSET', info, 'standing', cjson.encode(one))
  end
end
