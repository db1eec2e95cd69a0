# tools.sh - how does each tool make $file hold the text $1?
# SPDX-License-Identifier: BSD-3-Clause
#
# edit TEXT: with $tool.  $tool_hears is when the tool tells of an error: always, or
# only of one in write() since it does not look at what close() says.
tool_hears=always
tool_needs() { :; }

# typed KEYS…: runs `$screen_command` in a terminal, types, waits until it has ended.
screens=0
typed() {
    screens=$((screens + 1)) # a server of its own: the one before may be about to end
    rm -f "$work/ended"
    in_tmux -f /dev/null new-session -d -x 120 -y 30 \
        "$screen_command; echo \$? >$work/ended.new; mv $work/ended.new $work/ended"
    "$@"
    local failed=$?
    wait_until 60 test -e "$work/ended"
    return $failed
}
in_tmux() { tmux -S "$work/tmux-$screens.sock" "$@"; }
screen() { in_tmux capture-pane -p; }
screen_shows() { screen | grep -q -- "$1"; }
type_keys() { in_tmux send-keys "$@"; }
# tmux takes a semicolon at the end for its own
type_text() { in_tmux send-keys -l "${1/%;/\\;}"; }

case $tool in
echo)
    tool_hears='write'
    edit() { bash -c 'echo "$1" >"$2"' - "$1" "$file" 2>>"$work/tool.log"; } ;;
dash)
    tool_hears='write'
    tool_needs() { requires dash; }
    edit() { dash -c 'echo "$1" >"$2"' - "$1" "$file" 2>>"$work/tool.log"; } ;;
printf)
    # the text is what is there already and what is appended
    tool_hears='write'
    edit() {
        local head=${1:0:11}
        bash -c 'printf %s "$1" >"$2"' - "$head" "$file" 2>>"$work/tool.log" || return 1
        assert_eq "$(cat "$file")" "$before" "half a text was applied"
        bash -c '{ printf %s "$1"; printf "%s\n" "$2"; } >"$3"' - "$head" "${1:11}" "$file" 2>>"$work/tool.log"
    } ;;
tee) edit() { echo "$1" | tee "$file" >/dev/null 2>>"$work/tool.log"; } ;;
cat) edit() { echo "$1" | cat >"$file" 2>>"$work/tool.log"; } ;;
cp) edit() { echo "$1" >"$work/text"; cp "$work/text" "$file" 2>>"$work/tool.log"; } ;;
cp-p) edit() { echo "$1" >"$work/text"; cp -p "$work/text" "$file" 2>>"$work/tool.log"; } ;;
dd) edit() { echo "$1" | dd of="$file" conv=fsync 2>>"$work/tool.log"; } ;;
mv) # from another file system: unlinks the target, then creates it
    edit() { echo "$1" >"$work/text"; mv "$work/text" "$file" 2>>"$work/tool.log"; } ;;
install) edit() { echo "$1" >"$work/text"; install -m 640 "$work/text" "$file" 2>>"$work/tool.log"; } ;;
rename) # within the folder
    edit() {
        echo "$1" >"$file.new"
        mv "$file.new" "$file" 2>"$work/mv.log" && return
        ! grep -q "subdirectory of itself" "$work/mv.log" || fail "$(cat "$work/mv.log")"
        return 1
    } ;;
sed)
    edit() { sed -i "c\\
$1" "$file" 2>>"$work/tool.log"; } ;;
python) 
    edit() {
        python3 - "$1" "$file" 2>>"$work/tool.log" <<'PYTHON'
import sys
with open(sys.argv[2], "w") as f:
    f.write(sys.argv[1] + "\n")
PYTHON
    } ;;
perl)
    tool_needs() { requires perl; }
    edit() { perl -e 'open F, ">", $ARGV[1] or die; print F "$ARGV[0]\n"; close F or die "$!\n"' "$1" "$file" 2>>"$work/tool.log"; } ;;
vim | vim-backup | vim-rename)
    tool_needs() { requires vim; }
    case $tool in
    vim) settings=nobackup ;;
    vim-backup) settings='backup backupcopy=yes' ;;
    vim-rename) settings='nobackup writebackup backupcopy=no' ;;
    esac
    edit() {
        vim -es -u NONE -i NONE --cmd "set $settings backupdir=. directory=." \
            -c "call setline(1, '$1')" -c wq "$file" >>"$work/tool.log" 2>&1
        local status=$?
        rm -f "$file~"
        return $status
    } ;;
vim-tmux)
    tool_needs() { requires vim tmux; }
    edit() {
        screen_command="vim -u NONE -i NONE --cmd 'set directory=. ruler' '$file'"
        typed keys_vim "$1"
    }
    keys_vim() {
        wait_until 60 screen_shows "1,1"
        type_text "0C$1"
        type_keys Escape
        type_text ":w"
        type_keys Enter
        wait_until 60 screen_shows "written\|E[0-9]*:"
        local failed=0
        if screen_shows "E[0-9]*:"; then
            failed=1
            screen >>"$work/tool.log"
        fi
        type_keys Enter # of "Press ENTER"
        type_text ":q!"
        type_keys Enter
        return $failed
    } ;;
nano-tmux)
    tool_needs() { requires nano tmux; }
    edit() {
        screen_command="nano -I '$file'"
        typed keys_nano "$1"
    }
    keys_nano() {
        wait_until 60 screen_shows "GNU nano"
        type_keys C-k # the one line there is
        type_text "$1"
        type_keys Enter C-o
        wait_until 60 screen_shows "File Name to Write"
        type_keys Enter
        wait_until 60 screen_shows "Wrote\|Error"
        local failed=0
        if screen_shows "Error"; then
            failed=1
            screen >>"$work/tool.log"
        fi
        type_keys C-x
        wait_until 60 nano_asks_or_ended
        [ -e "$work/ended" ] || type_keys n
        return $failed
    }
    nano_asks_or_ended() { [ -e "$work/ended" ] || screen_shows "Save modified"; } ;;
*) fail "there is no tool '$tool'" ;;
esac
