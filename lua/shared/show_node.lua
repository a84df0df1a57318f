-- What a process is told of a node besides its load, in one text: it need not be told what it has heard.
local function show_node(epoch, status, draining, held, standing)
  return table.concat({epoch, status, draining, held or '', standing or ''}, '|')
end
