# bash completion for cowherd(8)
# shellcheck shell=bash

_cowherd() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    # bash makes three words of --config=FILE.
    if [[ $current == = ]]; then
        previous=$current current=
    fi
    case $previous in
    -c | --config | =)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "--config= --check --dry-run --help --usage --version" -- "$current")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
        ;;
    esac
}

complete -F _cowherd cowherd
