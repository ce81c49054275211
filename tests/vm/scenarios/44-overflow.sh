#!/bin/bash
# Live role, a store (PO) that has overflowed: what runs on it is saved by the merge, which is never ended before the last
# exception is merged, whoever is killed meanwhile. The status says "Overflow" all the time.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

CHUNK=8
SIZE=32768 # sectors of an origin
SCATTERED=20

# exceptions_left NAME: how many exceptions the first metadata area of its store still has.
exceptions_left() {
    dd if="/dev/mapper/$1-store" bs=4096 skip=1 count=1 iflag=direct status=none |
        od -An -v -t u8 -w16 | awk '$2 != 0 { n++ } END { print n + 0 }'
}

daemon() { systemctl show -P MainPID cowherd.service; }
daemon_is_another() { [[ $(daemon) != 0 && $(daemon) != "$1" ]]; }

found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }

# overflow NAME: fill it up while the daemon does not look.
overflow() {
    local pid
    pid=$(daemon)
    kill -STOP "$pid"
    check_not "$1: its writer gets an error" fill "/dev/mapper/$1" 6 4
    check_eq "$1: overflowed" "$(state "$1")" Overflow
    kill -CONT "$pid"
}

saved() {
    event 60 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge COWHERD_ROLE=live >/dev/null
    check_eq "$1: it is on its own again" "$(target "$1")" linear
    check "$1: its store is zeroed" zeroes "$1"
}

# slow_origin MSEC: what a write to its first MiB takes. What waits already is written when the table is swapped.
slow_origin() {
    dmsetup load slow-origin <<END
0 2048 delay /dev/ram0 0 0 /dev/ram0 0 $1
2048 $((SIZE - 2048)) linear /dev/ram0 2048
END
    dmsetup resume slow-origin
}

is_half_merged() { [[ $(exceptions_left slow) -eq $SCATTERED ]]; }

# Scattered chunks are merged one by one, and here they are the last: the merge gets stuck at them. Meanwhile the daemon is killed,
# and each new one must see for itself that it is not at its end.
slow() {
    local before pid i
    modprobe dm-delay
    fill /dev/ram0 16
    dmsetup create slow-origin --table "0 $SIZE linear /dev/ram0 0"
    slow_origin 0
    mark
    ORIGIN_SECTORS=$SIZE make_live slow /dev/mapper/slow-origin /dev/ram1 3000 $CHUNK PO
    found slow
    for ((i = SCATTERED; i > 0; i--)); do write_chunks /dev/mapper/slow $CHUNK $((i * 3)) 1; done
    slow_origin 20000
    overflow slow
    before=$(sha /dev/mapper/slow 12)
    check "it is said to be lost" grep -q '^overflow' \
        <<<"$(field "$(event 10 COWHERD_EVENT=lost COWHERD_SNAPSHOT=slow)" COWHERD_RESULT)"
    event 10 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=slow COWHERD_ACTION=merge >/dev/null
    check "the merge comes as far as the scattered chunks" wait_until 20 is_half_merged
    check_eq "the status does not tell" "$(state slow)" Overflow
    check "writes succeed again" fill /dev/mapper/slow 1 13
    for ((i = 0; i < 2; i++)); do
        pid=$(daemon)
        mark
        kill -KILL "$pid"
        wait_until 10 daemon_is_another "$pid"
        event 10 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=slow COWHERD_ACTION=merge >/dev/null
        no_event 1 COWHERD_EVENT=action-done
        check_eq "it is not taken to be at its end" "$(target slow)" snapshot-merge
    done
    check "half of it is still to be merged" test "$(exceptions_left slow)" -ge $((SCATTERED / 2))
    check_eq "what can be read through it is the same" "$(sha /dev/mapper/slow 12)" "$before"
    slow_origin 0
    saved slow
    check_eq "all that could be read before is there" "$(sha /dev/mapper/slow 12)" "$before"
    check_eq "in the origin itself" "$(sha /dev/ram0 12)" "$before"
    check_eq "and what was written meanwhile" "$(sha /dev/ram0 1 13)" "$(head -c 1048576 "$PATTERN" | sha256sum | cut -d' ' -f1)"
    check_eq "on lost = drop did not take it away" "$(count_events COWHERD_EVENT=action-start COWHERD_ACTION=drop)" 0
}

