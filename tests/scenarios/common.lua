-- What order.lua takes from beside it; no scenario itself.
return { times = (times_used or 0) + 1, name = "beside" }
