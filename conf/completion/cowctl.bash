# bash completion for cowctl(8): commands, options, and the names of the snapshots that there are
# shellcheck shell=bash

# The options of a command; those with a value end with "=".
_cowctl_options() {
    case $1 in
    status) echo "--json --bytes --no-header --color= --help" ;;
    watch) echo "--interval= --color= --help" ;;
    check) echo "--warning= --critical= --help" ;;
    log) echo "--follow --lines= --since= --json --color= --help" ;;
    extend | merge | drop) echo "--dry-run --wait --help" ;;
    hold | release | reload) echo "--dry-run --help" ;;
    explain | names) echo "--help" ;;
    *) echo "--help --version" ;;
    esac
}

# Adds the words, one a line, that begin with what is there. Not compgen -W: it would expand what a name is made of.
_cowctl_offer() {
    local word
    while IFS= read -r word; do
        [[ $word != "$1"* ]] || COMPREPLY+=("$word")
    done
}

# The names, quoted as the shell needs them; what has been typed of one is compared without its quoting.
_cowctl_names() {
    local typed=${1//\\/} name
    while IFS= read -r name; do
        [[ $name != "$typed"* ]] || COMPREPLY+=("$(printf %q "$name")")
    done < <(cowctl names 2>/dev/null)
}

# Sets command, and arguments: how many that are no options stand between it and the word at the cursor.
_cowctl_place() {
    local i word
    command=
    arguments=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $command:$word in
        log:-n | check:-w | check:-c | watch:-i) i=$((i + 1)) ;; # and its value
        *:--interval | *:--since | *:--color | *:--lines | *:--warning | *:--critical) i=$((i + 1)) ;;
        *:= | *:-*) ;;
        *) if [[ -z $command ]]; then command=$word; else arguments=$((arguments + 1)); fi ;;
        esac
        # bash makes three words of --since=T: the value is the third.
        [[ ${COMP_WORDS[i]} != = ]] || i=$((i + 1))
    done
}

_cowctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command arguments assigned=''
    COMPREPLY=()
    if [[ $current == = ]]; then
        assigned=yes
        current=
    elif [[ $previous == = ]]; then
        assigned=yes
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    # Its value may be left out, and is never a word of its own.
    [[ $previous != --wait || $assigned ]] || previous=
    _cowctl_place
    case $command:$previous in
    *:--color) _cowctl_offer "$current" <<<$'auto\nalways\nnever' ;;
    check:-[wc] | *:--warning | *:--critical) _cowctl_offer "$current" <<<$'70%\n80%\n90%\n30min\n2h' ;;
    *:--wait) _cowctl_offer "$current" <<<$'30s\n5min\n1h' ;;
    log:-n | watch:-i | *:--lines | *:--interval | *:--since) ;;
    *)
        if [[ $current == -* ]]; then
            _cowctl_offer "$current" < <(_cowctl_options "$command" | tr ' ' '\n')
        elif [[ -z $command ]]; then
            _cowctl_offer "$current" <<<$'status\nwatch\ncheck\nexplain\nlog\nnames\nreload\nextend\nmerge\ndrop\nhold\nrelease'
        else
            _cowctl_argument "$command" "$arguments" "$current"
        fi
        ;;
    esac
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

# _cowctl_argument COMMAND HOW_MANY_THERE_ARE CURRENT
_cowctl_argument() {
    case $1:$2 in
    status:* | watch:* | check:*) _cowctl_names "$3" ;;
    explain:0 | log:0 | extend:0 | merge:0 | drop:0 | hold:0 | release:0) _cowctl_names "$3" ;;
    extend:1) _cowctl_offer "$3" <<<$'10%\n20%\n50%\n1GiB' ;;
    hold:1) _cowctl_offer "$3" <<<$'30min\n2h\n1d' ;;
    esac
}

complete -F _cowctl cowctl
