#!/bin/bash
# Measures what counting costs and saves: wake-ups of idle snapshots over some minutes, counted and polled; the write
# throughput of a snapshot that is counted, polled, and not watched, in turn; how far past its rung a writer at full speed is
# noticed.
# Run it with tests/vm/run tests/bench/counter.sh; the figures are in its log.
# timeout: 1800
# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=../vm/herd.sh
. /tests/herd.sh

MIB=2048        # sectors
HERD=100
PAIRS=5
WRITES_MIB=48   # of one run; the store is larger, its rung is not reached

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$(main_pid)/stat"; }

# daemon counted|polled|unwatched
daemon() {
    systemctl stop cowherd.service
    rm -rf /run/systemd/system/cowherd.service.d
    systemctl daemon-reload
    case $1 in
    counted) systemctl start cowherd.service ;;
    polled) dropin <<<$'[Service]\nEnvironment=COWHERD_COUNTING=no' && systemctl start cowherd.service ;;
    esac
}

# idle counted|polled SECONDS
idle() {
    local wakeups ticks
    daemon "$1"
    [[ $1 == polled ]] || wait_until 120 counters_are $(((HERD + 1) * $(nproc)))
    sleep 5
    wakeups=$(wakeups) ticks=$(cpu_ticks)
    sleep "$2"
    wakeups=$(($(wakeups) - wakeups)) ticks=$(($(cpu_ticks) - ticks))
    echo "= idle, $HERD snapshots, $1: $((wakeups * 3600 / $2)) wake-ups and $((ticks * 10 * 3600 / $2)) ms of CPU an hour"
    grep -E '^(VmRSS|VmLck|VmPin|Threads)' "/proc/$(main_pid)/status" | paste -sd' ' | sed "s/^/= $1: /"
}

# write_once: microseconds for WRITES_MIB new chunks.
write_once() {
    local begin
    dd if=/dev/zero of=/dev/mapper/w-store bs=4096 count=1 oflag=direct status=none
    dmsetup create w --table "0 $(sectors /dev/mapper/w-base) snapshot /dev/mapper/w-base /dev/mapper/w-store P 8"
    sleep 1
    begin=${EPOCHREALTIME/./}
    dd if=/dev/zero of=/dev/mapper/w bs=64k count=$((WRITES_MIB * 16)) oflag=direct status=none
    echo $((${EPOCHREALTIME/./} - begin))
    dmsetup remove --retry w
}

joined() { echo "0 $((128 * MIB)) linear $1 0"; echo "$((128 * MIB)) $((128 * MIB)) linear $2 0"; }

throughput() {
    local pair mode
    local -A took=()
    joined /dev/ram0 /dev/ram2 | dmsetup create w-base
    joined /dev/ram1 /dev/ram3 | dmsetup create w-store
    for ((pair = 0; pair < PAIRS; pair++)); do
        for mode in unwatched counted polled; do
            daemon "$mode"
            took[$mode]+="$(write_once) "
        done
    done
    for mode in unwatched counted polled; do
        echo "$mode: ${took[$mode]}us for $WRITES_MIB MiB"
    done
    for mode in counted polled; do
        echo "= full speed, $mode: $(ratio "${took[unwatched]}" "${took[$mode]}") of the throughput of unwatched (median of $PAIRS pairs)"
    done
    dmsetup remove --retry w-base w-store
}

# ratio WITHOUT WITH: the median of the pairs' quotients.
ratio() {
    paste <(xargs -n1 <<<"$1") <(xargs -n1 <<<"$2") | awk 'NF == 2 { printf "%.4f\n", $1 / $2 }' | sort -n |
        awk '{ is[NR] = $1 } END { print is[int((NR + 1) / 2)] }'
}

# overshoot counted|polled: percent points past a rung at 50 % of 32 MiB.
overshoot() {
    local round json overs=''
    daemon "$1"
    for ((round = 0; round < PAIRS; round++)); do
        mark
        make_backup "o$round" /dev/ram0 /dev/ram1 $((32 * MIB))
        event 30 COWHERD_EVENT=found COWHERD_SNAPSHOT="o$round" >/dev/null
        dd if=/dev/zero of="$ORIGIN" bs=1M count=30 oflag=direct status=none
        json=$(event 20 COWHERD_EVENT=rung COWHERD_SNAPSHOT="o$round")
        overs+="$(awk -v is="$(field "$json" COWHERD_PERCENT)" 'BEGIN { print is - 50 }') "
        dmsetup remove --retry "o$round"
        dmsetup remove --retry "o$round-origin"
        dmsetup remove --retry "o$round-store"
    done
    echo "= 32 MiB store at full speed, $1: ${overs}percent points past its rung"
}

config <<END
[snapshot o*]
at 50% = alert
[snapshot idle*]
at 50% = alert
[snapshot w]
at 90% = alert
END
overshoot counted
overshoot polled
throughput
make_herd
idle counted 150
idle polled 30
