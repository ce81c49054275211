# Runs what documents have in their blocks, in the machine; for tests/vm/scenarios/94-docs.sh.
# shellcheck shell=bash

DOCS=/tests/docs
PLAY=/run/cowherd-docs              # DOCUMENT/BLOCK.KIND: what there is; DOCUMENT/BLOCK.tag
CONFIG=/etc/cowherd/cowherd.conf.d/10-local.conf
COMMANDS_RUN=0

# how DOCUMENT LINE: what tests/docs/reviewed says of it; empty where it says nothing.
how() {
    awk -v document="$1" -v line="$2" '
        function is(pattern) {
            if (pattern !~ / \.\.\.$/)
                return pattern == line
            return index(line, substr(pattern, 1, length(pattern) - 3)) == 1
        }
        { split($0, field, " [|] "); at = length(field[1] field[2] field[3]) + 10 }
        field[2] == document && is(substr($0, at)) { print field[1] }' "$DOCS/reviewed"
}

# A command that goes on until it is stopped: when it has said something it must still be at work.
endless() {
    local said=$PLAY/said
    : >"$said"
    bash -c "exec $1" >"$said" 2>&1 &
    wait_until 30 test -s "$said" || { echo "it says nothing: $1"; return 1; }
    kill -0 $! || { echo "it has ended: $1: $(cat "$said")"; return 1; }
    kill -INT $! 2>/dev/null
    kill $! 2>/dev/null || true
    wait $! || true
}

# take DOCUMENT FILE: unpack a document.
take() {
    local directory=$PLAY/$1 block kind tag text
    mkdir -p "$directory"
    while IFS=$'\037' read -r block _ kind tag text; do
        [[ $kind != more ]] || kind='command'
        block=$(printf %03d "$block")
        if [[ $kind == command ]]; then
            case $(how "$1" "$text") in
            elsewhere | text) continue ;;
            endless) text="endless $(printf %q "$text")" ;;
            esac
            COMMANDS_RUN=$((COMMANDS_RUN + 1))
        fi
        printf '%s\n' "$text" >>"$directory/$block.$kind"
        [[ -z $tag ]] || echo "$tag" >"$directory/$block.tag"
    done < <("$DOCS/extract" "$2")
}

# run_block DOCUMENT BLOCK: its commands, in one shell, which ends at the first that fails.
run_block() {
    local script=$PLAY/$1/$2.command
    {
        declare -f endless wait_until
        echo "PLAY=$PLAY"
        echo "set -euxo pipefail"
        cat "$script"
    } >"$script.sh"
    check "$1: $(grep -c . "$script") commands: $(head -n1 "$script")" bash "$script.sh"
}

# A configuration of an example is one, and is in force from here on.
use_config() {
    mkdir -p "${CONFIG%/*}"
    cp "$PLAY/$1/$2.config" "$CONFIG"
    check "$1: a configuration: $(head -n1 "$CONFIG")" cowherd --check
}

# play DOCUMENT: all its blocks but those with a tag.
play() {
    local file block
    for file in "$PLAY/$1"/*.co*; do # command, config
        block=$(basename "${file%.*}")
        [[ ! -e $PLAY/$1/$block.tag ]] || continue
        case $file in
        *.command) run_block "$1" "$block" ;;
        *.config) use_config "$1" "$block" ;;
        esac
    done
}

# tagged DOCUMENT TAG [NTH=1]: the block with this tag, and note that it was used.
tagged() {
    local file n=${3:-1}
    for file in "$PLAY/$1"/*.tag; do
        [[ $(cat "$file") == "$2" ]] || continue
        n=$((n - 1))
        [[ $n -gt 0 ]] || { touch "${file%.tag}.used"; basename "$file" .tag; return; }
    done
    fail "$1 has no block $2"
}

# recipe DOCUMENT TAG: run it. install_file DOCUMENT PATH [NTH]: put it in its place.
recipe() {
    local block
    block=$(tagged "$1" "$2")
    run_block "$1" "$block"
}
install_file() {
    local block
    block=$(tagged "$@")
    mkdir -p "${2%/*}"
    cp "$PLAY/$1/$block.file" "$2"
}

# Blocks with a tag that no test has used.
unused() {
    local file
    for file in "$PLAY"/*/*.tag; do
        [[ -e ${file%.tag}.used ]] || echo "$(basename "$(dirname "$file")"): $(cat "$file")"
    done
}
