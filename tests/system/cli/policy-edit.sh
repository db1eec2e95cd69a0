#!/usr/bin/env bash
# policy-edit.sh - does a policy come through an editor applied whole or not at all?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires tmux
fake main
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
unset VISUAL
"$weirctl" policy show gold >"$work/before"
unchanged() {
    "$weirctl" policy show gold | cmp - "$work/before" || fail "the policy has changed"
}

# ---- no change is no change
EDITOR=true expect 0 policy edit gold
complains 'policy "gold" not changed'
EDITOR=true expect 0 --json policy edit gold
json 'd["changed"] == False'
unchanged
assert_eq "$(ls "$TMPDIR")" "" "a temporary file is left"

# ---- an editor with arguments; VISUAL comes before EDITOR
VISUAL="sed -i s/production/busy/" EDITOR=false expect 0 policy edit gold
expect 0 policy show gold
says 'description = "busy databases"'
"$weirctl" policy show gold >"$work/before"

# ---- a mistake, with nobody at a keyboard: told with its place, text kept, policy as it was
EDITOR="sed -i s/fault/wrong/" expect 4 policy edit gold
complains ":3:25: there is no filter 'wrong'"
kept=$(sed -n 's/.*your text is in //p' "$work/err")
grep -q wrong "$kept" || fail "the text was not kept in '$kept'"
rm "$kept"
unchanged

# ---- an editor that fails, one that is not there
EDITOR=false expect 1 policy edit gold
complains 'the editor "false" ended with status 1'
EDITOR=/none/such expect 1 policy edit gold
unchanged
rm -f "$TMPDIR"/*

# ---- somebody else was faster
cat >"$work/slow-editor" <<EOF
#!/bin/sh
printf 'name = "gold"; # faster\n' | "$weirctl" policy set gold -
echo '# slower' >>"\$1"
EOF
chmod +x "$work/slow-editor"
EDITOR=$work/slow-editor expect 4 policy edit gold
complains "was changed by somebody else meanwhile"
expect 0 policy show gold
assert_eq "$out" 'name = "gold"; # faster'
expect 3 policy edit nothing

# ---- at a keyboard: shown, edited again, applied
cat >"$work/editor" <<EOF
#!/bin/sh
if grep -q wrong "\$1"; then sed -i s/wrong/right/ "\$1"; else echo '# wrong' >>"\$1"; fi
EOF
chmod +x "$work/editor"
tmux="tmux -S $work/tmux -f /dev/null"
cleanup_fn "$tmux kill-server 2>/dev/null"
$tmux new-session -d -x 100 -y 20 -s edit \
    "env EDITOR=$work/editor $weirctl policy edit gold; echo ended with \$?; cat"
wait_until 60 bash -c "$tmux capture-pane -p -t edit | grep -q 'Edit again'"
$tmux send-keys -t edit y Enter
wait_until 60 bash -c "$tmux capture-pane -p -t edit | grep -q 'ended with 0'"
expect 0 policy show gold
says "# right"

# ---- and given up
$tmux new-session -d -x 100 -y 20 -s give-up \
    "env EDITOR='sed -i s/right/wrong/' $weirctl policy edit gold; echo ended with \$?; cat"
wait_until 60 bash -c "$tmux capture-pane -p -t give-up | grep -q 'Edit again'"
$tmux send-keys -t give-up n Enter
wait_until 60 bash -c "$tmux capture-pane -p -t give-up | grep -q 'ended with 4'"
expect 0 policy show gold
says "# right"
