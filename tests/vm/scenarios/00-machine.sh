#!/bin/bash
# The machine itself, without cowherd: its kernel does what FACTS.md says, and the helpers see it.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

invalid() { [[ $(state "$1") == Invalid ]]; }
remove_backup() { dmsetup remove "$1" && dmsetup remove "$1-origin" && dmsetup remove "$1-store"; }

# A store of F(n) chunks holds n exceptions and not one more.
exact_store() {
    local name=$1 chunk=$2 n=$3 size
    size=$(store_sectors "$n" "$chunk")
    make_backup "$name" /dev/ram0 /dev/ram1 "$size" "$chunk"
    write_chunks "$ORIGIN" "$chunk" 0 "$n"
    check_eq "$name: a store of F($n) chunks of $chunk sectors holds $n exceptions" "$(used "$name")" "$size"
    check_eq "$name: it is full then" "$(percent "$name")" 100
    write_chunks "$ORIGIN" "$chunk" "$n" 1
    check "$name: one more invalidates it" wait_until 5 invalid "$name"
    remove_backup "$name"
}

# Where n is a multiple of the exceptions of an area, one chunk less is too small already for n.
one_chunk_less() {
    local name=$1 chunk=$2 n=$3
    make_backup "$name" /dev/ram0 /dev/ram1 $(($(store_sectors "$n" "$chunk") - chunk)) "$chunk"
    write_chunks "$ORIGIN" "$chunk" 0 $((n - 1))
    check_eq "$name: $((n - 1)) fit in F($n) - 1 chunks" "$(target "$name") $(used "$name")" \
        "snapshot $(store_sectors $((n - 1)) "$chunk")"
    write_chunks "$ORIGIN" "$chunk" $((n - 1)) 1
    check "$name: the ${n}th invalidates it" wait_until 5 invalid "$name"
    remove_backup "$name"
}

stores_are_exact() {
    local chunk area
    for chunk in 8 32; do
        area=$((chunk * 512 / 16))
        exact_store "below-$chunk" "$chunk" $((area - 1))
        exact_store "at-$chunk" "$chunk" "$area"
        exact_store "above-$chunk" "$chunk" $((area + 1))
        one_chunk_less "less-$chunk" "$chunk" "$area"
    done
}

stores_die() {
    make_backup backup-p /dev/ram0 /dev/ram1 1024 8 P
    check "a backup's origin does not suffer" fill "$ORIGIN" 1
    check_eq "a backup with P that overflows" "$(state backup-p)" Invalid

    ORIGIN_SECTORS=8192 make_live live-p /dev/ram2 /dev/ram3 1024 8 P
    check_not "a live snapshot's writer gets an error" fill /dev/mapper/live-p 1
    check_eq "a live snapshot with P that overflows" "$(state live-p)" Invalid

    ORIGIN_SECTORS=8192 make_live live-po /dev/ram4 /dev/ram5 1024 8 PO
    check_not "its writer gets an error" fill /dev/mapper/live-po 1
    check_eq "a live snapshot with PO that overflows" "$(state live-po)" Overflow
    check "it can still be read" sha /dev/mapper/live-po
}

# The way a system that runs on its snapshot keeps the new data: merged under its feet, then linear.
live_merge() {
    local before
    ORIGIN_SECTORS=16384 UUID=TEST-merge make_live merge /dev/ram6 /dev/ram7 16384
    fill /dev/mapper/merge 2 1
    before=$(sha /dev/mapper/merge)
    check_not "the origin has the old data" test "$(sha /dev/ram6 8)" == "$before"
    dmsetup load merge --table "0 16384 snapshot-merge /dev/ram6 /dev/mapper/merge-store P 8"
    check_not "a half-done table is seen" nothing_suspended
    dmsetup resume merge
    check_eq "the swap" "$(target merge)" snapshot-merge
    check "the merge comes to its end" wait_until 30 merged merge
    dmsetup load merge --table "0 16384 linear /dev/ram6 0"
    dmsetup resume merge
    check_eq "the device keeps its data" "$(sha /dev/mapper/merge)" "$before"
    check_eq "the origin has it" "$(sha /dev/ram6 8)" "$before"
    check_eq "the UUID" "$(dmsetup info -c --noheadings -o uuid merge)" TEST-merge
}

suspension_is_seen() {
    check "nothing is suspended" nothing_suspended
    check "no cookies" no_cookies
    dmsetup suspend merge
    check_not "a suspended device is seen" nothing_suspended
    dmsetup resume merge
}

journal_is_read() {
    local json
    mark
    logger --journald <<END
MESSAGE=a rung, as cowherd would say it
COWHERD_EVENT=rung
COWHERD_SNAPSHOT=t1
COWHERD_RUNG=at 70% = alert
END
    json=$(event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=t1 "COWHERD_RUNG=at 70% = alert")
    check_eq "an event's field" "$(field "$json" COWHERD_RUNG)" "at 70% = alert"
    check_eq "a field that is not there" "$(field "$json" COWHERD_UUID)" ""
    check_eq "events are counted" "$(count_events COWHERD_EVENT=rung)" 1
    check "another snapshot's are others" no_event 1 COWHERD_EVENT=rung COWHERD_SNAPSHOT=t2
    check_not "an event that does not come" event 1 COWHERD_EVENT=rung COWHERD_SNAPSHOT=t2
    mark
    check "events before the mark do not count" no_event 1 COWHERD_EVENT=rung
    (sleep 1; echo "COWHERD_EVENT=late" | logger --journald) &
    check "an event that comes later" event 10 COWHERD_EVENT=late
}

tracepoints_are_there() {
    check "the tracepoint that can replace polling" test -r /sys/kernel/tracing/events/block/block_bio_queue/id
}

stores_are_exact
stores_die
live_merge
suspension_is_seen
journal_is_read
tracepoints_are_there
