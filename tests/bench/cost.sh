#!/bin/bash
# The measurements of tests/bench/cost, which runs this in the virtual machine. Raw figures, one line each:
#   TIME WHO KIND N STATE SECONDS WAKE-UPS CPU_NSEC IOCTLS
#   MEMORY WHO KIND N RSS_KB PSS_KB VMLCK_KB LOCKED_KB THREADS
#   SWEEP N DEVICES BARE_NSEC BARE_IOCTLS DAEMON_NSEC DAEMON_IOCTLS
#   ASK N WHO TOOK_USEC ITSELF_USEC DAEMON_USEC BUS_USEC
#   WRITE CASE UNWATCHED_USEC WATCHED_USEC UNWATCHED_USEC
# timeout: 14000
# shellcheck source=../vm/lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1
counts=1 lvm_counts=1 idle=60 idle_polling=60 load=30 write_cases=linear/0/yes
[[ ! -e /tests/bench/cost.conf ]] || . /tests/bench/cost.conf

BENCH=/tests/bench
STORE=8388608           # sectors of a quiet snapshot's store, 4 GiB
CHUNK=256               # sectors of its chunks: with 4 KiB each has so large a table in the kernel (2 MB) that a thousand do not fit into 2 GiB
FIRST_MINOR=1000        # of the quiet snapshots' devices
RESERVE=/sys/module/dm_mod/parameters/kcopyd_subjob_size_kb # that the kernel keeps for each snapshot besides, 512
LOADED_MIB=120          # the store of the snapshot that fills
LOAD_RATE=1048576       # bytes per second
SETTLE=12               # seconds from the start on that do not count: longer than one poll of anybody's
PAUSE=3                 # seconds for a look at everything
LOOKS=10                # at everything
ASKED=5                 # times, of each
PIECE_MIB=16            # a seventh of the store that fills

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

# without_udev COMMAND...: its events are lost: of thousands of devices they would keep it busy for minutes.
without_udev() {
    local units=(systemd-udevd-control.socket systemd-udevd-kernel.socket)
    systemctl stop systemd-udevd.service "${units[@]}"
    "$@"
    systemctl start "${units[@]}" systemd-udevd.service
}

# quiet N: so many snapshots that nobody writes to, made in one call. Their stores are linear, as lvm's, hold nothing, and are so
# large that by polling they are looked at as seldom as can be.
quiet() {
    local i major reserve text="zero,,$FIRST_MINOR,rw,0 $STORE zero"
    major=$(sed -n 's/ device-mapper$//p' /proc/devices)
    for ((i = 1; i <= $1; i++)); do
        text+=";q$i-store,,$((FIRST_MINOR + 2 * i)),rw,0 $STORE linear $major:$FIRST_MINOR 0"
        text+=";q$i,,$((FIRST_MINOR + 2 * i + 1)),rw,0 $STORE snapshot $major:$FIRST_MINOR $major:$((FIRST_MINOR + 2 * i)) P $CHUNK"
    done
    reserve=$(cat $RESERVE)
    echo 4 >$RESERVE
    dmsetup create --noudevsync --noudevrules --concise "$text"
    echo "$reserve" >$RESERVE
}

make_loaded() {
    make_backup loaded /dev/ram2 /dev/ram3 $((LOADED_MIB * 2048))
    LOADED=$ORIGIN
}

remove_loaded() {
    dmsetup remove --retry loaded
    dmsetup remove --retry loaded-origin
    dmsetup remove --retry loaded-store
}

raw() {
    local n=$1 who
    without_udev quiet "$n"
    for who in cowherd no-counting; do
        cowherd_as $who
        idle_of $who raw "$n" "$(daemon)" "$([[ $who == cowherd ]] && echo "$idle" || echo "$idle_polling")"
        make_loaded
        load_of $who raw "$n" "$(daemon)" "$LOADED"
        remove_loaded
    done
    sweeps "$n"
    asking "$n"
    stop_cowherd
    without_udev remove_devices
}

# An event makes the daemon look at everything; what it does is compared by the ioctl, for two events may be one look. In turn
# with the bare loop, and of each the cheapest: what else the machine does is nobody's cost.
sweeps() {
    local i bare=() measured=()
    cowherd_as no-counting 'longest-poll = 1h'
    for ((i = 0; i < LOOKS; i++)); do
        bare+=("$($BENCH/sweep 1)")
        measured+=("$($BENCH/meter "$(daemon)" $BENCH/sweep --poke 1 $PAUSE | cut -d' ' -f3-)")
    done
    echo "SWEEP $1 $(dmsetup ls | wc -l) $(cheapest "${bare[@]}") $(cheapest "${measured[@]}")"
}

# cheapest "NSEC IOCTLS"...: of these the one with the fewest nanoseconds an ioctl.
cheapest() {
    printf '%s\n' "$@" | awk '$2 && (!n || $1 / $2 < nsec / n) { nsec = $1; n = $2 } END { printf "%.0f %d\n", nsec, n }'
}

