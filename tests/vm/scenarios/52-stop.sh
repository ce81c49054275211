#!/bin/bash
# The daemon is told to stop in the middle of an action: its child finishes the stretch, nothing is left suspended, and the next
# daemon goes on. A store that has changed hands meanwhile, under the same number, is not zeroed.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

# slow_reads NAME MSEC: of its store, from now on.
slow_reads() {
    local disk
    disk=$(dmsetup table "$1-store" | cut -d' ' -f4)
    dmsetup load "$1-store" --table "0 $(sectors "/dev/mapper/$1-store") delay $disk 0 $2 $disk 0 0"
    dmsetup resume "$1-store"
}

# A table waits in it.
is_prepared() { dmsetup info -c --noheadings -o attr "$1" | grep -q '^LI'; }

# reader NAME: reads copied chunks until it gets an error; each read takes as long as the store is slow.
reader() { while dd if="/dev/mapper/$1" of=/dev/null bs=4096 count=1 iflag=direct status=none; do :; done; }

has_magic() { [[ $(head -c 4 "$1") == SnAp ]]; }

# The rollback of an open snapshot whose reads are slow hangs in its suspension, with the merge table loaded already.
stopped() {
    local old
    fill /dev/ram0 4
    old=$(sha /dev/ram0 4)
    mark
    ORIGIN_SECTORS=8192 make_backup halted /dev/ram0 /dev/ram1 400
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=halted >/dev/null
    write_chunks "$ORIGIN" 8 0 10
    slow_reads halted 2500
    exec 7</dev/mapper/halted
    for _ in 1 2 3; do # so that one's read is in flight while another's next one is on its way
        reader halted &
        sleep 0.8
    done
    write_chunks "$ORIGIN" 8 10 20
    wait_until 20 is_prepared halted-origin
    mark
    check "it is stopped" systemctl stop cowherd.service
    check_eq "by itself" "$(systemctl show -P Result cowherd.service)" success
    check "nothing is suspended, no table waits" nothing_suspended
    check_eq "the stretch was finished" "$(target halted-origin) $(target halted)" "snapshot-merge error"
    check "the intent is kept" test -n "$(ls /var/lib/cowherd)"
    exec 7<&-
    slow_reads halted 0
    start_cowherd
    event 60 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=halted COWHERD_ACTION=merge >/dev/null
    check_eq "rolled back" "$(sha /dev/mapper/halted-origin 4)" "$old"
    check "its store is zeroed" zeroes halted
    wait
}

# changed_hands NAME SAME: a merge that was begun is ended by somebody else while no daemon runs, and a device with the store's
# number, and even its content, is there again: SAME one, or another.
changed_hands() {
    local minor
    mark
    dmsetup create "$1-disk" --table "0 8192 delay /dev/ram2 0 0 /dev/ram2 0 100"
    ORIGIN_SECTORS=8192 make_live "$1" "/dev/mapper/$1-disk" /dev/ram3 400
    for ((i = 25; i > 0; i--)); do write_chunks "/dev/mapper/$1" 8 $((i * 3)) 1; done
    event 20 COWHERD_EVENT=action-start COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge >/dev/null
    wait_until 10 is_merging "$1"
    stop_cowherd
    check_eq "the merge is not at its end" "$(target "$1")" snapshot-merge
    wait_until 30 merged "$1"
    dmsetup load "$1" --table "0 8192 linear /dev/mapper/$1-disk 0"
    dmsetup resume "$1"
    if [[ $2 == another ]]; then
        minor=$(dmsetup info -c --noheadings -o minor "$1-store")
        dmsetup remove "$1-store"
        dmsetup create "$1-store" --major "$(dm_major)" --minor "$minor" --table "0 400 linear /dev/ram3 0"
    fi
    check "what is in the store could be taken for the merged one" has_magic "/dev/mapper/$1-store"
    check "the intent is kept" test -n "$(ls /var/lib/cowherd)"
    mark
    start_cowherd
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge >/dev/null
}

is_merging() { [[ $(target "$1") == snapshot-merge ]]; }
dm_major() { awk '$2 == "device-mapper" { print $1; exit }' /proc/devices; }

modprobe dm-delay
config <<'END'
[snapshot halted]
at 50% = merge
drop-open = yes
[snapshot store-*]
at 50% = merge
END
start_cowherd
stopped
changed_hands store-kept same
check "the same store is zeroed" zeroes store-kept
dmsetup remove store-kept store-kept-store store-kept-disk
changed_hands store-other another
check "another one is not" has_magic /dev/mapper/store-other-store
check "nothing is suspended" nothing_suspended
check "no cookie is left" wait_until 10 no_cookies
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
