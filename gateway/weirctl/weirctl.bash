# weirctl.bash - which word may come next on a weirctl command line?
# SPDX-License-Identifier: BSD-3-Clause
#
# All words come from weirctl itself: commands, arguments and options from `--json help`,
# names from the running gateways, filters and their options from the shared objects.

# Asks weirctl with the --run, --gateway and --filters that are on the line.
_weirctl_ask() {
    "${_weirctl_program:-weirctl}" --json --timeout=1 ${_weirctl_globals[@]+"${_weirctl_globals[@]}"} "$@" 2>/dev/null </dev/null
}

_weirctl_files=100 # a status: file names are what is expected, bash knows those

# The values of "KEY":"…" in a document, one a line.
_weirctl_values() {
    grep -o "\"$1\":\"[^\"]*\"" | cut -d'"' -f4
}

# Words for one argument: KIND is its name in the help, words are those before it.
_weirctl_argument() {
    local kind=$1
    shift
    case $kind in
    EXPORT) _weirctl_ask export list | grep -o '"exports":.*' | _weirctl_values name ;;
    POLICY) _weirctl_ask policy list | _weirctl_values name ;;
    DATASTORE) _weirctl_ask datastore list | grep -o '"datastores":.*' | _weirctl_values name ;;
    KEY)
        if [[ $1 == key ]]; then # where a passphrase comes from
            printf '%s:\n' file credential keyring exec pkcs11 token clevis
            return
        fi
        _weirctl_ask datastore show "$3" | grep -o '"live":\[[^]]*\]' | cut -d: -f2 | grep -o '[a-z_.]*' ;;
    DEVICE) # of the kernel
        if [[ $1 == detach ]]; then
            _weirctl_ask attached | grep -o '"\(device\|export\)":"[^"]*"' | cut -d'"' -f4
        else
            compgen -G '/dev/nbd*' | grep -x '/dev/nbd[0-9]*'
        fi ;;
    SLOT) _weirctl_ask key status "$3" | grep -o '"slot":[0-9]*' | cut -d: -f2 ;;
    YES) echo yes ;;
    ANYWAY) echo anyway ;;
    NAME) # a word of its own is a new one: of a snapshot, of a restore point
        [[ $current != --* ]] || _weirctl_ask gateway list | _weirctl_values name ;;
    POINT)
        echo latest
        _weirctl_ask replica points "$3" | grep -o '"name":"[^"]\+"' | cut -d'"' -f4 | sed 's/^/rp:/' ;;
    COMMAND)
        if [[ $# -eq 1 ]]; then
            _weirctl_ask help | _weirctl_values noun | sort -u
        else
            _weirctl_ask help | grep -o "{\"noun\":\"$2\",[^}]*}" | _weirctl_values verb
        fi ;;
    FILTER)
        if [[ $1 == export ]]; then
            _weirctl_ask export show "$3" | _weirctl_values label
        else
            _weirctl_ask filter list | _weirctl_values name
        fi ;;
    OPTION)
        # a noun of a class of filters has no FILTER before it
        if [[ $1 != export ]]; then
            _weirctl_ask "$1" show "$3" | grep -o '"options":{[^}]*}' | grep -o '"[a-z_]*":"' | tr -d '":'
            return
        fi
        # a label is the filter's name, or NAME-2 for a second one
        _weirctl_ask filter describe "${4%-[0-9]*}" |
            sed 's/.*"options":\[//; s/"statistics".*//' | _weirctl_values name ;;
    COLUMN) printf '%s\n' name iops read write p50 p99 queue ;;
    esac
}

# The entry of the help that the words on the line mean.
_weirctl_entry() {
    _weirctl_ask help | grep -o '{"noun":"[^}]*}' |
        grep -F -e "{\"noun\":\"$1\",\"verb\":\"$2\"," -e "{\"noun\":\"$1\",\"verb\":\"\","
}

_weirctl_options() {
    local entry=$1 all name
    all=$(_weirctl_ask help | grep -o '{"name":"[^}]*}')
    while IFS= read -r name; do
        if [[ $name == *'"everywhere":true'* || $entry == *"\"$(_weirctl_values name <<<"$name")\""* ]]; then
            if [[ $name == *'"argument":""'* ]]; then
                printf -- '--%s \n' "$(_weirctl_values name <<<"$name")"
            else
                printf -- '--%s=\n' "$(_weirctl_values name <<<"$name")"
            fi
        fi
    done <<<"$all"
}

_weirctl_words() { # the candidates for $current after $words
    local entry='' taken kind arguments
    ((${#words[@]})) && entry=$(_weirctl_entry "${words[0]}" "${words[1]-}")
    case $current in
    --*=*)
        kind=$(_weirctl_ask help | grep -o "{\"name\":\"$(cut -d= -f1 <<<"${current#--}")\"[^}]*}" |
            _weirctl_values argument)
        [[ $kind == DIR* || $kind == FILE* ]] && return $_weirctl_files
        _weirctl_argument "$kind" "${words[@]}" | sed 's/$/ /'
        return ;;
    -*)
        _weirctl_options "$entry"
        return ;;
    esac
    if ((${#words[@]} == 0)); then
        _weirctl_ask help | _weirctl_values noun | sort -u | sed 's/$/ /'
    elif [[ -z $entry ]]; then
        ((${#words[@]} == 1)) && _weirctl_ask help | grep -o "{\"noun\":\"${words[0]}\",[^}]*}" |
            _weirctl_values verb | sed 's/$/ /'
    else
        taken=1
        [[ $entry == *'"verb":""'* ]] || taken=2
        read -ra arguments <<<"$(_weirctl_values arguments <<<"$entry")"
        kind=${arguments[${#words[@]} - taken]:-}
        if [[ -z $kind && ${#arguments[@]} -gt 0 && ${arguments[-1]} == *...* ]]; then
            kind=${arguments[-1]}
        fi
        kind=${kind//[\[\].]/}
        [[ $kind == FILE* ]] && return $_weirctl_files
        _weirctl_argument "$kind" "${words[@]}" | sed 's/$/ /'
    fi
}

_weirctl() {
    local _weirctl_program=$1 _weirctl_globals=() words=() line=() current word candidates
    # COMP_WORDS is cut at = and :, which are part of our words
    read -ra line <<<"${COMP_LINE:0:COMP_POINT}"
    current=
    if [[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]]; then
        current=${line[-1]}
        unset 'line[-1]'
    fi
    for word in "${line[@]:1}"; do
        case $word in
        --run=* | --gateway=* | --filters=*) _weirctl_globals+=("$word") ;;
        -*) ;;
        *) words+=("$word") ;;
        esac
    done
    COMPREPLY=()
    local status=0
    candidates=$(_weirctl_words) || status=$?
    if ((status == _weirctl_files)); then
        compopt -o default +o nospace 2>/dev/null
        return 0
    fi
    # readline replaces only what follows the last =
    local prefix=
    if [[ $current == --*=* ]]; then
        prefix=${current%%=*}=
    fi
    while IFS= read -r word; do
        if [[ -n $word && $word == "${current#"$prefix"}"* ]]; then
            COMPREPLY+=("$word")
        fi
    done <<<"$candidates"
}
complete -o nospace -F _weirctl weirctl