# ---- asking for the status of all

# cpu_nsec PID: of all its threads.
cpu_nsec() { awk '{ nsec += $1 } END { printf "%.0f", nsec }' "/proc/$1"/task/*/schedstat; }

# ask COMMAND...: what it has cost: how long it took, the CPU time of it, of the daemon and of the bus; microseconds. After a
# pause: who asks again and again gets no more than the share of a CPU that the daemon gives to its bus.
ask() {
    local TIMEFORMAT='%3R %3U %3S' daemon_before bus_before
    sleep $PAUSE
    daemon_before=$(cpu_nsec "$DAEMON") bus_before=$(cpu_nsec "$BUS")
    { time "$@" >/run/answer; } 2>/run/took || fail "this failed: $*"
    awk -v daemon=$((($(cpu_nsec "$DAEMON") - daemon_before) / 1000)) -v bus=$((($(cpu_nsec "$BUS") - bus_before) / 1000)) \
        'END { printf "%.0f %.0f %d %d\n", $1 * 1e6, ($2 + $3) * 1e6, daemon, bus }' /run/took
}

# least: of what ask has said, a line each, the one whose CPU times are.
least() { awk 'NF { print $2 + $3 + $4, $0 }' | sort -n | head -n1 | cut -d' ' -f2-; }

# asking N: for the status of as many, in turn.
asking() {
    local i who
    local -A costs=([cowctl]='' [dmsetup]='' [busctl]='')
    cowherd_as cowherd
    DAEMON=$(daemon) BUS=$(systemctl show -P MainPID dbus.service)
    for ((i = 0; i < ASKED; i++)); do
        costs[cowctl]+="$(ask cowctl status)"$'\n'
        [[ $(wc -l </run/answer) -eq $(($1 + 1)) ]] || fail "cowctl status has not all $1"
        costs[dmsetup]+="$(ask dmsetup status --target snapshot)"$'\n'
        costs[busctl]+="$(ask busctl --timeout=120 call org.cowherd.Herd1 /org/cowherd/Herd1 \
            org.freedesktop.DBus.ObjectManager GetManagedObjects)"$'\n'
    done
    for who in "${!costs[@]}"; do echo "ASK $1 $who $(least <<<"${costs[$who]}")"; done
}

# ---- what a writer notices

# piece: writes the next one, of new chunks; prints the microseconds.
piece() {
    $BENCH/fill "$LOADED" 262144 $((AT * 1048576)) $((PIECE_MIB * 1048576)) 0 |
        awk '$1 == "w" { if (!first) first = $2; last = $2 } END { printf "%.0f\n", last - first }'
}

# make_loaded_on linear|disk|null|loop: where its store lies: a part of a RAM disk, one as a whole, a disk with a queue of requests
# that is memory too, or a loop device.
make_loaded_on() {
    local store=/dev/ram3
    case $1 in
    linear)
        make_loaded
        return
        ;;
    null)
        modprobe null_blk nr_devices=1 gb=1 memory_backed=1 irqmode=0
        store=/dev/nullb0
        ;;
    loop)
        truncate -s ${LOADED_MIB}M /run/loaded
        store=$(losetup -f --show --direct-io=off /run/loaded)
        ;;
    esac
    dd if=/dev/zero of="$store" bs=4096 count=1 oflag=direct status=none
    dmsetup create loaded --table "0 $(sectors /dev/ram2) snapshot /dev/ram2 $store P 8"
    dmsetup create loaded-origin --table "0 $(sectors /dev/ram2) snapshot-origin /dev/ram2"
    LOADED=/dev/mapper/loaded-origin
}

# fill_in_pieces STORE/BESIDE/MEANS: one store, of that kind, filled by seven pieces, every other one while the daemon watches it
# and as many others, counting by those means.
fill_in_pieces() {
    local i store beside means took=()
    IFS=/ read -r store beside means <<<"$1"
    printf '%s\n' '[snapshot *]' 'at 99% = alert' | config
    printf '[Service]\nEnvironment=COWHERD_COUNTING=%s\n' "$means" | dropin
    [[ $beside -eq 0 ]] || without_udev quiet "$beside"
    make_loaded_on "$store"
    for i in {0..6}; do
        if ((i % 2)); then start_cowherd; else stop_cowherd; fi
        sleep $((1 + beside / 10))
        AT=$((i * PIECE_MIB))
        took[i]=$(piece)
    done
    for i in 0 2 4; do echo "WRITE $1 ${took[i]} ${took[i + 1]} ${took[i + 2]}"; done
    without_udev remove_devices
    losetup -D
    rm -f /run/loaded
    ! grep -q '^null_blk ' /proc/modules || modprobe -r null_blk
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
modprobe dm-zero
mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null || true
for n in $lvm_counts; do with_lvm "$n"; done
for one in $write_cases; do fill_in_pieces "$one"; done
for n in $counts; do raw "$n"; done
