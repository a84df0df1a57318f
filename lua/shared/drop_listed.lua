-- Return a comma separated list without `attempt`.
local function drop_listed(list, attempt)
  return string.match(string.gsub(',' .. list .. ',', ',' .. attempt .. ',', ','), '^,*(.-),*$')
end
