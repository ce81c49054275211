#!/bin/bash
# Writes to stores are counted instead of polled for: who stands still is not looked at, a writer at full speed is noticed at
# its rung, on every kind of store and in both roles. By a program in the kernel that reads the bios, by one that reads the
# tracepoints' records, and by perf's events where there is none; where nothing can be counted the daemon polls.
# timeout: 900
# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=../herd.sh
. /tests/herd.sh

MIB=2048        # sectors
HERD=20         # that stand still
QUIET_SECONDS=5
OVER=2          # percent points past its rung

watchdog() { systemctl show -P WatchdogUSec cowherd.service; }
watchdog_is() { [[ $(watchdog) == "$1" ]]; }
found() { event 30 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }

# Programs, by how many links of their own, and by how many of perf's events.
means() { echo "$(descriptors bpf-prog) $(descriptors bpf_link) $(descriptors perf_event)"; }
means_are() { [[ $(means) == "$1" ]]; }
said_polled() { entries _SYSTEMD_UNIT=cowherd.service | jq -r .MESSAGE | grep '^Writes to stores are not counted'; }

# by MEANS [LINE OF THE UNIT]: started anew, as COWHERD_COUNTING says.
by() {
    dropin <<<$'[Service]\nEnvironment=COWHERD_COUNTING='"$1"$'\n'"${2:-}"
    systemctl restart cowherd.service
}

# ---- those who stand still

quiet_wakeups() {
    local before
    before=$(wakeups)
    sleep "$QUIET_SECONDS"
    echo $(($(wakeups) - before))
}

stand_still() {
    local by_program by_events polled
    make_herd
    by yes
    check "all are counted: the watchdog waits for the heartbeat" wait_until 60 watchdog_is '1min'
    check_eq "by a program in the kernel" "$(means)" "2 1 0"
    by_program=$(quiet_wakeups)
    by records
    check "all are counted" wait_until 60 watchdog_is '1min'
    check_eq "by a program at one event for all" "$(means)" "2 0 1"
    by events
    check "by events: each counter has one for each processor" wait_until 60 counters_are $(((HERD + 1) * CPUS))
    check "the watchdog waits for the heartbeat" wait_until 20 watchdog_is '1min'
    check_eq "and by no program" "$(means)" "0 0 $(counters)"
    by_events=$(quiet_wakeups)
    by no
    check_eq "not counted: no counters" "$(counters)" 0
    check_eq "and the watchdog as it was" "$(watchdog)" 30s
    polled=$(quiet_wakeups)
    echo "= wake-ups of $HERD idle snapshots in $QUIET_SECONDS s: $by_program and $by_events counted, $polled polled"
    check "those who are counted wake nobody" test "$((by_program + by_events))" -le 5
    check "those who are polled do" test "$polled" -ge $((10 * QUIET_SECONDS))
    dmsetup remove_all --noudevsync
}

# ---- writers at full speed

# Where the store lies: each puts a device into STORE. A whole RAM disk is 128 MiB, the others are 32: its rung is at 5 % and theirs at 20 %.
STORE_MIB=32
BESIDE_MIB=8    # of its disk, behind the partition
on_disk() { STORE=/dev/ram5; }
on_linear() {
    dmsetup create w-store --table "0 $((STORE_MIB * MIB)) linear /dev/ram4 0"
    STORE=/dev/mapper/w-store
}
on_loop() {
    truncate -s "${STORE_MIB}M" /run/store
    STORE=$(losetup -f --show /run/store)
}
on_partition() {
    truncate -s "$((1 + STORE_MIB + BESIDE_MIB))M" /run/store
    STORE=$(losetup -f --show /run/store)p1 # without -P: udev would have the partition away again, for no table has it
    addpart "${STORE%p1}" 1 $MIB $((STORE_MIB * MIB))
    wait_until 10 test -b "$STORE"
}

