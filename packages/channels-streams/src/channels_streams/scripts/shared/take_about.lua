-- Read one counted list out of `values` from `at` on: n, then n strings; and where the next begins.
local function take_about(values, at)
  local about = {}
  local count = tonumber(values[at])
  for i = at + 1, at + count do
    about[#about + 1] = values[i]
  end
  return about, at + count + 1
end
