#!/usr/bin/env bash
# describe.sh - does weirctl describe a filter from its shared object alone?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"

expect 0 filter describe fault
says "OPTIONS"
says "  delay ("
expect 0 --json filter describe fault
json 'd["name"] == "fault" and d["abi"] == 1 and "read" in d["ops"]'
json 'all(o["name"] and o["type"] and o["help"].endswith(".") for o in d["options"])'
json 'any(o["name"] == "delay" and o["live"] for o in d["options"])'
json 'all(s["kind"] in ("counter", "gauge", "histogram", "value", "text") for s in d["statistics"])'
expect 0 filter describe pass
says "none"

# ---- every filter that was built: text, document and POD that perl takes
requires podchecker
for file in "$WEIR_FILTERS"/weir-filter-*.so; do
    expect 0 --json filter describe --from="$file"
    name=$(basename "$file" .so)
    json "d['name'] == '${name#weir-filter-}' and d['path'].endswith('$name.so')"
    expect 0 filter describe --pod "${name#weir-filter-}"
    podchecker - <<<"$out" 2>"$work/podchecker" || fail "$(cat "$work/podchecker")"
done

# ---- from somewhere else, by a relative path
mkdir "$work/elsewhere"
cp "$WEIR_FILTERS/weir-filter-pass.so" "$work/elsewhere/"
cd "$work/elsewhere"
WEIR_FILTERS=/none expect 0 --json filter describe --from=weir-filter-pass.so
json 'd["name"] == "pass"'
WEIR_FILTERS=/none expect 3 filter describe pass
expect 0 --filters="$work/elsewhere" --json filter list
json '[f["name"] for f in d["filters"]] == ["pass"]'

# ---- what is no filter is refused with the reason, and listed with it
echo "no shared object" >"$work/elsewhere/weir-filter-text.so"
expect 4 filter describe --from="$work/elsewhere/weir-filter-text.so"
complains "weir-filter-text.so"
expect 0 --filters="$work/elsewhere" --json filter list
json '{f["name"]: f["loads"] for f in d["filters"]} == {"pass": True, "text": False}'
json 'all(f["loads"] or f["reason"] for f in d["filters"])'
expect 3 filter describe --from="$work/elsewhere/weir-filter-none.so"
