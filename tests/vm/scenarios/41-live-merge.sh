#!/bin/bash
# Live role, merge: on a mounted, busily writing filesystem; every write succeeds and everything is there afterwards.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

# Writes files and their checksums until told to stop; any failure ends it with a mark.
writer() {
    local i=0
    while [[ ! -e /run/stop-writing ]]; do
        i=$((i + 1))
        if ! { dd if="$PATTERN" of="$1/file-$((i % 40))" bs=64k count=4 skip=$((i % 200)) conv=fsync status=none &&
            (cd "$1" && sha256sum "file-$((i % 40))" >"sum-$((i % 40))"); }; then
            touch /run/write-failed
            return
        fi
    done
    echo "$i" >/run/written
}

mounted() {
    mkfs.ext4 -q /dev/ram0
    mark
    make_live root /dev/ram0 /dev/ram1 65536 8 "$1"
    mkdir -p /mnt/l
    mount /dev/mapper/root /mnt/l
    rm -f /run/stop-writing /run/write-failed
    writer /mnt/l &
    event 40 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=root COWHERD_ACTION=merge COWHERD_ROLE=live >/dev/null
    check_eq "it is linear, under the mounted filesystem" "$(target root)" linear
    sleep 1
    touch /run/stop-writing
    wait
    check "every write succeeded" test ! -e /run/write-failed
    echo "the writer wrote $(cat /run/written) files"
    (cd /mnt/l && check "every file is what was written" sha256sum --quiet -c sum-*)
    umount /mnt/l
    check "the filesystem is clean" e2fsck -fn /dev/mapper/root
    check "also on the origin itself" e2fsck -fn /dev/ram0
    check "the store is zeroed" zeroes root
    check_eq "no loss was told" "$(count_events COWHERD_EVENT=lost)" 0
    check "nothing is suspended" nothing_suspended
    check "no cookie is left" no_cookies
    check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
    dmsetup remove root
    dmsetup remove root-store
}

# A merge that somebody else began is watched; it is finished only where the section has a merge rung.
foreign() {
    local origin
    mark
    ORIGIN_SECTORS=65536 make_live "$1" "$2" "$3" 32768
    event 2 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null
    fill "/dev/mapper/$1" 1
    origin=$(dmsetup table "$1" | cut -d' ' -f4-)
    dmsetup load "$1" --table "0 65536 snapshot-merge $origin"
    dmsetup resume "$1"
}

config <<'EOF'
[snapshot *]
at 99% = alert
[snapshot root]
at 40% = alert
at 60% = merge
[snapshot adopted]
at 95% = merge
EOF
start_cowherd
mounted P
mounted PO
foreign adopted /dev/ram2 /dev/ram3
event 10 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=adopted COWHERD_ACTION=merge >/dev/null
check_eq "a foreign merge is finished where the section says merge" "$(target adopted)" linear
check "its store is zeroed" zeroes adopted
foreign watched /dev/ram4 /dev/ram5
wait_until 10 merged watched
no_event 2 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=watched
check_eq "and left alone where it does not" "$(target watched)" snapshot-merge
