#!/bin/bash
# Every snapshot is found within a second, whatever it is called and however it came; a name that is used again is another
# snapshot; what is gone is said to be gone.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

IN_TIME_USEC=1000000
SIZE=8192               # sectors of origins here
STORE=1600              # sectors of a store: 200 chunks, so that one chunk is half a percent

# The wall clock in microseconds, by which the journal stamps its entries.
now() { echo "${EPOCHREALTIME/./}"; }

# in_time DESCRIPTION JSON SINCE
in_time() {
    local took=$(($(field "$2" __REALTIME_TIMESTAMP) - $3))
    [[ $took -le $IN_TIME_USEC ]] || fail "$1: said after $took us"
    echo "ok - $1 (after $((took / 1000)) ms)"
}

# place NAME NUMBER: an empty store for a snapshot, the NUMBERth on /dev/ram1.
place() { STORE_OFFSET=$(($2 * STORE)) make_store "$1" /dev/ram1 "$STORE"; }

# The table of a snapshot whose store has its place.
table() { echo "0 $SIZE snapshot /dev/ram0 /dev/mapper/$1-store P 8"; }

# create NAME [UUID]
create() { dmsetup create "$1" ${2:+--uuid "$2"} --table "$(table "$1")"; }

minor_of() { dmsetup info -c --noheadings -o minor "$1" | tr -d ' '; }

status_text() { systemctl show -P StatusText cowherd.service; }

# ---- there before the start, made later, removed

existing_ones() {
    local json
    place before-1 0
    place before-2 1
    create before-1
    create before-2 TEST-before
    mark
    start_cowherd
    # The status line comes in one message with READY=1, so whoever is counted in it was found before that.
    check "READY comes after both were found" grep -q '^watching 2 snapshots' <(status_text)
    event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=before-1 >/dev/null
    json=$(event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=before-2)
    check_eq "the UUID is said" "$(field "$json" COWHERD_UUID)" TEST-before
    check_eq "with the size of the store" "$(field "$json" COWHERD_TOTAL_SECTORS)" "$STORE"
}

later_ones() {
    local json created removed
    place later 2
    mark
    create later
    created=$(now)
    json=$(event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=later)
    in_time "one that is made later is found" "$json" "$created"
    dmsetup remove later
    removed=$(now)
    json=$(event 5 COWHERD_EVENT=gone COWHERD_SNAPSHOT=later)
    in_time "one that is removed is gone" "$json" "$removed"
    check_eq "each is said once" "$(count_events COWHERD_EVENT=found) $(count_events COWHERD_EVENT=gone)" "1 1"
}

# ---- another snapshot under the same name, and with the same minor

# How many entries of an event there are for the name and the UUID (- for none).
count_of() { entries COWHERD_EVENT="$1" COWHERD_SNAPSHOT=again | jq -r '.COWHERD_UUID // "-"' | grep -cFx -- "$2" || true; }

# create_empty UUID: a snapshot "again", whose store has forgotten what one before it put there.
create_empty() {
    dd if=/dev/zero of=/dev/mapper/again-store bs=4096 count=1 oflag=direct status=none
    create again "$1"
}

# replace UUID: the snapshot "again" makes room for another one on the same origin and store.
replace() {
    dmsetup remove again
    create_empty "$1"
}

behind_its_back() {
    local pid
    pid=$(systemctl show -P MainPID cowherd.service)
    kill -STOP "$pid"
    "$@"
    kill -CONT "$pid"
}

# reused DESCRIPTION OLD_UUID NEW_UUID COMMAND...: the command replaces the one by the other. An empty UUID is none.
reused() {
    local what=$1 old=$2 new=$3 minor json order
    mark
    create_empty "$old"
    minor=$(minor_of again)
    event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=again >/dev/null
    write_chunks /dev/mapper/again 8 0 120
    json=$(event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=again)
    check_eq "$what: the old one's rung fires" "$(field "$json" COWHERD_UUID)" "$old"

    mark
    "${@:4}" "$new"
    check_eq "$what: the minor is the same" "$(minor_of again)" "$minor"
    json=$(event 5 COWHERD_EVENT=gone COWHERD_SNAPSHOT=again)
    check_eq "$what: the old one is gone" "$(field "$json" COWHERD_UUID)" "$old"
    json=$(event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=again)
    check_eq "$what: the new one is found" "$(field "$json" COWHERD_UUID)" "$new"
    check "$what: as empty as it is" test "$(field "$json" COWHERD_USED_SECTORS)" -lt 100
    order=$(entries COWHERD_SNAPSHOT=again | jq -r .COWHERD_EVENT | tr '\n' ' ')
    check_eq "$what: in this order, and nothing else" "$order" "gone found "

    write_chunks /dev/mapper/again 8 0 120
    json=$(event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=again)
    check_eq "$what: the new one's rung fires, though the old one's had" "$(field "$json" COWHERD_UUID)" "$new"
    check_eq "$what: once" "$(count_of rung "${new:--}")" 1
    dmsetup remove again
}

names_used_again() {
    place again 3
    reused "with UUIDs" TEST-old TEST-new replace
    # Removed and made in one look, without UUIDs: nothing but what the kernel counts tells the two apart.
    reused "without UUIDs, while it does not look" "" "" behind_its_back replace
}

