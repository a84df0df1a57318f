-- Redis runs Lua 5.1 and hands these over; a script defines no globals of its own.
std = "lua51"
read_globals = {"redis", "KEYS", "ARGV", "cjson", "cmsgpack", "bit", "struct"}
max_line_length = 120
ignore = {"431"}  -- a snippet's parameters may bear the names of the script's own locals
