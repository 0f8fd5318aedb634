-- A scenario reads only from its own folder: line 3.
local a = host "a"
use "../order"
