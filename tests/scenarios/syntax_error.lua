-- Not Lua: line 3.
local a = host "a"
for for
