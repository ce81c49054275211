#!/bin/bash
# Measures the brake: the highest write rate that a 32 MiB store at 50 % survives while its extension takes 3 s, without the
# brake and with it: a raw store whose extension is made to take so long, and an lvm snapshot whose lvextend is.
# Run it with tests/vm/run tests/bench/brake.sh; the figures are in its log.
# timeout: 900
# shellcheck source=lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1

MIB=2048 # sectors
GROUP=/sys/fs/cgroup/bench
declare -A NAME=([raw]=b [lvm]=vg0-s)

no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }
lv() { "$@" >/dev/null 2>&1; }

settings() {
    config <<END
[daemon]
brake = $1
[snapshot *]
at 50% = extend 100%
extend-from = /dev/ram2
END
    systemctl restart cowherd.service
}

make_raw() { make_backup b /dev/ram0 /dev/ram1 $((32 * MIB)); }

remove_raw() {
    dmsetup remove --retry b
    dmsetup remove --retry b-origin
    dmsetup remove b-store
}

make_lvm() {
    lv lvcreate -y -Wn -L 120m -n o vg0
    lv lvcreate -y -s -c 4k -L 32m -n s vg0/o
    ORIGIN=/dev/vg0/o
}

remove_lvm() { lv lvremove -y vg0/o; }

# write_at DEVICE RATE_MIB: new chunks, held to that rate by a limit of our own; max: as fast as it can.
write_at() {
    local number rate=max
    [[ $2 == max ]] || rate=$(($2 << 20))
    number=$(lsblk -dnro MAJ:MIN "$1")
    echo "$number wbps=$rate" >$GROUP/io.max
    echo "$BASHPID" >$GROUP/cgroup.procs
    exec dd if=/dev/zero of="$1" bs=256k count=470 oflag=direct conv=notrunc status=none
}

# survives raw|lvm RATE_MIB
survives() {
    local writer end
    mark
    "make_$1"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="${NAME[$1]}" >/dev/null
    write_at "$ORIGIN" "$2" &
    writer=$!
    end=$(field "$(event 90 COWHERD_SNAPSHOT="${NAME[$1]}" COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT)
    kill "$writer" 2>/dev/null || true
    wait "$writer" || true
    wait_until 30 no_intent || true
    "remove_$1"
    echo "$1, brake = $BRAKE, $2 MiB/s: $([[ $end == action-done ]] && echo survives || echo lost)"
    [[ -n $end ]] || fail "neither survived nor lost"
    [[ $end == action-done ]]
}

# measure raw|lvm
measure() {
    local rate low=0 high=32 # MiB/s
    BRAKE=no
    settings no
    while [[ $((high - low)) -gt 1 ]]; do
        rate=$(((low + high) / 2))
        if survives "$1" "$rate"; then low=$rate; else high=$rate; fi
    done
    BRAKE=yes
    settings yes
    survives "$1" max || fail "with the brake full speed is too much"
    echo "FIGURE: $1, a 3 s extension of a 32 MiB store at 50 %: survives $low MiB/s without the brake; with it full speed"
}

dropin <<'END'
[Service]
Environment=LD_PRELOAD=/tests/crash.so
ReadWritePaths=/run
END
lv vgcreate vg0 /dev/ram4 /dev/ram5 /dev/ram6
mkdir $GROUP
echo "-1 resume 3000" >/run/crash.conf
measure raw
echo "-1 none 0" >/run/crash.conf
slow_lvextend 3
measure lvm
rmdir $GROUP
