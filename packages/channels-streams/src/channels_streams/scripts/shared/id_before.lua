-- The greatest id below another; numbers of 64 bits are more than Lua counts exactly, so the
-- sequence alone is counted, and a first one gives way to the end of the millisecond before.
local function id_before(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  if tonumber(sequence) > 0 then
    return ms .. '-' .. string.format('%d', tonumber(sequence) - 1)
  end
  return string.format('%d', tonumber(ms) - 1) .. '-9007199254740991'
end
