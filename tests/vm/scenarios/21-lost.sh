#!/bin/bash
# A snapshot that is lost is said to be, once, with the true reason; the dead one is taken away where the section says so.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

ORIGIN_SECTORS=65536
STORE=8000

# lost NAME PATTERN: it is said to be lost, for a reason that fits the pattern, and only once.
lost() {
    local name=$1 pattern=$2 json reason
    json=$(event 15 COWHERD_EVENT=lost COWHERD_SNAPSHOT="$name")
    reason=$(field "$json" COWHERD_RESULT)
    check "$name is lost: $reason" grep -qE "$pattern" <<<"$reason"
    check_eq "$name: as critical as its section says" "$(field "$json" PRIORITY)" 2
    check_eq "$name: the rung" "$(field "$json" COWHERD_RUNG)" "${3:-on lost = alert critical}"
}

# found NAME: it has been looked at.
found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }

behind_its_back() {
    make_backup unwatched /dev/ram0 /dev/ram1 "$STORE"
    mark
    start_cowherd
    found unwatched
    stop_cowherd
    fill "$ORIGIN" 8
    check_eq "filled while nobody looked" "$(state unwatched)" Invalid
    mark
    start_cowherd
    lost unwatched '^filled .*nobody was watching'
    sleep 2
    check_eq "it is said once" "$(count_events COWHERD_EVENT=lost)" 1
    mark
    systemctl restart cowherd.service
    lost unwatched '^filled'
    check_eq "and once again by a daemon that has not said it yet" "$(count_events COWHERD_EVENT=lost)" 1
    dmsetup remove unwatched unwatched-origin unwatched-store
}

# Half full at a look, then the rest between two looks: with nothing but alerts no look is in time for ever.
filled_fast() {
    local pid reason percent
    mark
    make_backup fast /dev/ram0 /dev/ram1 "$STORE"
    found fast
    write_chunks "$ORIGIN" 8 0 520
    event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=fast >/dev/null
    check "the status is up to date" wait_until 5 status_says 'fast \(backup\), 52\.'
    pid=$(systemctl show -P MainPID cowherd.service)
    kill -STOP "$pid"
    fill "$ORIGIN" 8 8
    kill -CONT "$pid"
    lost fast '^filled \(fast, from [0-9.]+ % at the last look\)$'
    reason=$(field "$(event 5 COWHERD_EVENT=lost)" COWHERD_RESULT)
    percent=$(sed -E 's/.* ([0-9]+)\..*/\1/' <<<"$reason")
    check_eq "the last look had seen what there was" "$percent" 52
    check "status says that one is lost" wait_until 5 status_says '1 lost'
    dmsetup remove fast fast-origin fast-store
}

status_says() { systemctl show -P StatusText cowherd.service | grep -qE "$1"; }

# Filled by a writer that does not stop, while it is watched.
filled_while_watched() {
    mark
    make_backup watched /dev/ram0 /dev/ram1 "$STORE"
    found watched
    fill "$ORIGIN" 16
    lost watched '^filled \(fast, from [0-9.]+ % at the last look\)$'
    dmsetup remove watched watched-origin watched-store
}

# The store's disk fails behind its first 32 KiB. Reads too: so nobody but the daemon's last look can say that it was not full.
io_error() {
    mark
    make_live broken /dev/ram2 /dev/ram3 "$STORE"
    found broken
    write_chunks /dev/mapper/broken 8 0 20
    dmsetup load broken-store <<END
0 256 linear /dev/ram3 0
256 $((STORE - 256)) error
END
    dmsetup resume broken-store
    check_not "a write to it fails" write_chunks /dev/mapper/broken 8 100 20
    check_eq "the kernel says no more than that" "$(state broken)" Invalid
    lost broken '^I/O error'
    dmsetup remove broken broken-store
}

# What the kernel says when a live snapshot's store is full: Overflow where its table has PO, Invalid with P.
overflow() {
    mark
    make_live po /dev/ram2 /dev/ram4 "$STORE" 8 PO
    STORE_OFFSET=$STORE make_live p /dev/ram2 /dev/ram4 "$STORE" 8 P
    found po
    found p
    check_not "PO: its writer gets an error" fill /dev/mapper/po 8
    lost po '^overflow'
    check_eq "PO: as the kernel says" "$(state po)" Overflow
    check_not "P: its writer gets an error" fill /dev/mapper/p 8
    lost p '^filled'
    check_eq "P: as the kernel says" "$(state p)" Invalid
    check_eq "PO: said once" "$(count_events COWHERD_EVENT=lost COWHERD_SNAPSHOT=po)" 1
    dmsetup remove po p po-store p-store
}

# open_device PATH: keep it open; HOLDER is who does.
open_device() {
    sleep 1000 3<"$1" &
    HOLDER=$!
}

dead_is_dropped() {
    mark
    make_backup dead /dev/ram5 /dev/ram6 "$STORE"
    found dead
    fill "$ORIGIN" 8
    lost dead '^filled'
    check_eq "what it does" "$(field "$(event 5 COWHERD_EVENT=lost COWHERD_SNAPSHOT=dead)" COWHERD_ACTION)" 'alert critical'
    for rung in 'alert notice, exec noted' 'drop'; do # each of several lines counts
        event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=dead "COWHERD_RUNG=on lost = $rung" >/dev/null
    done
    check "the hook of the second line runs" wait_until 20 test -e /run/lost.noted
    event 10 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=dead COWHERD_ACTION=drop >/dev/null
    check_not "on lost = drop takes the dead one away" dmsetup info dead
    check_eq "its origin stays as it is" "$(target dead-origin)" snapshot-origin
    dmsetup remove dead-origin dead-store

    make_backup dead-open /dev/ram5 /dev/ram6 "$STORE"
    found dead-open
    open_device /dev/mapper/dead-open
    fill "$ORIGIN" 8
    lost dead-open '^filled'
    event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=dead-open COWHERD_ACTION=drop >/dev/null
    check "while somebody has it open it stays" dmsetup info dead-open
    kill "$HOLDER"
    event 10 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=dead-open COWHERD_ACTION=drop >/dev/null
    check_not "and goes when it is closed" dmsetup info dead-open
}

config <<END
[snapshot *]
at 50% = alert
# Something that is still to come, so that it goes on looking often.
at 99% = alert
on lost = alert critical

[snapshot dead*]
on lost = alert critical
on lost = alert notice, exec noted
on lost = drop

[hook noted]
command = /usr/bin/touch /run/lost.noted
END
behind_its_back
filled_fast
filled_while_watched
io_error
overflow
dead_is_dropped
check "nothing is left suspended" nothing_suspended
check "no cookies are left" no_cookies
