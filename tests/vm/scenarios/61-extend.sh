#!/bin/bash
# extend of raw snapshots: dm linear stores get free extents, loop stores a longer backing file; in time, with the data whole,
# within the limit, again by itself when there was no space, and never from what is somebody else's.
# timeout: 720
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=2048 # sectors

exists() { dmsetup info "$1" >/dev/null 2>&1; }
is_gone() { ! exists "$1"; }
extended() { event "${2:-20}" COWHERD_EVENT=action-done COWHERD_ACTION=extend COWHERD_SNAPSHOT="$1" >/dev/null; }
is_stalled() { event 20 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$1" "COWHERD_RUNG=on stalled = alert critical" >/dev/null; }
has_size() { [[ $(sectors "/dev/mapper/$1-store") -eq $2 ]]; }
has_failed_with() {
    entries COWHERD_EVENT=action-failed COWHERD_ACTION=extend COWHERD_SNAPSHOT="$1" | jq -r .COWHERD_RESULT | grep -q "$2"
}
fails_with() { check "$1: $2" wait_until 20 has_failed_with "$1" "$2"; }

forget() {
    local device
    for device in "$1" "$1-origin" "$1-store"; do
        is_gone "$device" || dmsetup remove "$device"
    done
}

# garbage DISK MIB: what a new extent may hold.
garbage() { fill "$1" "$2"; }

# ---- at full speed, twice, into extents full of garbage over many metadata areas

backup() {
    local old new
    garbage /dev/ram1 128
    old=$(sha /dev/ram0 100)
    mark
    ORIGIN_SECTORS=$((100 * MIB)) make_backup back /dev/ram0 /dev/ram1 $((32 * MIB))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=back >/dev/null
    fill "$ORIGIN" 96 2
    check "extended while it was written" extended back
    check "until it can never fill" wait_until 20 has_size back 205616
    fails_with back 'can never fill'
    echo "store: $(dmsetup table back-store); $(state back); $(entries COWHERD_SNAPSHOT=back COWHERD_ACTION=extend | jq -rs 'map("\(.COWHERD_EVENT) \(.COWHERD_PERCENT // "-") %: \(.MESSAGE)") | join("; ")')"
    check_eq "the snapshot has what was there before" "$(sha /dev/mapper/back 100)" "$old"
    new=$(sha "$ORIGIN" 96 2)
    check_eq "the origin has what was written" "$new" "$(for _ in {1..6}; do cat "$PATTERN"; done | sha256sum | cut -d' ' -f1)"
    dmsetup remove back
    dmsetup create back --table "0 $((100 * MIB)) snapshot /dev/ram0 /dev/mapper/back-store P 8"
    check_eq "the same when it is read from the store anew" "$(sha /dev/mapper/back 100)" "$old"
    check_eq "one extent, for the store goes on where it ended" "$(dmsetup table back-store | wc -l)" 1
    forget back
}

live() {
    local old
    old=$(sha /dev/ram2 32)
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live run /dev/ram2 /dev/ram3 $((4 * MIB))
    garbage /dev/ram4 32
    dmsetup create hog1 --table "0 $MIB linear /dev/ram4 $((2 * MIB))"
    dmsetup create hog2 --table "0 $MIB linear /dev/ram4 $((6 * MIB))"
    write_random run 0 800
    extended run
    check_eq "the piece between two users, and no more" "$(dmsetup table run-store | sed 1d)" "$((4 * MIB)) $MIB linear 1:4 $MIB
$((5 * MIB)) $((3 * MIB)) linear 1:4 $((3 * MIB))"
    write_random run 800 700
    check "and again" wait_until 20 has_size run $((12 * MIB))
    write_random run 1500 300
    check_eq "the snapshot has what was written" "$(sha_chunks run 1800)" "$(head -c $((1800 * 4096)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
    dmsetup remove run
    dmsetup create run --table "0 $((32 * MIB)) snapshot /dev/ram2 /dev/mapper/run-store P 8"
    check_eq "the same when it is read from the store anew" "$(sha_chunks run 1800)" "$(head -c $((1800 * 4096)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
    check_eq "the origin has what was there before" "$(sha /dev/ram2 32)" "$old"
    forget run
    dmsetup remove hog1
    dmsetup remove hog2
}

# write_random NAME FIRST COUNT: chunks of the pattern to their own place.
write_random() { dd if="$PATTERN" of="/dev/mapper/$1" bs=4096 skip="$2" seek="$2" count="$3" oflag=direct conv=notrunc status=none; }
sha_chunks() { dd if="/dev/mapper/$1" bs=4096 count="$2" iflag=direct status=none | sha256sum | cut -d' ' -f1; }

# ---- when it is not enough, not allowed, or there is no space

# 64 KiB are not enough: the rung fires until they are.
again_and_again() {
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live little /dev/ram2 /dev/ram3 $((2 * MIB))
    write_chunks /dev/mapper/little 8 0 280
    wait_until 30 below_half little || fail "it stays at $(state little)"
    check "several extensions" test "$(count_events COWHERD_EVENT=action-done COWHERD_SNAPSHOT=little)" -ge 3
    check_eq "none failed" "$(count_events COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=little)" 0
    forget little
}
below_half() { [[ $(percent "$1") -lt 50 ]]; }

limit() {
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live bound /dev/ram2 /dev/ram3 $((2 * MIB))
    write_chunks /dev/mapper/bound 8 0 300
    check "as far as its limit" extended bound
    check_eq "and not further" "$(sectors /dev/mapper/bound-store)" $((3 * MIB))
    mark
    write_chunks /dev/mapper/bound 8 300 150
    fails_with bound 'extend-limit of 3 MiB'
    is_stalled bound
    mark
    policy 4MiB
    systemctl reload cowherd.service
    check "a reload with a higher one lets it go on" extended bound
    check_eq "up to that" "$(sectors /dev/mapper/bound-store)" $((4 * MIB))
    check_eq "and that is the end of it" "$(entries COWHERD_SNAPSHOT=bound | tail -n1 | jq -r .COWHERD_EVENT)" action-done
    forget bound
}

no_space() {
    mark
    dmsetup create hog --table "0 $((126 * MIB)) linear /dev/ram4 $MIB"
    ORIGIN_SECTORS=$((32 * MIB)) make_live short /dev/ram2 /dev/ram3 $((2 * MIB))
    write_chunks /dev/mapper/short 8 0 300
    fails_with short 'no space: 2 MiB are wanted, and 1 MiB are free on /dev/ram4'
    is_stalled short
    check_eq "nothing is left half done" "$(nothing_suspended)" ""
    dmsetup remove hog
    check "space returns: it succeeds without a nudge" extended short 25
    check_eq "its size" "$(sectors /dev/mapper/short-store)" $((4 * MIB))
    forget short
}

overtaken() {
    mark
    dmsetup create hog --table "0 $((127 * MIB)) linear /dev/ram4 $MIB"
    ORIGIN_SECTORS=$((32 * MIB)) make_live doomed /dev/ram2 /dev/ram3 $((2 * MIB))
    write_chunks /dev/mapper/doomed 8 0 300
    is_stalled doomed
    write_chunks /dev/mapper/doomed 8 300 160
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=doomed COWHERD_ACTION=drop >/dev/null
    check "the drop has overtaken it" is_gone doomed
    dmsetup remove hog
    no_event 2 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=doomed COWHERD_ACTION=extend
    forget doomed
}

# To the last chunk, and valid: that is not lost.
exactly_full() {
    stop_cowherd
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live full /dev/ram2 /dev/ram3 "$(store_sectors 300 8)"
    write_chunks /dev/mapper/full 8 0 300
    check_eq "full to the last chunk" "$(used full)" "$(total full)"
    start_cowherd
    check "it is extended" extended full
    write_chunks /dev/mapper/full 8 300 50
    check "and goes on" test "$(percent full)" -lt 100
    forget full
}

# Two stores that take from the same device at the same time.
side_by_side() {
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live left /dev/ram2 /dev/ram3 $((2 * MIB))
    STORE_OFFSET=$((2 * MIB)) ORIGIN_SECTORS=$((32 * MIB)) make_live right /dev/ram2 /dev/ram3 $((2 * MIB))
    write_random left 0 400 &
    write_random right 0 400
    wait
    extended left
    extended right
    check_eq "both have got extents" "$(extents left right | wc -l)" 2
    check_eq "no extent is in both" "$(extents left right | sort -n | awk '$1 < end { print } { end = $2 }')" ""
    for name in left right; do
        check_eq "$name has what was written" "$(sha_chunks "$name" 400)" "$(head -c $((400 * 4096)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
        forget "$name"
    done
}
extents() { for name in "$@"; do dmsetup table "$name-store" | awk '$4 == "1:4" { print $5, $5 + $2 }'; done; }

# ---- loop devices

loop() {
    local device number data=/srv/cow
    mkdir -p "$data"
    mkfs.ext4 -q -m 0 -b 4096 /dev/ram5 16384 # 16 MiB
    mount /dev/ram5 "$data"
    fallocate -l 4MiB "$data/store"
    device=$(losetup --find --show "$data/store")
    number=$(lsblk -dnro MAJ:MIN "$device")
    mark
    dmsetup create ring --table "0 $((32 * MIB)) snapshot /dev/ram2 $number P 8"
    write_random ring 0 600
    extended ring
    check_eq "the loop device is longer" "$(blockdev --getsize64 "$device")" $((6 << 20))
    check_eq "its file too, and nothing of it is a hole" "$(stat -c %s "$data/store") $(($(stat -c %b "$data/store") * 512 >= 6 << 20))" "$((6 << 20)) 1"
    fallocate -l "$(($(stat -fc '%a * %S' "$data") - (1 << 20)))" "$data/hog"
    mark
    write_random ring 600 300
    fails_with ring 'no space: the filesystem of /srv/cow/store has not the 3 MiB more'
    is_stalled ring
    check_eq "the file is as it was" "$(stat -c %s "$data/store")" $((6 << 20))
    check "what could be allocated is given back" test "$(($(stat -fc '%a * %S' "$data")))" -ge $((1 << 19))
    rm "$data/hog"
    check "space returns: it succeeds without a nudge" extended ring 25
    check_eq "it is longer" "$(blockdev --getsize64 "$device")" $((9 << 20))
    check_eq "the data is right" "$(sha_chunks ring 900)" "$(head -c $((900 * 4096)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
    dmsetup remove ring
    dmsetup create ring --table "0 $((32 * MIB)) snapshot /dev/ram2 $number P 8"
    check_eq "the same when it is read from the store anew" "$(sha_chunks ring 900)" "$(head -c $((900 * 4096)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
    dmsetup remove ring
    losetup -d "$device"
    umount "$data"
}

# Without allocation in the filesystem zeroes are written; and a loop device that cannot grow says why.
loop_zeroes() {
    local device number data=/srv/old
    mkdir -p "$data"
    mkfs.ext4 -q -m 0 -O ^extents,^64bit,^metadata_csum /dev/ram5 16384
    mount /dev/ram5 "$data"
    check_not "a filesystem that cannot allocate" fallocate -l 1MiB "$data/store"
    dd if=/dev/zero of="$data/store" bs=1M count=2 status=none
    device=$(losetup --find --show --offset 4096 "$data/store")
    number=$(lsblk -dnro MAJ:MIN "$device")
    mark
    dmsetup create ring --table "0 $((32 * MIB)) snapshot /dev/ram2 $number P 8"
    write_random ring 0 300
    extended ring
    check_eq "what is before its offset stays that" "$(stat -c %s "$data/store")" $((4096 + 3141632))
    check_eq "nothing of it is a hole" "$(($(stat -c %b "$data/store") * 512 >= 4096 + 3141632))" 1
    rm "$data/store"
    mark
    write_random ring 300 150
    fails_with ring 'deleted, replaced\|No such file'
    dmsetup remove ring
    losetup -d "$device"
    fallocate -l 4MiB /root/store
    device=$(losetup --find --show --sizelimit 2MiB /root/store)
    mark
    dmsetup create capped --table "0 $((32 * MIB)) snapshot /dev/ram2 $(lsblk -dnro MAJ:MIN "$device") P 8"
    write_random capped 0 300
    fails_with capped 'size limit'
    dmsetup remove capped
    losetup -d "$device"
    long_file
    rm /root/store
    umount "$data"
}

# The loop device takes on all of its file: where that is longer than it, up to the end, and not beyond the limit.
long_file() {
    local device
    rm /root/store
    fallocate -l 2MiB /root/store
    device=$(losetup --find --show /root/store)
    mark
    dmsetup create long --table "0 $((32 * MIB)) snapshot /dev/ram2 $(lsblk -dnro MAJ:MIN "$device") P 8"
    truncate -s 8MiB /root/store
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=long >/dev/null
    write_random long 0 300
    fails_with long 'longer already (8 MiB) than its extend-limit of 6 MiB'
    check_eq "it has not grown" "$(blockdev --getsize64 "$device")" $((2 << 20))
    truncate -s 5MiB /root/store
    extended long 30
    check_eq "it is as long as its file" "$(blockdev --getsize64 "$device")" $((5 << 20))
    check "nothing of it is a hole" test "$(($(stat -c %b /root/store) * 512))" -ge $((5 << 20))
    dmsetup remove long
    losetup -d "$device"
}

# ---- what is not to be had

# refused NAME WHY: the section of that name names what must not be taken.
refused() {
    mark
    ORIGIN_SECTORS=$((8 * MIB)) make_live "$1" /dev/ram2 /dev/ram3 "$MIB"
    [[ ${on_top:-no} == no ]] || dmsetup create upper --table "0 $MIB linear /dev/mapper/$1 $((7 * MIB))"
    write_chunks "/dev/mapper/$1" 8 0 160
    fails_with "$1" "$2"
    check_eq "nothing was changed" "$(dmsetup table "$1-store")" "0 $MIB linear 1:3 0"
    [[ ${on_top:-no} == no ]] || dmsetup remove upper
    forget "$1"
}

refusals() {
    refused none 'has no extend-from'
    refused origin "extend-from = /dev/ram2 is the snapshot's origin"
    refused store 'is the store itself'
    on_top=yes refused below 'extend-from = /dev/mapper/upper lies on the snapshot itself'
    refused absent '/dev/absent: No such file'
    refused file 'is not a block device'
    mkfs.ext4 -q /dev/ram6 4096
    refused ext4 '/dev/ram6 carries data (ext4)'
    wipefs -qa /dev/ram6
    dmsetup create crypt --table "0 $MIB zero"
    dmsetup reload crypt --table "0 $MIB flakey /dev/ram6 0 1 0"
    dmsetup resume crypt
    refused ext4 '/dev/ram6 is used by crypt'
    dmsetup remove crypt
    mkfs.ext4 -q /dev/ram6 4096
    mkdir -p /run/mounted
    mount /dev/ram6 /run/mounted
    wipefs -qaf /dev/ram6
    refused ext4 '/dev/ram6 is in use'
    umount /run/mounted
    mark
    dd if=/dev/zero of=/dev/ram7 bs=4096 count=1 oflag=direct status=none
    dmsetup create disk --table "0 $((128 * MIB)) snapshot /dev/ram2 /dev/ram7 P 8"
    write_chunks /dev/mapper/disk 8 0 2000
    fails_with disk 'neither a dm linear device nor a loop device'
    dmsetup remove disk
}

# A spare device that does not answer: it is given up in time, and what is more pressing does not wait for it.
hanging() {
    dmsetup create silent --table "0 $((64 * MIB)) linear /dev/ram4 0"
    mark
    ORIGIN_SECTORS=$((32 * MIB)) make_live silenced /dev/ram2 /dev/ram3 $((2 * MIB))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=silenced >/dev/null
    dmsetup suspend --nolockfs silent
    write_chunks /dev/mapper/silenced 8 0 300
    check "it is looked for" wait_until 20 pgrep -x wipefs
    fails_with silenced 'timed out'
    check "it is tried again" wait_until 20 pgrep -x wipefs
    mark
    write_chunks /dev/mapper/silenced 8 300 150
    check "dropped" event 8 COWHERD_EVENT=action-done COWHERD_ACTION=drop COWHERD_SNAPSHOT=silenced
    check "one hangs in the kernel, and no other has joined it" test "$(pgrep -cx wipefs)" -le 1
    dmsetup resume silent
    check "nobody asks it any more" wait_until 10 eval '! pgrep -x wipefs'
    dmsetup remove silent
    forget silenced
}

# policy BOUND: extend-limit of the snapshot "bound".
policy() {
    config <<END
[snapshot back]
at 40% = extend 100%
extend-from = /dev/ram1
[snapshot run]
at 70% = extend 4MiB
extend-from = /dev/ram4
[snapshot little]
at 50% = extend 64KiB
extend-from = /dev/ram3
[snapshot bound]
at 50% = extend 100%
extend-from = /dev/ram3
extend-limit = $1
on stalled = alert critical
[snapshot short]
at 50% = extend 2MiB
extend-from = /dev/ram4
on stalled = alert critical
[snapshot doomed]
at 50% = extend 2MiB
at 80% = drop
extend-from = /dev/ram4
on stalled = alert critical
[snapshot full]
at 100% = extend 50%
extend-from = /dev/ram3
[snapshot left]
at 50% = extend 2MiB
extend-from = /dev/ram4
[snapshot right]
at 50% = extend 2MiB
extend-from = /dev/ram4
[snapshot silenced]
at 50% = extend 2MiB
extend-from = /dev/mapper/silent
at 80% = drop
[snapshot capped]
at 55% = extend 50%
[snapshot long]
at 55% = extend 50%
extend-limit = 6MiB
[snapshot ring]
at 55% = extend 50%
on stalled = alert critical
$(for name in none origin:/dev/ram2 store:/dev/mapper/store-store below:/dev/mapper/upper absent:/dev/absent file:/etc/passwd ext4:/dev/ram6 disk:/dev/ram6; do
        echo "[snapshot ${name%%:*}]"
        echo "at $([[ $name == disk* ]] && echo 5 || echo 50)% = extend 1MiB"
        [[ $name != *:* ]] || echo "extend-from = ${name#*:}"
    done)
END
}

policy 3MiB
start_cowherd
mark
START=$MARK
fill /dev/ram0 2
backup
live
again_and_again
limit
no_space
overtaken
exactly_full
for _ in 1 2 3; do side_by_side; done # without the lock two in three rounds go well
hanging
loop
loop_zeroes
refusals
MARK=$START
check_eq "nothing was lost" "$(count_events COWHERD_EVENT=lost)" 0
check "nothing is suspended" nothing_suspended
check "no cookie is left" no_cookies
no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }
check "no intent is left, when the last pause after a failure is over" wait_until 30 no_intent
