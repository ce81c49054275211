#!/bin/bash
# The machine is reset in the middle of rollbacks, of a live merge and of a drop: after the reboot, with other device numbers,
# what was begun is found again and ended, however the boot script has made the tables, and never beneath an open device.
# timeout: 300
# resets: 1
# shellcheck source=lib.sh
. /tests/lib.sh

SIZE=49152           # sectors of an origin
STORE=40960          # and of a store
SLOT=131072          # of the disk for each snapshot: first the origin, in its second half the store
STATE=/var/lib/cowherd
SLOW_MSEC=1500       # each write to an origin: a merge of 10 MiB then takes half a minute
HALF=16000           # sectors of a store that is half merged: less than the rung's 45 % with its hysteresis
declare -A SLOTS=([pair]=1 [auto]=2 [busy]=3 [live]=4 [late]=5 [cut]=6 [told]=7)

# piece OFFSET SECTORS [WRITE_MSEC]: the table of a piece of the disk; of one that is slow to write where that is given.
piece() {
    if [[ $# -gt 2 ]]; then
        echo "0 $2 delay $PERSISTENT $1 0 $PERSISTENT $1 $3"
    else
        echo "0 $2 linear $PERSISTENT $1"
    fi
}
origin_at() { echo $((SLOTS[$1] * SLOT)); }
store_at() { echo $((SLOTS[$1] * SLOT + SLOT / 2)); }
make_disks() {
    dmsetup create "$1-disk" --table "$(piece "$(origin_at "$1")" $SIZE)"
    dmsetup create "$1-store" --table "$(piece "$(store_at "$1")" $STORE)"
}
uuid_of() { [[ $1 != auto ]] || echo "--uuid TEST-$2"; }
make_snapshot() {
    # shellcheck disable=SC2046 # none, or two words
    dmsetup create "$1" $(uuid_of "$1" "$1") --table "0 $SIZE snapshot /dev/mapper/$1-disk /dev/mapper/$1-store P 8"
}
make_origin() {
    # shellcheck disable=SC2046
    dmsetup create "$1-origin" $(uuid_of "$1" "$1-origin") --table "0 $SIZE $2"
}
make_pair() {
    make_disks "$1"
    make_snapshot "$1"
    make_origin "$1" "snapshot-origin /dev/mapper/$1-disk"
}

# slow DEVICE OFFSET SECTORS WRITE_MSEC
slow() {
    dmsetup load "$1" --table "$(piece "${@:2}")"
    dmsetup resume "$1"
}
has_intent() { grep -lqsx "name=$1" $STATE/*.intent; }
no_intent() { ! has_intent "$1"; }
is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }
is_linear() { [[ $(target "$1") == linear ]]; }
zeroed() { [[ $(od -An -v -t x1 -N 4096 "/dev/mapper/$1-store" | tr -d ' \n0') == "" ]]; }
remember() { echo "$2" >"$STATE/$1.remembered"; }
recall() { cat "$STATE/$1.remembered"; }
mount_state() {
    dmsetup create state --table "$(piece 0 65536)"
    [[ $PHASE -gt 0 ]] || mkfs.ext4 -q /dev/mapper/state
    mkdir -p $STATE
    mount /dev/mapper/state $STATE
}
policy() {
    config <<'END'
[snapshot *]
at 45% = merge
on stalled = alert critical
[snapshot cut]
at 45% = drop
END
}

# ---- before the reset

# old_data NAME, new_data NAME DEVICE: a file of its time, in a file system where it has one; the new one costs 10 MiB.
has_file_system() { [[ $1 == pair || $1 == busy || $1 == live ]]; }
old_data() {
    has_file_system "$1" || return 0
    mkfs.ext4 -q -b 4096 "/dev/mapper/$1-disk" 5120
    mount "/dev/mapper/$1-disk" /mnt/a
    echo old >/mnt/a/file
    umount /mnt/a
}
new_data() {
    if ! has_file_system "$1"; then
        fill "$2" 10
        return
    fi
    mount "$2" /mnt/a
    echo new >/mnt/a/file
    dd if="$PATTERN" of=/mnt/a/more bs=1M count=10 oflag=direct status=none
    umount /mnt/a
}
# The kernel merges what lies in one piece, as it does without a file system, in larger steps.
delay_of() { has_file_system "$1" && echo $SLOW_MSEC || echo $((2 * SLOW_MSEC)); }
begin_rollback() {
    make_disks "$1"
    old_data "$1"
    remember "$1" "$(sha "/dev/mapper/$1-disk")"
    make_snapshot "$1"
    make_origin "$1" "snapshot-origin /dev/mapper/$1-disk"
    new_data "$1" "/dev/mapper/$1-origin"
    remember "$1-new" "$(sha "/dev/mapper/$1-origin")"
    slow "$1-disk" "$(origin_at "$1")" $SIZE "$(delay_of "$1")"
}
begin_live() {
    make_disks live
    old_data live
    make_snapshot live
    new_data live /dev/mapper/live
    remember live "$(head -c 10M "$PATTERN" | sha256sum)"
    slow live-disk "$(origin_at live)" $SIZE "$(delay_of live)"
}
# It is decided and not begun, for its origin is open.
begin_told() {
    make_pair told
    remember told "$(sha /dev/mapper/told-disk)"
    fill /dev/mapper/told-origin 10
    exec 7</dev/mapper/told-origin
}
# Its store takes so long to be written that the drop stops between the removal and the zeroing.
begin_cut() {
    make_pair cut
    fill /dev/mapper/cut-origin 10
    remember cut "$(sha /dev/mapper/cut-origin)"
    slow cut-store "$(store_at cut)" $STORE 200000
}

# All five have merged so much that their usage is far below their rung's, and none is through.
merges() { dmsetup status --target snapshot-merge; }
all_half_merged() {
    [[ $(merges | awk -F'[ /]+' -v most=$HALF '$5 > $7 && $5 < most' | wc -l) -eq 5 ]]
}

before() {
    local name
    mkdir -p /mnt/a
    fill /dev/ram0 1 # that makes the pattern
    for name in pair auto busy late; do begin_rollback $name; done
    begin_live
    begin_told
    begin_cut
    remember minor "$(dmsetup info -c --noheadings -o minor pair-disk)"
    mark
    systemctl start --no-block cowherd.service # it is ready late, for the drop is slow
    wait_until 90 all_half_merged || fail "they are not half merged: $(merges; said)"
    echo "half merged: $(merges | paste -sd';')"
    for name in pair auto busy live late told; do has_intent $name || fail "no intent of $name"; done
    check "told: not begun" grep -qsx 'handing-over=0' "$(grep -lsx name=told $STATE/*.intent)"
    check "cut: removed" is_gone cut
    check "and not yet forgotten" has_intent cut
    check "still half merged" all_half_merged
    sync -f $STATE
    reset
}

# ---- after it

# The store of a half-done merge shows the old data, its origin does not any more, and not yet.
check_half() {
    check_eq "$1: its snapshot shows the old data" "$(sha "/dev/mapper/$1")" "$(recall "$1")"
    check_not "$1: its origin is half rolled back" grep -qx "$(sha "/dev/mapper/$1-origin")" <<<"$(recall "$1") $(recall "$1-new")"
}
check_rolled_back() {
    wait_until "${2:-30}" no_intent "$1" || fail "$1: the intent stays; $(dmsetup table; said)"
    check_eq "$1: the old data is back" "$(sha "/dev/mapper/$1-origin")" "$(recall "$1")"
    check "$1: linear" is_linear "$1-origin"
    check "$1: the store is zeroed" zeroed "$1"
    check "$1: its snapshot is gone" is_gone "$1"
}
check_whole() { check "$1: the file system is clean" e2fsck -fn "/dev/mapper/$1-origin"; }

boot_script() {
    local name
    for name in dummy-1 dummy-2 dummy-3; do dmsetup create $name --table "0 8 zero"; done
    for name in pair busy told cut; do make_pair $name; done
    make_disks auto
    make_origin auto "snapshot-merge /dev/mapper/auto-disk /dev/mapper/auto-store P 8"
    make_disks live
    make_snapshot live
    make_disks late
}

# As cowherd-snapshots(7) has it: check and mount come after the daemon is ready.
order_mount() {
    mkdir -p /mnt/pair "/run/systemd/system/systemd-fsck@dev-mapper-pair\\x2dorigin.service.d"
    echo "/dev/mapper/pair-origin /mnt/pair ext4 ro,noauto,x-systemd.after=cowherd.service 0 2" >/etc/fstab
    printf '[Unit]\nAfter=cowherd.service\n' >"/run/systemd/system/systemd-fsck@dev-mapper-pair\\x2dorigin.service.d/cowherd.conf"
    mkdir -p /run/other-units
    # The machine's own is masked, for it has no fstab.
    /usr/lib/systemd/system-generators/systemd-fstab-generator /run/systemd/system /run/other-units /run/other-units
    systemctl daemon-reload
    local unit
    for unit in mnt-pair.mount "systemd-fsck@dev-mapper-pair\\x2dorigin.service"; do
        check "$unit comes after the daemon" grep -qw cowherd.service <<<"$(systemctl show -P After "$unit")"
    done
}
forget_order() {
    rm -rf /etc/fstab /run/systemd/system/systemd-fsck@* /run/systemd/system/mnt-pair.mount /run/other-units
    systemctl daemon-reload
}

after() {
    check_not "the device numbers are others" test "$(dmsetup info -c --noheadings -o minor pair-disk)" -eq "$(recall minor)"
    check_half pair
    check_half busy
    exec 7</dev/mapper/busy-origin
    mount /dev/mapper/live /mnt/a
    order_mount
    mark
    check "started with the mount" systemctl start cowherd.service mnt-pair.mount
    check_eq "there is no cycle in that order" "$(journalctl -q --cursor="$MARK" -o cat -g 'ordering cycle' | head -n1 || true)" ""
    check "once it is ready a mount finds the rollback: pair" grep -qE '^(snapshot-merge|linear)$' <<<"$(target pair-origin)"
    check "and the one that was only decided: told" grep -qE '^(snapshot-merge|linear)$' <<<"$(target told-origin)"
    check_eq "which shows the old data while the kernel merges" "$(cat /mnt/pair/file)" old
    check_eq "nothing of it had to wait" "$(count_events COWHERD_EVENT=deferred COWHERD_SNAPSHOT=pair)" 0
    check_rolled_back pair
    umount /mnt/pair
    forget_order
    check_whole pair
    check_rolled_back auto
    check_rolled_back told

    e=$(event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=busy)
    check_eq "busy: a half rolled-back origin in use is critical" "$(field "$e" PRIORITY)" 2
    check "busy: and said so: $(field "$e" MESSAGE)" grep -q 'half rolled back' <<<"$(field "$e" MESSAGE)"
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=busy "COWHERD_RUNG=on stalled = alert critical" >/dev/null
    check_eq "busy: untouched" "$(target busy) $(target busy-origin)" "snapshot snapshot-origin"
    exec 7<&-
    check_rolled_back busy
    check_whole busy

    wait_until 30 no_intent live || fail "live: the intent stays; $(dmsetup table; said)"
    check "live: merged beneath its mounted file system" is_linear live
    check_eq "live: the new data is kept" "$(cat /mnt/a/file)" new
    check_eq "live: all of it" "$(sha256sum </mnt/a/more)" "$(recall live)"
    umount /mnt/a
    check "live: the file system is clean" e2fsck -fn /dev/mapper/live-disk
    check "live: the store is zeroed" zeroed live

    event 10 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=cut COWHERD_ACTION=drop >/dev/null
    check "cut: dropped anew" wait_until 20 is_gone cut
    check "cut: and forgotten" wait_until 20 no_intent cut
    check "cut: the store is zeroed" zeroed cut
    check_eq "cut: the new data is kept" "$(sha /dev/mapper/cut-origin)" "$(recall cut)"

    e=$(event 40 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=late)
    check_eq "late: that it is not there is told" "$(field "$e" COWHERD_RESULT)" "it is not there"
    check_eq "late: as critical" "$(field "$e" PRIORITY)" 2
    check "late: its intent is kept" has_intent late
    make_snapshot late
    make_origin late "snapshot-origin /dev/mapper/late-disk"
    check_rolled_back late
    check_eq "late: told once" "$(count_events COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=late)" 1
    check_eq "no loss was told" "$(count_events COWHERD_EVENT=lost)" 0
    check "nothing is suspended" nothing_suspended
    check "no cookie is left" wait_until 10 no_cookies
}

policy
mount_state
if [[ $PHASE -eq 0 ]]; then
    before
else
    mkdir -p /mnt/a
    boot_script
    after
fi
