#!/bin/bash
# Backup role, merge: the origin is rolled back to the exact old bytes, and never while it is open.
# timeout: 400
# shellcheck source=lib.sh
. /tests/lib.sh

# Closed: merged at once.
closed() {
    fill /dev/ram0 40
    local old
    old=$(sha /dev/ram0)
    mark
    make_backup shut /dev/ram0 /dev/ram1 65536
    check "the origin is overwritten" fill "$ORIGIN" 12 9
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=shut COWHERD_ACTION=merge COWHERD_ROLE=backup >/dev/null
    check "its snapshot is gone" is_gone shut
    check_eq "the origin's device is linear" "$(target shut-origin)" linear
    check_eq "the old bytes are back" "$(sha /dev/mapper/shut-origin)" "$old"
    check_eq "also beneath it" "$(sha /dev/ram0)" "$old"
    check "the store is zeroed" zeroes shut
    check "nothing is suspended" nothing_suspended
    check "no cookie is left" no_cookies
    check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
}

# Mounted: said, untouched; and on its own as soon as it can be.
mounted() {
    mkfs.ext4 -q /dev/ram2
    mkdir -p /mnt/o
    mount /dev/ram2 /mnt/o
    echo before >/mnt/o/file
    umount /mnt/o
    local old
    old=$(sha /dev/ram2)
    mark
    make_backup busy /dev/ram2 /dev/ram3 65536
    mount "$ORIGIN" /mnt/o
    echo after >/mnt/o/file
    dd if=/dev/urandom of=/mnt/o/more bs=1M count=12 oflag=direct status=none
    sync -f /mnt/o
    e=$(event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=busy COWHERD_ACTION=merge)
    check "the reason names the origin's device" grep -q 'busy-origin is open' <<<"$(field "$e" COWHERD_RESULT)"
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=busy "COWHERD_RUNG=on stalled = alert critical" >/dev/null
    no_event 2 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=busy
    check_eq "said once" "$(count_events COWHERD_EVENT=deferred COWHERD_SNAPSHOT=busy)" 1
    check_eq "the tables are as they were" "$(target busy) $(target busy-origin)" "snapshot snapshot-origin"
    check "nothing is suspended, no table waits" nothing_suspended
    check_eq "what runs on it goes on" "$(cat /mnt/o/file)" after
    umount /mnt/o
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=busy COWHERD_ACTION=merge >/dev/null
    check_eq "unmounted, the old bytes are back without another nudge" "$(sha /dev/mapper/busy-origin)" "$old"
    check "the filesystem is clean" e2fsck -fn /dev/mapper/busy-origin
    check "the store is zeroed" zeroes busy
    mount /dev/mapper/busy-origin /mnt/o
    check_eq "the old file is back" "$(cat /mnt/o/file)" before
    umount /mnt/o
}

# Siblings remain: the origin goes on copying out for them.
siblings() {
    mark
    make_backup one /dev/ram4 /dev/ram5 65536
    STORE_OFFSET=65536 make_backup two /dev/ram4 /dev/ram5 131072
    fill /dev/mapper/one-origin 12
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=one COWHERD_ACTION=merge >/dev/null
    check "its snapshot is gone" is_gone one
    check_eq "the origin is a snapshot-origin again" "$(target one-origin)" snapshot-origin
    check_eq "the sibling is valid" "$(target two) $(state two | grep -c /)" "snapshot 1"
    check_eq "and backup still" "$(count_events COWHERD_EVENT=lost)" 0
}

# A sibling that the merge may fill prevents it, and is named.
endangered() {
    mark
    make_backup large /dev/ram6 /dev/ram7 65536
    STORE_OFFSET=65536 make_backup small-one /dev/ram6 /dev/ram7 40000
    fill /dev/mapper/large-origin 12
    e=$(event 10 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=large COWHERD_ACTION=merge)
    check "the sibling is named" grep -q 'small-one' <<<"$(field "$e" COWHERD_RESULT)"
    check_eq "nothing was begun" "$(target large) $(target large-origin)" "snapshot snapshot-origin"
    check "nothing is suspended, no table waits" nothing_suspended
}

config <<'EOF'
[snapshot *]
at 99% = alert
on stalled = alert critical
[snapshot shut]
at 30% = merge
[snapshot busy]
at 30% = merge
on stalled = alert critical
[snapshot one]
at 30% = merge
[snapshot large]
at 30% = merge
EOF
start_cowherd
closed
mounted
siblings
endangered