# A merge that was prevented before goes on when it can, although the store has overflowed meanwhile. How much it will write is
# not known then: the sibling would need room for all the origin.
prevented() {
    local before result
    mark
    ORIGIN_SECTORS=$SIZE make_live held /dev/ram2 /dev/ram3 4000 $CHUNK PO
    STORE_OFFSET=8192 ORIGIN_SECTORS=$SIZE make_live beside /dev/ram2 /dev/ram3 1000 $CHUNK P
    found held
    fill /dev/mapper/held 1
    result=$(field "$(event 10 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=held COWHERD_ACTION=merge)" COWHERD_RESULT)
    check "its sibling prevents it: $result" grep -q beside <<<"$result"
    overflow held
    before=$(sha /dev/mapper/held)
    event 10 COWHERD_EVENT=lost COWHERD_SNAPSHOT=held >/dev/null
    sleep 1
    check_eq "still prevented" "$(target held)" snapshot
    check_eq "the sibling is whole" "$(state beside | grep -c /)" 1
    dmsetup remove beside
    saved held
    check_eq "all is there" "$(sha /dev/ram2 16)" "$before"
}

# The record of the action belongs on the very filesystem that no longer takes a write.
own_state() {
    local pid
    stop_cowherd
    mkfs.ext4 -q /dev/ram4
    make_live root /dev/ram4 /dev/ram5 16000 $CHUNK PO
    mount /dev/mapper/root /var/lib/cowherd
    head -c 1000000 "$PATTERN" >/var/lib/cowherd/file
    sync -f /var/lib/cowherd
    mark
    start_cowherd
    found root
    pid=$(daemon)
    kill -STOP "$pid"
    check_not "it is filled up" dd if="$PATTERN" of=/var/lib/cowherd/junk bs=1M oflag=direct status=none
    check_eq "overflowed" "$(state root)" Overflow
    kill -CONT "$pid"
    saved root
    stop_cowherd
    umount /var/lib/cowherd
    e2fsck -fy /dev/mapper/root || [[ $? -lt 4 ]]
    mount /dev/mapper/root /var/lib/cowherd
    check "what was on it is there" cmp -n 1000000 "$PATTERN" /var/lib/cowherd/file
    umount /var/lib/cowherd
    start_cowherd
}

# In the backup role there is nothing to be saved by a merge.
backup() {
    local pid
    mark
    ORIGIN_SECTORS=$SIZE make_backup kept /dev/ram6 /dev/ram7 3000 $CHUNK PO
    STORE_OFFSET=8192 ORIGIN_SECTORS=$SIZE make_backup written /dev/ram6 /dev/ram7 2000 $CHUNK PO
    found kept
    found written
    overflow written
    check_eq "its siblings have nothing to do with it" "$(state kept | grep -c /)" 1
    event 10 COWHERD_EVENT=lost COWHERD_SNAPSHOT=written >/dev/null
    pid=$(daemon)
    kill -STOP "$pid"
    fill /dev/mapper/kept-origin 3
    kill -CONT "$pid"
    event 10 COWHERD_EVENT=lost COWHERD_SNAPSHOT=kept >/dev/null
    check_eq "backup, PO, filled" "$(state kept)" Invalid
    no_event 2 COWHERD_EVENT=action-start COWHERD_ACTION=merge
    check_eq "nothing was touched" "$(target kept) $(target written) $(target kept-origin)" "snapshot snapshot snapshot-origin"
}

config <<'END'
[snapshot *]
at 99% = alert
[snapshot slow]
at 95% = merge
on lost = alert critical, drop
[snapshot held]
at 40% = merge
on lost = alert critical
[snapshot root]
at 99% = merge
[snapshot kept]
at 99% = merge
[snapshot written]
at 99% = merge
END
start_cowherd
slow
prevented
backup
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
own_state
check "nothing is suspended" nothing_suspended
check "no cookie is left" wait_until 10 no_cookies
