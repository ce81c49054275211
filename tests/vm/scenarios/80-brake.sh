#!/bin/bash
# The brake: an action that takes 3 s saves a 32 MiB store from writers at full speed that would fill what is left of it in
# less than one; without the brake it comes too late. The limits are put back in every way of leaving, and somebody else's
# stay. (The highest rate that survives without the brake: tests/bench/brake.sh.)
# timeout: 900
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=32
BEFORE=

# The limits of all control groups, as they are.
limits() { grep -H . /sys/fs/cgroup/*/io.max || true; }
held() { limits | grep -q "^[^ ]*:$1 .*wbps=[0-9]"; }
no_record() { [[ -z $(ls /run/cowherd/brakes 2>/dev/null) ]]; }
no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }
number() { lsblk -dnro MAJ:MIN "$1"; }
is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }

# slow CALL [MILLISECONDS]: each of these calls of the acting child takes so long; none: as fast as ever.
slow() { echo "-1 ${1:-none} ${2:-3000}" >/run/crash.conf; }

FREELY=12000 # for what is to be lost: also a machine that is busy with others fills half a store until then

# settings BRAKE ACTION
settings() {
    config <<END
[daemon]
brake = $1
[snapshot *]
at 50% = $2
on lost = alert critical
END
}

# ---- writers, each as fast as it can, on chunks that are not copied yet, until it is stopped or through

write_direct() { exec dd if=/dev/zero of="$1" bs=1M count=104 seek=16 oflag=direct conv=notrunc status=none; }
write_file() { exec dd if=/dev/zero of="$1/file" bs=1M count=90 conv=fsync status=none; }
# One block of 4 KiB in each chunk: sparse skips what is zero.
write_small() {
    local at
    if [[ ! -e /run/stride ]]; then
        { head -c 4096 /dev/zero | tr '\0' x; head -c $(($2 - 4096)) /dev/zero; } >/run/one
        for ((at = 0; at < 16 << 20; at += $2)); do cat /run/one; done >/run/stride
    fi
    for at in {1..6}; do
        dd if=/run/stride of="$1" bs=4096 seek=$((at * 4096)) oflag=direct conv=notrunc,sparse status=none
    done
}

# outcome NAME: "action-done" or "lost", whatever comes first.
outcome() { field "$(event 60 COWHERD_SNAPSHOT="$1" COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT; }

timeline() {
    entries COWHERD_SNAPSHOT="$1" | jq -rs '(.[0].__MONOTONIC_TIMESTAMP | tonumber) as $zero
        | map("\(((.__MONOTONIC_TIMESTAMP | tonumber) - $zero) / 1000 | floor) ms \(.COWHERD_EVENT) \(.COWHERD_PERCENT) % \(.COWHERD_RESULT // "")") | join(", ")'
}

end_writer() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local name
    for name in "$1" "$1-origin" "$1-store"; do
        is_gone "$name" || dmsetup remove "$name"
    done
}

# backup EXPECTED CHUNK_SECTORS WRITER [ARGUMENT]...: a drop that takes 3 s.
backup() {
    local writer end
    mark
    make_backup b /dev/ram0 /dev/ram1 $((MIB * 2048)) "$2"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    fill "$ORIGIN" 14
    "$3" "$ORIGIN" "${@:4}" &
    writer=$!
    end=$(outcome b)
    end_writer "$writer"
    echo "backup, chunks of $2, $3: $(timeline b)"
    check_eq "backup, chunks of $2, $3" "$end" "$1"
    settled
    clean_up b
}

# settled: nothing is held any more, and no action is under way.
settled() {
    wait_until 20 no_record || fail "a limit is left: $(limits)"
    wait_until 40 no_intent || fail "an action does not end: $(said 5)"
}

# live EXPECTED: a merge that takes 3 s, under a mounted filesystem that is written to through the page cache.
live() {
    local writer end
    mark
    mkfs.ext4 -q /dev/ram2
    make_live l /dev/ram2 /dev/ram3 $((MIB * 2048))
    mount /dev/mapper/l /mnt
    write_file /mnt &
    writer=$!
    end=$(outcome l)
    end_writer "$writer"
    echo "live, mounted: $(timeline l)"
    check_eq "live, mounted" "$end" "$1"
    settled
    umount /mnt
    [[ $1 == lost ]] || check "its filesystem is clean" e2fsck -fn /dev/mapper/l
    clean_up l
}

config_daemon() {
    settings "$1" "$2"
    systemctl restart cowherd.service
}

# braked: a backup whose drop takes 3 s is being written to and held; its writer's pid is in WRITER.
braked() {
    mark
    make_backup b /dev/ram0 /dev/ram1 $((MIB * 2048))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    write_direct "$ORIGIN" &
    WRITER=$!
    event 20 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b >/dev/null
    held "$(number "$ORIGIN")" || fail "nothing is held: $(limits)"
}

# released HOW: everything is as before.
released() {
    wait_until 20 no_record || fail "$1: a limit is left: $(limits)"
    check_eq "$1: every limit is what it was" "$(limits)" "$BEFORE"
}

ended() {
    end_writer "$WRITER"
    wait_until 20 no_intent || true
    clean_up b
}

inactive() { [[ $(systemctl show -P ActiveState cowherd.service) != active ]]; }

# ---- the writers are held, and what would be lost is not

survives() {
    slow remove $FREELY
    config_daemon no drop
    backup lost 8 write_direct
    backup lost 128 write_small 65536
    check_eq "brake = no: nobody was held" "$(count_events COWHERD_EVENT=brake)" 0
    slow remove
    config_daemon yes drop
    backup action-done 8 write_direct
    json=$(event 2 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b)
    check "the journal says how fast: $(field "$json" COWHERD_RESULT)" grep -qE '^engaged [0-9.]+ [KM]iB/s$' <<<"$(field "$json" COWHERD_RESULT)"
    check_eq "and what for" "$(field "$json" COWHERD_ACTION) $(field "$json" COWHERD_RUNG)" "drop at 50% = drop"
    event 2 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b COWHERD_RESULT=released >/dev/null
    backup action-done 128 write_small 65536
}

survives_live() {
    slow load $FREELY
    config_daemon no merge
    live lost
    slow load
    config_daemon yes merge
    live action-done
    slow remove
}

# ---- however it ends

ways_of_leaving() {
    config_daemon yes drop
    braked
    kill -KILL "$(systemctl show -P MainPID cowherd.service)"
    ended
    released "killed and started again"
    braked
    systemctl stop cowherd.service
    released "stopped while the action was under way"
    ended
    dropin <<<"$UNIT"$'\nRestart=no'
    start_cowherd
    braked
    kill -KILL "$(systemctl show -P MainPID cowherd.service)"
    wait_until 20 inactive
    released "killed and not started again"
    ended
    rm -f /var/lib/cowherd/*
    recalled
}

# With nothing that runs after the daemon the limits stay, until the next one starts.
recalled() {
    dropin <<<"$UNIT"$'\nRestart=no\nExecStopPost='
    start_cowherd
    braked
    kill -KILL "$(systemctl show -P MainPID cowherd.service)"
    wait_until 20 inactive
    check "killed, and nothing run after it: the limits are still there" held "$(number "$ORIGIN")"
    end_writer "$WRITER"
    rm -f /var/lib/cowherd/*
    settings no drop
    start_cowherd
    released "started anew"
    clean_up b
    settings yes drop
}

# not_lost_before USEC: let go, writers at full speed may well fill it.
not_lost_before() { entries COWHERD_EVENT=lost | jq -se --arg at "$1" 'all(.[]; (.__MONOTONIC_TIMESTAMP | tonumber) > ($at | tonumber))'; }

# An action that hangs: nobody is held longer than its deadline of 30 s.
deadline() {
    local json
    echo "-1 remove 60000" >/run/crash.conf
    mark
    make_backup b /dev/ram0 /dev/ram1 $((3 * MIB * 2048))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    fill "$ORIGIN" 46
    dd if=/dev/zero of="$ORIGIN" bs=64k count=1200 seek=736 oflag=direct conv=notrunc status=none &
    WRITER=$!
    event 20 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b >/dev/null
    json=$(event 60 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b COWHERD_RESULT=released)
    check "held no longer than the deadline: $(field "$json" MESSAGE)" grep -qE 'after (29|3[0-3]) s, although' <<<"$(field "$json" MESSAGE)"
    check "and until then the store lasted, at $(field "$json" COWHERD_PERCENT) %" not_lost_before "$(field "$json" __MONOTONIC_TIMESTAMP)"
    slow # a new attempt may be waited for already, as long
    wait_until 40 no_record || true
    released "deadline"
    ended
    slow remove
}

# ---- what somebody else has set

foreign() {
    local group=/sys/fs/cgroup/keep.slice device
    mark
    make_backup b /dev/ram0 /dev/ram1 $((MIB * 2048))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    device=$(number "$ORIGIN")
    echo "$device wbps=1000 rbps=777" >$group/io.max
    echo "$device wbps=9000000000 wiops=3" >/sys/fs/cgroup/system.slice/io.max
    echo "$device wbps=9000000000 wiops=max" >/sys/fs/cgroup/system.slice/io.max
    BEFORE=$(limits)
    write_direct "$ORIGIN" &
    WRITER=$!
    event 20 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b >/dev/null
    check "a lower limit of somebody else's is left" grep -q "^$device rbps=777 wbps=1000 riops=max wiops=[0-9]" $group/io.max
    check "a higher one is lowered" grep -qE "^$device .*wbps=[0-9]{6,9} .*wiops=[0-9]" /sys/fs/cgroup/system.slice/io.max
    echo "$device wbps=2222" >$group/io.max
    BEFORE=${BEFORE/wbps=1000 /wbps=2222 }
    released "both"
    ended
    BEFORE=$(limits)
}

# As many other devices as make an io.max of more than 16 KiB.
CROWD_FIRST=1000 CROWD_LAST=1299

make_crowd() {
    local i
    for ((i = CROWD_FIRST; i <= CROWD_LAST; i++)); do
        mknod /run/crowd b 7 "$i"
        : </run/crowd || true # which makes the loop device
        rm /run/crowd
    done 2>/dev/null
}

limit_crowd() {
    local i
    for ((i = CROWD_FIRST; i <= CROWD_LAST; i++)); do
        echo "7:$i rbps=$1 wbps=$1 riops=$2 wiops=$2" >/sys/fs/cgroup/keep.slice/io.max
    done
}

# A server with many limited devices: what cannot be read at once is not taken for gone.
crowded() {
    make_crowd
    braked
    limit_crowd 1000000000000 4000000000
    check "its io.max is long" test "$(wc -c </sys/fs/cgroup/keep.slice/io.max)" -gt 16384
    wait_until 20 no_record || fail "a limit is left"
    check_not "its limit is put back" grep -q "^$(number "$ORIGIN") " /sys/fs/cgroup/keep.slice/io.max
    limit_crowd max max
    ended
    released "crowded"
}

# ---- without control groups

fallback() {
    local parameter=/sys/module/dm_snapshot/parameters/snapshot_copy_throttle
    dropin <<<"$UNIT"$'\nTemporaryFileSystem=/sys/fs/cgroup'
    echo 77 >$parameter
    systemctl restart cowherd.service
    mark
    make_backup b /dev/ram0 /dev/ram1 $((MIB * 2048))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    write_direct "$ORIGIN" &
    WRITER=$!
    event 20 COWHERD_EVENT=brake COWHERD_SNAPSHOT=b COWHERD_RESULT='engaged copy throttle' >/dev/null
    check_eq "no control groups: copying is throttled" "$(cat $parameter)" 1
    check_eq "and the store survives" "$(outcome b)" action-done
    wait_until 20 no_record
    check_eq "and the throttle is put back" "$(cat $parameter)" 77
    ended
}

UNIT='[Service]
Environment=LD_PRELOAD=/tests/crash.so
ReadWritePaths=/run'
slow remove
systemd-run -q --slice=keep.slice -p IOAccounting=yes sleep 1000
dropin <<<"$UNIT"
config_daemon no drop
BEFORE=$(limits)
check "no limit is there at the beginning" test -z "$BEFORE"
survives
survives_live
check_eq "every limit is what it was" "$(limits)" "$BEFORE"
ways_of_leaving
dropin <<<"$UNIT"
systemctl restart cowherd.service
deadline
foreign
crowded
fallback
check "nothing is left suspended" nothing_suspended
