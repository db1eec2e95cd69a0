#!/usr/bin/env bash
# top-lines.sh - does weirctl top serve scripts where there is no screen?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
fake main --exports=small,middle,big

expect 0 top --batch=2 --interval=0.2
assert_eq "$(wc -l <<<"$out")" 7 "a title and two readings of three exports"
says "IOPS"
expect 0 --json top --batch=3 --interval=0.2 --sort=iops
assert_eq "$(wc -l <<<"$out")" 3 "one document per reading"
while IFS= read -r out; do
    json 'len(d["exports"]) == 3 and d["gateways"] == [{"name": "main", "answers": True, "trouble": ""}]'
    json '[e["iops"] for e in d["exports"]] == sorted((e["iops"] for e in d["exports"]), reverse=True)'
    json 'all(e["p50_ns"] <= e["p99_ns"] for e in d["exports"])'
done <<<"$out"
expect 0 top big --json --batch=1 --interval=0.1
json '[e["name"] for e in d["exports"]] == ["big"]'
expect 3 top bigg --batch=1
complains 'did you mean "big"?'

# ---- without --batch it goes on until nobody reads any more
"$weirctl" top --interval=0.1 | head -5 >"$work/lines"
assert_eq "${PIPESTATUS[0]}" 0
assert_eq "$(wc -l <"$work/lines")" 5

# ---- rates are right: an idle disk does nothing, a busy one what was counted
fake idle --idle --exports=lazy
expect 0 --gateway=idle --json top --batch=2 --interval=0.1
out=$(tail -1 <<<"$out")
json 'd["exports"][0]["iops"] == 0 and d["exports"][0]["p99_ns"] == 0'

# ---- one that begins to hang is told, and the others go on
fake later --exports=other --silent-file="$work/silent"
touch "$work/silent"
expect 0 --timeout=5 --json top --batch=1 --interval=0.1 --sort=name
json '[e["name"] for e in d["exports"]] == ["big", "lazy", "middle", "small"]'
json '{g["name"]: g["trouble"] for g in d["gateways"]}["later"] == "does not answer"'
