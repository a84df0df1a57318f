-- Say whether a comma separated list names `attempt`.
local function is_listed(list, attempt)
  return list and string.find(',' .. list .. ',', ',' .. attempt .. ',', 1, true) ~= nil
end
