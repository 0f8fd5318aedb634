-- Data outside the folder of the scenario is refused.
local h = host "a"
rows "../data/kernel-facts.tsv"
