#!/usr/bin/env bash
# manual.sh - do --help and the man page list the same, and do its examples run?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
pod=$WEIR_SOURCE/gateway/weirctl/weirctl.pod
requires podchecker
podchecker -warnings -warnings "$pod" 2>"$work/podchecker" || fail "$(cat "$work/podchecker")"

# ---- commands with their arguments, and options
"$weirctl" --json help >"$work/help.json"
python3 - "$pod" "$work/help.json" <<'EOF'
import json, re, sys
pod = open(sys.argv[1]).read()
plain = re.sub(r"[BICFL]<([^<>]*)>", r"\1", pod)
help = json.load(open(sys.argv[2]))
said = {item.strip() for item in re.findall(r"^=item (.*)$", plain, re.M)}
commands = {" ".join(filter(None, (c["noun"], c["verb"], c["arguments"]))) for c in help["commands"]}
options = {"--" + o["name"] + ("=" + o["argument"] if o["argument"] else "") for o in help["options"]}
numbers = {str(n) for n in range(6)}
missing, extra = (commands | options) - said, said - commands - options - numbers
sys.exit(f"not in the man page: {missing}; only there: {extra}" if missing or extra else 0)
EOF
expect 0 --help
while IFS= read -r line; do says "$line"; done < <(python3 -c '
import json, sys
for c in json.load(open(sys.argv[1]))["commands"]: print(c["sentence"])' "$work/help.json")
expect 0 help
help=$out
expect 0 -h
assert_eq "$out" "$help" "-h and help differ"
expect 0 export grow --help
says "usage: weirctl export grow EXPORT SIZE"
expect 0 help export
says "weirctl export grow EXPORT SIZE"
expect 0 help top
says "--batch=N"
expect 2 help exprot
complains 'did you mean "export"?'

# ---- the examples, as they stand
fake main --control=vm1 --encrypted=vm1 --cached=vm1 --replicated=vm1
mkdir "$work/bin"
ln -s "$weirctl" "$work/bin/weirctl"
sed -n '/^=head1 EXAMPLES/,/^=head1 SEE/s/^ //p' "$pod" >"$work/examples"
assert_eq "$(grep -c weirctl "$work/examples")" 19 "examples"
while IFS= read -r example; do
    PATH=$work/bin:$PATH bash -o pipefail -c "$example" >"$work/example.log" 2>&1 </dev/null ||
        fail "$example: $(cat "$work/example.log")"
done <"$work/examples"
expect 0 policy show gold
says "databases of production"
