#!/usr/bin/env bash
# The page of a run (--html): it carries the run and asks the network for nothing; a browser, where there is one, draws
# the row that its address names. Usage: page.sh HOLDFAST SCENARIOS
set -euo pipefail
holdfast=$1 scenarios=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
page=$folder/run.html
"$holdfast" lab --help | grep -q -- --html || { echo "built without --html (Debian: node-d3)"; exit 77; }
"$holdfast" lab "$scenarios/cable_cut.lua" --quiet --html "$page" 2>/dev/null

python3 - "$page" <("$holdfast" lab "$scenarios/cable_cut.lua" --json 2>/dev/null) <<'END'
import json, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
run = json.loads(re.search(r'<script type="application/json" id="run">(.*?)</script>', page, re.S).group(1))
assert run == json.load(open(sys.argv[2])), "the page carries another run than --json prints"
loads = re.findall(r'(?:src|href)\s*=\s*["\'](?!#)[^"\']+|@import|url\(', page)
assert not loads, f"the page loads {loads}"
END

browser=$(command -v chromium || command -v chromium-browser || true)
[ -n "$browser" ] || { echo "the page was not drawn: no browser (Debian: chromium)"; exit 77; }
row=$(python3 -c '
import json, sys
run = json.load(sys.stdin)
first = next(r for r in run["records"] if r["kind"] == "frame" and r["part"] == 1 and r["fate"] == "cut")
print(first["why"])' < <("$holdfast" lab "$scenarios/cable_cut.lua" --json 2>/dev/null))
timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$folder/profile" \
    --virtual-time-budget=4000 --window-size=1280,3000 --dump-dom "file://$page#2" >"$folder/drawn.html" 2>"$folder/said" || {
    tail -5 "$folder/said"
    exit 1
}
check() { grep -qF -- "$1" "$folder/drawn.html" || { echo "not drawn: $1"; exit 1; }; }
check 'class="cutspan"'
check 'class="row frame lost'
check 'The link client - server is cut, both ways.'
check "${row%%.*}"
echo "drawn: $(grep -o '<g class="row' "$folder/drawn.html" | wc -l) rows"