remove_store() {
    [[ $STORE != /dev/mapper/* ]] || dmsetup remove w-store
    [[ $STORE != *p1 ]] || delpart "${STORE%p1}" 1
    losetup -D
    rm -f /run/store
}

# make_live_on NAME, make_backup_on NAME: with $STORE; what fills it is in WRITTEN.
make_live_on() {
    dd if=/dev/zero of="$STORE" bs=4096 count=1 oflag=direct status=none
    dmsetup create "$1" --table "0 $(sectors /dev/ram0) snapshot /dev/ram0 $STORE P 8"
    WRITTEN=/dev/mapper/$1
}
make_backup_on() {
    make_live_on "$1"
    dmsetup create "$1-origin" --table "0 $(sectors /dev/ram0) snapshot-origin /dev/ram0"
    WRITTEN=/dev/mapper/$1-origin
}

remove_snapshot() {
    [[ $WRITTEN != *-origin ]] || dmsetup remove "$1-origin"
    dmsetup remove "$1"
    remove_store
}

# noticed WHERE ROLE MEANS: past its rung by so much it was seen to be.
noticed() {
    local name=$1-$2 rung=20 json over
    [[ $1 != disk ]] || rung=5
    mark
    "on_$1"
    "make_$2_on" "$name"
    found "$name"
    check "$name: counted by $3" wait_until 10 means_are "${MEANS[$3]}"
    dd if=/dev/zero of="$WRITTEN" bs=1M count=$((STORE_MIB / 4)) oflag=direct conv=notrunc status=none
    json=$(event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$name")
    check_eq "$name: not polled" "$(said_polled)" ""
    remove_snapshot "$name"
    over=$(awk -v is="$(field "$json" COWHERD_PERCENT)" -v rung="$rung" 'BEGIN { print is - rung }')
    overs+="$over $name"$'\n'
    check "$name: seen $over percent points past its rung" awk -v over="$over" 'BEGIN { exit !(over >= 0) }'
}

# every_store MEANS WHERE...
every_store() {
    local where overs='' means=$1
    by "$means"
    for where in "${@:2}"; do
        noticed "$where" backup "$means"
        noticed "$where" live "$means"
    done
    echo "= percent points past its rung, at full speed, counted by $means: $(paste -sd, <<<"${overs%$'\n'}")"
    # Half of them, for a virtual machine's processor may stand still at any moment.
    # shellcheck disable=SC2016 # these are awk's
    check "$means: they are not late" awk -v most="$OVER" '$1 <= most { n++ } END { exit n < NR / 2 }' <<<"${overs%$'\n'}"
    check "nobody left: none is open" wait_until 10 counters_are 0
}

# ---- writes that fill nothing

# Two chunks below its rung the first write on each processor wakes; writes to chunks that are copied already would all do.
overwriting() {
    local before writes
    mark
    on_linear
    make_live_on over
    found over
    fill "$WRITTEN" 6
    write_chunks "$WRITTEN" 8 1536 92 # with the header and metadata 1636 of 1638.4 chunks
    before=$(wakeups)
    for _ in {1..3}; do fill "$WRITTEN" 6; done
    writes=$((3 * 6 * 256)) before=$(($(wakeups) - before))
    echo "= wake-ups of $writes writes to copied chunks, close below a rung: $before"
    check "they do not all wake" test "$before" -lt $((writes / 6))
    write_chunks "$WRITTEN" 8 1628 40
    check "and the rung is noticed" event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=over
    remove_snapshot over
}

# Close below a rung every other write would wake.
beside_a_partition() {
    local before writes
    mark
    on_partition
    make_live_on part
    found part
    fill "$WRITTEN" 6
    sleep 1 # it is looked at once more
    before=$(wakeups)
    writes=$((BESIDE_MIB * 256))
    write_chunks "${STORE%p1}" 8 $(((STORE_MIB + 1) * 256)) "$writes"
    before=$(($(wakeups) - before))
    echo "= wake-ups of $writes writes to the disk beside a store that is a partition: $before"
    check "they are none of its" test "$before" -lt $((writes / 50)) # 15; counted with the disk's they were 79
    remove_snapshot part
}

# ---- devices of one hash

# Their numbers lie COUNTER_HASHES (counter_table.h) apart: the program comes to the first one behind the second.
of_one_hash() {
    local major minor at=0
    mark
    major=$(sed -n 's/ device-mapper$//p' /proc/devices)
    for minor in 900 4996; do
        STORE=/dev/mapper/store$minor
        dmsetup create "store$minor" -j "$major" -m "$minor" --table "0 $((STORE_MIB * MIB)) linear /dev/ram4 $at"
        at=$((at + STORE_MIB * MIB))
        make_live_on "hash$minor"
        found "hash$minor"
    done
    check "both are counted" wait_until 20 watchdog_is '1min'
    check_eq "nobody polls" "$(said_polled)" ""
    for minor in 900 4996; do
        fill "/dev/mapper/hash$minor" 8
        check "the store of minor number $minor is counted" event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT="hash$minor"
    done
    dmsetup remove hash900 hash4996
    dmsetup remove store900 store4996
}

# ---- processors come and go

# An event's counter on a processor that was away counts nothing any more.
processors() {
    mark
    by events
    on_linear
    make_live_on cpus
    found cpus
    check "counted by $CPUS processors" wait_until 10 counters_are $((2 * CPUS))
    echo 0 >/sys/devices/system/cpu/cpu1/online
    check "one goes: its counter is closed" wait_until 10 counters_are $((2 * (CPUS - 1)))
    echo 1 >/sys/devices/system/cpu/cpu1/online
    check "it comes back: and is open" wait_until 10 counters_are $((2 * CPUS))
    away_unseen
    remove_snapshot cpus
}

# As when the machine is suspended.
away_unseen() {
    kill -STOP "$(main_pid)"
    echo 0 >/sys/devices/system/cpu/cpu1/online
    echo 1 >/sys/devices/system/cpu/cpu1/online
    kill -CONT "$(main_pid)"
    sleep 1
    taskset -c 1 dd if=/dev/zero of="$WRITTEN" bs=64k count=$((STORE_MIB * 4)) oflag=direct conv=notrunc status=none
    check "what is written on it is counted" event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=cpus
}

# processors_for_a_program MEANS: its one event is on the first processor, which may be one that goes.
processors_for_a_program() {
    mark
    by "$1"
    on_linear
    make_live_on cpus
    found cpus
    check "counted" wait_until 10 counters_are 1
    away_unseen
    remove_snapshot cpus
}

# ---- where it is counted by something else, or not at all

# without WHAT MEANS LINES: with these in the unit.
without() {
    mark
    by yes "$3"
    on_linear
    make_live_on other
    found other
    check "$1: counted otherwise" wait_until 10 means_are "$2"
    fill "$WRITTEN" 8
    check "$1: and it is noticed" event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=other
    remove_snapshot other
}

# polls WHY MEANS LINE: with this line in the unit.
polls() {
    mark
    by "$2" "$3"
    on_linear
    make_live_on polled
    found polled
    fill "$WRITTEN" 8
    check "$1: it polls" event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=polled
    check_eq "and says so once" "$(said_polled | wc -l)" 1
    said_polled
    remove_snapshot polled
}

config <<END
[snapshot *]
at 20% = alert
[snapshot disk-*]
at 5% = alert
END
CPUS=$(nproc)
declare -A MEANS=([yes]="2 1 0" [records]="2 0 1" [events]="0 0 $((2 * CPUS))")
mark
start_cowherd
stand_still
every_store yes disk linear loop partition
every_store records disk linear
every_store events disk linear
by yes
overwriting
beside_a_partition
of_one_hash
processors
processors_for_a_program yes
processors_for_a_program records
without "no layout of a bio" "2 0 1" "InaccessiblePaths=/sys/kernel/btf"
without "neither tracefs nor perf" "2 1 0" "InaccessiblePaths=-/sys/kernel/tracing -/sys/kernel/debug
SystemCallFilter=~perf_event_open"
without "no programs" "0 0 $((2 * CPUS))" "SystemCallFilter=~bpf"
polls "nothing to count by" yes "InaccessiblePaths=/sys/kernel/btf -/sys/kernel/tracing -/sys/kernel/debug"
polls "no perf" records "SystemCallFilter=~perf_event_open"
polls "few descriptors" events "LimitNOFILE=258"
