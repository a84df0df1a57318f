-- The id up to which a group has been handed entries of a stream; nil: there is no such group.
local function last_delivered(stream, group)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, told in ipairs(groups.err and {} or groups) do
    local facts = {}
    for i = 1, #told, 2 do
      facts[told[i]] = told[i + 1]
    end
    if facts['name'] == group then
      return facts['last-delivered-id']
    end
  end
  return nil
end
