-- pairs has one order and math.random one sequence: both are part of what a seed repeats.
local a, b = host "a", host "b"
link(a, b)
local text = {}
for key, value in pairs { zebra = 1, ant = 2, 30, 20, bee = 3 } do text[#text + 1] = key .. "=" .. value end
note(table.concat(text, " "))
check(table.concat(text, " ") == "1=30 2=20 ant=2 bee=3 zebra=1", "pairs goes by number, then by name")
for _ = 1, 5 do note(tostring(math.random(1000))) end
check(next == nil and os == nil and io == nil and require == nil, "nothing leads out of the scenario")
