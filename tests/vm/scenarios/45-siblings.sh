#!/bin/bash
# Before a merge the room of the other snapshots of its origin is checked, to the chunk: a sibling with exactly as much as the
# merge may cost lets it go and survives it; with one chunk less it prevents the merge, is named, and when it is gone the merge
# goes on by itself. Both roles, both directions of differing chunk sizes, and siblings of other kinds.
# timeout: 400
# shellcheck source=lib.sh
. /tests/lib.sh

SIZE=8192    # sectors of an origin
MERGED=5     # exceptions to merge
PLACE=0      # each layout has its own pieces of the disks
LAYOUT=      # the last one's name
declare -A RIGHT SIBLING_SHA
ORIGIN_SECTORS=$SIZE

larger() { echo $(($1 > $2 ? $1 : $2)); }

# What merging costs a sibling that has copied nothing of it yet, when each merged chunk lies in another of its chunks.
cost() { echo $((MERGED * $(larger "$1" "$2") / $2)); }

# lay_out NAME ROLE CHUNK: a snapshot with something to merge. Its sibling comes later: it has copied nothing of that.
lay_out() {
    local at=0
    LAYOUT=$1
    dmsetup create "$1-disk" --table "0 $SIZE linear /dev/ram0 $((PLACE * SIZE))"
    DISK=/dev/mapper/$1-disk
    RIGHT[$1]=$(sha "$DISK")
    STORE_OFFSET=$((PLACE * 4096)) "make_$2" "$1" "$DISK" /dev/ram1 $((20 * $3)) "$3"
    [[ $2 == backup ]] || ORIGIN=/dev/mapper/$1
    for ((at = 0; at < MERGED; at++)); do
        write_chunks "$ORIGIN" "$3" $((at * 256 / $3)) 1
    done
    [[ $2 == backup ]] || RIGHT[$1]=$(sha "$ORIGIN")
    PLACE=$((PLACE + 1))
}

# beside SECTORS CHUNK TYPE: the sibling, with a store of that size.
beside() {
    local origin
    origin=$(origin_device "$DISK")
    [[ -z $origin ]] || dmsetup suspend "$origin"
    STORE_OFFSET=$((PLACE * 4096)) make_live "t-$LAYOUT" "$DISK" /dev/ram2 "$1" "$2" "$3"
    [[ -z $origin ]] || dmsetup resume "$origin"
    SIBLING_SHA[$LAYOUT]=$(sha "/dev/mapper/t-$LAYOUT")
}

# room SPARE CHUNK MERGED_CHUNK: sectors of a store for the cost and that many chunks more (or less).
room() { echo $(($(store_sectors "$(($(cost "$3" "$2") + $1))" "$2"))); }

# A store of F(n) holds n; one chunk less than F(n) holds n - 1.
pair() {
    local role=$1 merged=$2 sibling=$3
    lay_out "fits-$role-$merged-$sibling" "$role" "$merged"
    beside "$(room 0 "$sibling" "$merged")" "$sibling" P
    lay_out "short-$role-$merged-$sibling" "$role" "$merged"
    beside $(($(room 0 "$sibling" "$merged") - sibling)) "$sibling" P
}

kinds() {
    lay_out fits-transient live 8
    beside $((MERGED * 8)) 8 N
    lay_out short-transient live 8
    beside $((MERGED * 8 - 8)) 8 N

    # What is lost already has nothing to lose; what has overflowed can still be read, until its origin is written to.
    lay_out fits-invalid live 8
    beside "$(store_sectors 2 8)" 8 P
    check_not "its store fills" write_chunks /dev/mapper/t-fits-invalid 8 0 5
    check_eq "it is lost" "$(state t-fits-invalid)" Invalid
    lay_out short-overflow live 8
    beside "$(store_sectors 2 8)" 8 PO
    check_not "its store fills" write_chunks /dev/mapper/t-short-overflow 8 0 5
    check_eq "it has overflowed" "$(state t-short-overflow)" Overflow
    SIBLING_SHA[short-overflow]=$(sha /dev/mapper/t-short-overflow)

    # The snapshot is only a part of its device.
    lay_out short-part live 8
    make_store t-short-part /dev/ram3 $(($(store_sectors "$MERGED" 8) - 8))
    dmsetup create t-short-part <<END
0 $SIZE snapshot $DISK /dev/mapper/t-short-part-store P 8
$SIZE 8 linear /dev/ram4 0
END
    SIBLING_SHA[short-part]=$(sha /dev/mapper/t-short-part)
}

names() { dmsetup ls --target snapshot | cut -f1 | grep "^$1" | sort; }

merged_right() {
    local device=$1
    is_gone "$1-origin" || device=$1-origin
    event 60 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge >/dev/null
    check_eq "$1: merged, and right" "$(sha "/dev/mapper/$device")" "${RIGHT[$1]}"
    check_eq "$1: what it leaves" "$(target "$device")" "$2"
}

fits() {
    merged_right "$1" snapshot-origin
    if [[ $1 == fits-invalid ]]; then
        return
    fi
    check_eq "$1: its sibling is full" "$(used "t-$1")" "$(total "t-$1")"
    check_eq "$1: and has all it had" "$(sha "/dev/mapper/t-$1")" "${SIBLING_SHA[$1]}"
}

prevented() {
    local result
    result=$(field "$(event 20 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge)" COWHERD_RESULT)
    check "$1: its sibling is named" grep -q "fill the store of t-$1," <<<"$result"
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$1" "COWHERD_RUNG=on stalled = alert critical" >/dev/null
    check_eq "$1: nothing was begun" "$(target "$1")" snapshot
    check_eq "$1: its sibling has all it had" "$(sha "/dev/mapper/t-$1")" "${SIBLING_SHA[$1]}"
}

fill /dev/ram0 64
for role in live backup; do
    pair $role 128 8
    pair $role 8 128
done
kinds
mapfile -t fitting < <(names fits-)
mapfile -t short < <(names short-)
check_eq "all are laid out" "${#fitting[@]} ${#short[@]}" "6 7"
config <<'END'
[snapshot t-*]
at 100% = alert
[snapshot fits-*]
at 1% = merge
[snapshot short-*]
at 1% = merge
on stalled = alert critical
END
mark
start_cowherd
for name in "${fitting[@]}"; do fits "$name"; done
for name in "${short[@]}"; do prevented "$name"; done
check "nothing is suspended, no table waits" nothing_suspended
for name in "${short[@]}"; do dmsetup remove "t-$name"; done
for name in "${short[@]}"; do merged_right "$name" linear; done
check_eq "nobody was lost by a merge" "$(entries COWHERD_EVENT=lost | jq -r .COWHERD_SNAPSHOT | sort | xargs)" "t-fits-invalid t-short-overflow"
check "nothing is suspended" nothing_suspended
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
