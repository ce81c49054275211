#!/bin/bash
# The measurements of tests/bench/cost, which runs this in the virtual machine. Raw figures, one line each:
#   TIME WHO KIND N STATE SECONDS WAKE-UPS CPU_NSEC IOCTLS
#   MEMORY WHO KIND N RSS_KB PSS_KB VMLCK_KB LOCKED_KB THREADS
#   SWEEP N DEVICES BARE_NSEC BARE_IOCTLS DAEMON_NSEC DAEMON_IOCTLS
#   WRITE PAIR UNWATCHED_USEC WATCHED_USEC
# timeout: 14000
# shellcheck source=../vm/lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1
counts=1 lvm_counts=1 idle=60 idle_polling=60 load=30 pairs=1
[[ ! -e /tests/bench/cost.conf ]] || . /tests/bench/cost.conf

BENCH=/tests/bench
STORE=64                # sectors of a quiet snapshot's store: two chunks, and some
LOAD_RATE=1048576       # bytes per second
SETTLE=12               # seconds from the start on that do not count: longer than one poll of anybody's
PAUSE=3                 # seconds for a look at everything
PIECE_MIB=24            # written by one run of a pair

quietly() { "$@" >/run/said 2>&1 || { cat /run/said; fail "this failed: $*"; }; }
daemon() { systemctl show -P MainPID cowherd.service; }

# cowherd_as WHO [LINE OF THE CONFIGURATION]...: started anew; the rungs only alert.
cowherd_as() {
    stop_cowherd
    printf '[Service]\nEnvironment=COWHERD_COUNTING=%s\n' "$([[ $1 == no-counting ]] && echo no || echo yes)" | dropin
    printf '%s\n' '[daemon]' "${@:2}" '[snapshot *]' 'at 70% = alert' 'at 90% = alert critical' | config
    start_cowherd
    sleep $SETTLE
}

memory() {
    local pid=$1
    awk -v what="$2" '
        /^VmRSS:/ { rss = $2 } /^VmLck:/ { lck = $2 } /^Threads:/ { threads = $2 } /^Pss:/ { pss = $2 } /^Locked:/ { locked = $2 }
        END { print "MEMORY", what, rss, pss, lck, locked, threads }' "/proc/$pid/status" "/proc/$pid/smaps_rollup"
}

# idle_of WHO KIND N PID SECONDS
idle_of() {
    echo "TIME $1 $2 $3 idle $($BENCH/meter "$4" "$5")"
    memory "$4" "$1 $2 $3"
}

# load_of WHO KIND N PID DEVICE
load_of() {
    local writer
    $BENCH/fill "$5" 65536 0 $((LOAD_RATE * (load + 5))) $LOAD_RATE >/dev/null &
    writer=$!
    echo "TIME $1 $2 $3 load $($BENCH/meter "$4" "$load")"
    wait "$writer"
}

# ---- raw snapshots

# quiet N: so many snapshots that nobody writes to, in one call.
quiet() {
    local i text=
    for ((i = 0; i < $1; i++)); do
        text+="q$i-store,,,rw,0 $STORE linear /dev/ram1 $((i * STORE));"
    done
    for ((i = 0; i < $1; i++)); do
        text+="q$i,,,rw,0 2048 snapshot /dev/ram0 /dev/mapper/q$i-store P 8;"
    done
    [[ -z $text ]] || dmsetup create --noudevsync --concise "$text"
}

loaded() {
    make_backup loaded /dev/ram2 /dev/ram3 $((120 * 2048))
    LOADED=$ORIGIN
}

remove_all() {
    stop_cowherd
    dmsetup remove_all --noudevsync
    dmsetup remove_all --noudevsync
    udevadm settle
}

# The stores need no emptying: the disk is as new, or has the headers of the last ones, which are as empty.
raw() {
    local n=$1 who
    quiet $((n - 1))
    udevadm settle
    for who in cowherd no-counting; do
        loaded
        cowherd_as $who
        idle_of $who raw "$n" "$(daemon)" "$([[ $who == cowherd ]] && echo "$idle" || echo "$idle_polling")"
        load_of $who raw "$n" "$(daemon)" "$LOADED"
        stop_cowherd
        dmsetup remove loaded; dmsetup remove loaded-origin; dmsetup remove loaded-store
    done
    sweeps "$n"
    remove_all
}

sweeps() {
    local bare measured
    cowherd_as no-counting 'longest-poll = 1h'
    bare=$($BENCH/sweep 10)
    measured=$($BENCH/meter "$(daemon)" $BENCH/sweep --poke 10 $PAUSE)
    bare+=" $($BENCH/sweep 10)"
    awk -v n="$1" -v devices="$(dmsetup ls | wc -l)" -v bare="$bare" -v measured="$measured" 'BEGIN {
        split(bare, b, " "); split(measured, m, " ")
        printf "SWEEP %d %d %.0f %d %.0f %d\n", n, devices, b[1] + b[3], b[2] + b[4], m[3], m[4]
    }'
}

# ---- what a writer notices

# one_run: microseconds to write a piece of new chunks.
one_run() {
    local from
    from=$($BENCH/fill "$LOADED" 262144 $((AT * 1048576)) $((PIECE_MIB * 1048576)) 0 |
        awk '!first { first = $2 } { last = $2 } END { printf "%.0f", last - first }')
    echo "$from"
}

pair() {
    local first second
    loaded
    AT=0
    if (($1 % 2)); then cowherd_as cowherd >/dev/null; else stop_cowherd; fi
    one_run >/dev/null # not the first writes of all
    AT=$PIECE_MIB
    first=$(one_run)
    if (($1 % 2)); then stop_cowherd; else cowherd_as cowherd >/dev/null; fi
    AT=$((2 * PIECE_MIB))
    second=$(one_run)
    if (($1 % 2)); then echo "WRITE $1 $second $first"; else echo "WRITE $1 $first $second"; fi
    dmsetup remove loaded; dmsetup remove loaded-origin; dmsetup remove loaded-store
}

# ---- lvm's snapshots

# with_lvm N: watched by dmeventd, and then the same ones by cowherd.
with_lvm() {
    local i who
    echo "activation { monitoring = 1 snapshot_autoextend_threshold = 70 }" >/etc/lvm/lvmlocal.conf
    quietly vgcreate vg0 /dev/ram{4,5,6,7}
    quietly lvcreate -y -Wn -L 8m -n o vg0
    for ((i = 0; i < $1; i++)); do quietly lvcreate -y -s -c 4k -L 8m -n "s$i" vg0/o; done
    sleep $SETTLE
    idle_of dmeventd lvm "$1" "$(pgrep -x dmeventd)" "$idle_polling"
    quietly vgchange --monitor n vg0
    for who in cowherd no-counting; do
        cowherd_as $who
        idle_of $who lvm "$1" "$(daemon)" "$idle_polling"
    done
    stop_cowherd
    quietly vgremove -ff -y vg0
}

trap ': >/etc/lvm/lvmlocal.conf' EXIT
mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null || true
for n in $lvm_counts; do with_lvm "$n"; done
for ((i = 1; i <= pairs; i++)); do pair "$i"; done
for n in $counts; do raw "$n"; done