# ---- renamed

renamed_ones() {
    local json
    place renamed 4
    create renamed TEST-renamed
    mark
    dmsetup rename renamed other-name
    json=$(event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT=other-name)
    check_eq "the new name is said" "$(field "$json" COWHERD_UUID)" TEST-renamed
    write_chunks /dev/mapper/other-name 8 0 60
    json=$(event 5 COWHERD_EVENT=rung COWHERD_UUID=TEST-renamed)
    check_eq "a renamed one goes by its new name" "$(field "$json" COWHERD_SNAPSHOT)" other-name
    check_eq "and by the section that matches that" "$(field "$json" COWHERD_RUNG)" "at 25% = alert notice"
    check "it was never gone" no_event 1 COWHERD_EVENT=gone
    dmsetup remove other-name
    event 5 COWHERD_EVENT=gone COWHERD_SNAPSHOT=other-name >/dev/null
}

# ---- many at once

# burst TEXT: the text twenty times, with N for the number and @ for its place on a disk.
burst() {
    local number text
    for number in {1..20}; do
        text=${1//N/$number}
        printf %s "${text//@/$((number * 160))}"
    done
}

# burst_said EVENT: how many entries there are of the burst, of how many snapshots, and when the last came.
burst_said() {
    entries COWHERD_EVENT="$1" | jq -rs 'map(select(.COWHERD_SNAPSHOT | startswith("burst-")))
        | "\(length) \(map(.COWHERD_SNAPSHOT) | unique | length) \(map(.__REALTIME_TIMESTAMP | tonumber) | max)"'
}

# all_said EVENT SINCE: each of the twenty once, the last within a second.
all_said() {
    local entries distinct last
    sleep 1
    read -r entries distinct last < <(burst_said "$1")
    check_eq "a burst: all 20 are $1, each once" "$entries $distinct" "20 20"
    check "the last within a second ($(((last - $2) / 1000)) ms)" test $((last - $2)) -le "$IN_TIME_USEC"
}

bursts() {
    dmsetup create --concise "$(burst "burst-store-N,,,rw,0 160 linear /dev/ram2 @;")"
    mark
    # One process makes them all, as fast as it can.
    dmsetup create --concise "$(burst "burst-N,,,rw,0 $SIZE snapshot /dev/ram3 /dev/mapper/burst-store-N P 8;")"
    all_said found "$(now)"
    check "the status counts them" wait_until 5 status_counts 22
    # shellcheck disable=SC2046 # words are what is wanted
    dmsetup remove $(burst "burst-N ")
    all_said gone "$(now)"
}

status_counts() { grep -q "^watching $1 snapshots" <(status_text); }

# ---- names

# The raw name, not as libdevmapper would print it; the path by number, because /dev/mapper has another name for it.
raw() { dmsetup --manglename none "$@"; }
path_of() { echo "/dev/dm-$(raw info -c --noheadings -o minor "$1" | tr -d ' ')"; }
is_gone() { ! raw info "$1" 2>&1 | grep -q '^State:'; }

# odd NAME text|bytes: it is found under exactly this name, dropped when its store is half full, and gone.
odd() {
    local name=$1 json message
    raw create "$name" --table "$(table odd)"
    json=$(event 5 COWHERD_EVENT=found COWHERD_SNAPSHOT="$name")
    message=$(field "$json" MESSAGE)
    check_eq "the sentence about $(printf %q "$name") is one line" "$(wc -l <<<"$message")" 1
    if [[ $2 == text ]]; then
        check_eq "the name comes through unchanged" "$(field "$json" COWHERD_SNAPSHOT)" "$name"
    fi
    write_chunks "$(path_of "$name")" 8 0 120
    event 15 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$name" >/dev/null
    check "it is dropped, and no other" is_gone "$name"
    event 5 COWHERD_EVENT=gone COWHERD_SNAPSHOT="$name" >/dev/null
}

odd_names() {
    local long
    long=odd-$(printf 'x%.0s' {1..123})
    place odd 5
    mark
    odd 'odd with spaces  and "quotes" and '\''these'\' text
    # shellcheck disable=SC2016 # that it is not expanded is the point
    odd 'odd $(touch cowherd-was-here) `touch cowherd-was-here`; touch cowherd-was-here' text
    odd 'odd \ back\\slash \x41 %s%n%d = x' text
    odd $'odd\nnew\tline\nCOWHERD_EVENT=lost' text
    odd 'odd Grüße ☃ 🐄' text
    odd $'odd \xff\xfe no UTF-8' bytes
    odd "$long" text
    check_eq "a name of 127 bytes is as long as a name can be" "${#long}" 127
    check_eq "nothing was executed" "$(find / -xdev -name 'cowherd-was-here*')" ""
    check_eq "no name has forged an event" "$(count_events COWHERD_EVENT=lost)" 0
}

config <<END
[snapshot *]
at 99% = alert

[snapshot again]
at 50% = alert

[snapshot other-*]
at 25% = alert notice

[snapshot odd*]
at 50% = drop
END
existing_ones
later_ones
names_used_again
renamed_ones
bursts
odd_names
check "nothing is left suspended" nothing_suspended
check "no cookies are left" no_cookies
