#!/bin/bash
# Measures the brake: the highest write rate that a 32 MiB store at 50 % survives while its extension takes 3 s, without the
# brake and with it. Run it with tests/vm/run tests/bench/brake.sh; the figures are in its log.
# timeout: 600
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=2048 # sectors
GROUP=/sys/fs/cgroup/bench

is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }
no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }

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

# write_at DEVICE RATE_MIB: new chunks, held to that rate by a limit of our own; max: as fast as it can.
write_at() {
    local number rate=max
    [[ $2 == max ]] || rate=$(($2 << 20))
    number=$(lsblk -dnro MAJ:MIN "$1")
    echo "$number wbps=$rate" >$GROUP/io.max
    echo "$BASHPID" >$GROUP/cgroup.procs
    exec dd if=/dev/zero of="$1" bs=256k count=480 oflag=direct conv=notrunc status=none
}

# survives RATE_MIB
survives() {
    local writer end
    mark
    make_backup b /dev/ram0 /dev/ram1 $((32 * MIB))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    write_at "$ORIGIN" "$1" &
    writer=$!
    end=$(field "$(event 90 COWHERD_SNAPSHOT=b COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT)
    kill "$writer" 2>/dev/null || true
    wait "$writer" || true
    wait_until 30 no_intent || true
    dmsetup remove --retry b
    dmsetup remove --retry b-origin
    dmsetup remove b-store
    echo "brake = $BRAKE, $1 MiB/s: $([[ $end == action-done ]] && echo survives || echo lost)"
    [[ -n $end ]] || fail "neither survived nor lost"
    [[ $end == action-done ]]
}

dropin <<'END'
[Service]
Environment=LD_PRELOAD=/tests/crash.so
ReadWritePaths=/run
END
echo "-1 resume 3000" >/run/crash.conf
mkdir $GROUP
BRAKE=no
settings no
low=1 high=32 # MiB/s
while [[ $((high - low)) -gt 1 ]]; do
    rate=$(((low + high) / 2))
    if survives "$rate"; then low=$rate; else high=$rate; fi
done
BRAKE=yes
settings yes
survives max || fail "with the brake full speed is too much"
echo "FIGURE: a 3 s extension of a 32 MiB store at 50 %: survives $low MiB/s without the brake; with it full speed"
rmdir $GROUP
