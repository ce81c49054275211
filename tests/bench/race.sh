#!/bin/bash
# The trials of tests/bench/race, which runs this in the virtual machine: one line of /tests/bench/plan each, KIND WHO MIB RATE
# PHASE. A trial fills a store to PREFILL %, waits for its phase of dmeventd's poll, and then writes new chunks at the rate until
# the store has been extended, the snapshot dropped or merged, or lost. When the rung was crossed, and how far beyond it the
# writer was when the action began, follows from what the writer had written by then.
# timeout: 14000
# shellcheck source=../vm/lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1

MIB=1048576             # bytes
BLOCK=65536             # bytes of a bounded writer's write
FULL_BLOCK=262144       # of one at full speed
CHUNK=4096
EPC=$((CHUNK / 16))     # exceptions in an area of the store's metadata
PREFILL=45              # percent
RUNG=50
POLL=10                 # seconds, dmeventd's
ORIGIN_MIB=272          # more than the largest store needs when it has been extended once
TIMES=/run/times
CURRENT=                # who watches
FILL=/tests/bench/fill

quietly() { "$@" >/run/said 2>&1 || { cat /run/said; fail "this failed: $*"; }; }
usec() { echo "${EPOCHREALTIME/./}"; }

# ---- who watches

# lvm_policy MONITORING: for lvcreate and for dmeventd.
lvm_policy() {
    echo "activation { monitoring = $1 snapshot_autoextend_threshold = $RUNG snapshot_autoextend_percent = 100 }"
} >/etc/lvm/lvmlocal.conf

cowherd_policy() {
    config <<END_CONFIG
[daemon]
brake = $1
[snapshot *]
at $RUNG% = extend 100%
on lost = alert critical
[snapshot r-drop]
at $RUNG% = drop
on lost = alert critical
[snapshot r-merge]
at $RUNG% = merge
on lost = alert critical
END_CONFIG
}

cowherd_environment() {
    rm -rf /run/systemd/system/cowherd.service.d
    printf '[Service]\nEnvironment=%s\n' "$1" | dropin
}

# watch_by WHO
watch_by() {
    [[ $CURRENT != "$1" ]] || return 0
    stop_cowherd
    CURRENT=$1
    lvm_policy "$([[ $1 == dmeventd ]] && echo 1 || echo 0)"
    cowherd_environment "COWHERD_COUNTING=$([[ $1 == no-counting ]] && echo no || echo yes)"
    cowherd_policy "$([[ $1 == no-brake ]] && echo no || echo yes)"
    [[ $1 == dmeventd ]] || start_cowherd
}

# What the daemon says beforehand of being in time for the snapshot: "yes", "no", or "-" where it says nothing.
guarantee() {
    journalctl -q --cursor="$MARK" -u cowherd.service -o cat |
        sed -nE 's/.*Guarantee: (yes|no): .*/\1/p; s/^The guarantee of .* is "(yes|no)" now: .*/\1/p' | tail -n1 | grep . || echo -
}

# ---- what the writer's times say

# bytes_at USEC: written by then; of a block that was being written, as much as its time had passed.
bytes_at() {
    awk -v at="$1" '
        $1 == "w" && $2 <= at { time = $2; bytes = $3 }
        $1 == "w" && $2 > at { if (bytes) bytes += ($3 - bytes) * (at - time) / ($2 - time); exit }
        END { printf "%.0f", bytes }' $TIMES
}

# percent_of BYTES STORE_BYTES: used of a store of that size, with two digits.
percent_of() {
    awk -v n=$(($1 / CHUNK)) -v epc=$EPC -v total=$(($2 / CHUNK)) 'BEGIN { printf "%.2f", (2 + n + int(n / epc)) * 100 / total }'
}

# bytes_of PERCENT STORE_BYTES: the fewest that use so much.
bytes_of() {
    awk -v want=$(($2 * $1 / CHUNK)) -v epc=$EPC -v chunk=$CHUNK 'BEGIN {
        n = int(want / 100 * epc / (epc + 1)) - 4
        while ((2 + n + int(n / epc)) * 100 < want) n++
        print n * chunk
    }'
}

# crossing STORE_BYTES: when the rung was reached.
crossing() {
    awk -v height="$(bytes_of $RUNG "$1")" '
        $1 == "w" && $3 >= height { printf "%.0f", time ? time + ($2 - time) * (height - bytes) / ($3 - bytes) : $2; exit }
        $1 == "w" { time = $2; bytes = $3 }' $TIMES
}

# achieved: bytes per second of the writer, in MiB.
achieved() {
    awk '$1 == "w" { if (!first) { first = $2; from = $3 } last = $2; to = $3 }
         END { printf "%.1f", (last > first) ? (to - from) / 1048576 / ((last - first) / 1e6) : 0 }' $TIMES
}

noted() { sed -n "s/^$1 //p" $TIMES; }

# event_usec EVENT SNAPSHOT: when it was said for the first time since the mark; empty if it was not.
event_usec() {
    journalctl -q --cursor="$MARK" -o json --output-fields=_SOURCE_REALTIME_TIMESTAMP COWHERD_EVENT="$1" COWHERD_SNAPSHOT="$2" |
        head -n1 | jq -r '._SOURCE_REALTIME_TIMESTAMP // ""'
}

milliseconds_from() { [[ -n $1 && -n $2 ]] && echo $((($2 - $1) / 1000)) || echo -; }

# report OUTCOME STORE_BYTES STARTED_USEC DONE_USEC GUARANTEE
report() {
    local crossed overshoot=-
    crossed=$(crossing "$2")
    [[ -z $3 ]] || overshoot=$(awk -v p="$(percent_of "$(bytes_at "$3")" "$2")" -v rung=$RUNG 'BEGIN { printf "%.2f", p - rung }')
    echo "TRIAL $TRIAL $1 $overshoot $(milliseconds_from "$crossed" "$3") $(milliseconds_from "$crossed" "$4") $(achieved) $5"
}

# ---- the writer

# write_on DEVICE FROM_BYTES RATE_MIB STORE_BYTES [MORE OF fill's ARGUMENTS]: far enough that nothing but the action saves the
# snapshot; at full speed also over the next rung behind an extension.
write_on() {
    local block=$BLOCK rate=0 end
    if [[ $3 == max ]]; then
        block=$FULL_BLOCK
        end=$(($4 * 3 / 2))
    else
        rate=$(awk -v mib="$3" 'BEGIN { printf "%d", mib * 1048576 }')
        end=$(($4 * 11 / 10))
    fi
    end=$((end < LIMIT_BYTES ? end : LIMIT_BYTES))
    $FILL "$1" $block "$2" $((end - $2)) "$rate" "${@:5}" >$TIMES
}

# prefill DEVICE STORE_BYTES: sets FROM.
prefill() {
    FROM=$(($(bytes_of $PREFILL "$2") / FULL_BLOCK * FULL_BLOCK))
    $FILL "$1" $FULL_BLOCK 0 $FROM 0 >/dev/null
}

# wait_for_phase SINCE_USEC PHASE: tenths of the poll. cowherd's poll is too short to be met on purpose.
wait_for_phase() {
    local at=$(($1 + $2 * POLL * 100000)) now
    [[ $CURRENT == dmeventd ]] || return 0
    now=$(usec)
    while [[ $at -le $now ]]; do at=$((at + POLL * 1000000)); done
    sleep "$(awk -v usec=$((at - now)) 'BEGIN { printf "%.3f", usec / 1e6 }')"
}

# ---- trials

lvm_set_up() {
    [[ ! -e /dev/vg0/o ]] || return 0
    quietly vgcreate vg0 /dev/ram{0,1,2,3,4,5}
    quietly lvcreate -y -Wn -L ${ORIGIN_MIB}m -n o vg0
    LIMIT_BYTES=$((ORIGIN_MIB * MIB))
}

lvm_tear_down() {
    wait_until 30 no_intent || true
    for _ in 1 2 3; do
        ! lvremove -y vg0/s >/run/said 2>&1 || return 0
        sleep 1
    done
    cat /run/said
    fail "the snapshot cannot be removed"
}

no_intent() { [[ -z $(ls /var/lib/cowherd 2>/dev/null) ]]; }

# lvm_outcome: the store has grown and the snapshot is valid; what is under way may still come.
lvm_grown() { [[ -n $(noted grown) ]] && [[ $(state vg0-s) != Invalid ]]; }

trial_lvm() {
    local who=$1 size=$(($2 * MIB)) rate=$3 since size_file number started word outcome=survived
    lvm_set_up
    quietly lvcreate -y -s -c 4k -L "$2m" -n s vg0/o
    since=$(usec)
    number=$(dmsetup info -c --noheadings --separator : -o major,minor vg0-s-cow)
    size_file=/sys/dev/block/$number/size
    [[ $who == dmeventd ]] || event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT=vg0-s >/dev/null
    prefill /dev/vg0/o "$size"
    wait_for_phase "$since" "$4"
    word=$(guarantee)
    write_on /dev/vg0/o $FROM "$rate" "$size" "$size_file" /run/lock/lvm V_vg0
    lvm_grown || outcome=lost
    if [[ $who == dmeventd ]]; then started=$(noted lock); else started=$(event_usec action-start vg0-s); fi
    report $outcome "$size" "$started" "$([[ $outcome == lost ]] || noted grown)" "$word"
    lvm_tear_down
}

raw_tear_down() {
    wait_until 60 no_intent || true
    dmsetup remove --retry "$1" 2>/dev/null || true
    [[ ! -e /dev/mapper/$1-origin ]] || dmsetup remove --retry "$1-origin"
    dmsetup remove --retry "$1-store"
}

# trial_raw WHO MIB RATE NAME DEVICE
trial_raw() {
    local size=$(($2 * MIB)) rate=$3 name=$4 device=$5 writer word end outcome=survived
    event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT="$name" >/dev/null
    LIMIT_BYTES=$((DISK_KIB * 1024))
    prefill "$device" "$size"
    word=$(guarantee)
    write_on "$device" $FROM "$rate" "$size" 2>/run/said &
    writer=$!
    end=$(field "$(event 120 COWHERD_SNAPSHOT="$name" COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT)
    kill "$writer" 2>/dev/null || true # the shell around the writer
    pkill -x fill || true
    wait "$writer" || true
    wait_until 10 not_writing || fail "the writer goes on"
    [[ $end == action-done ]] || outcome=lost
    report $outcome "$size" "$(event_usec action-start "$name")" "$([[ $outcome == lost ]] || event_usec action-done "$name")" "$word"
    raw_tear_down "$name"
}

not_writing() { ! pgrep -x fill; }

trial_drop() {
    make_backup r-drop /dev/ram6 /dev/ram7 $(($2 * 2048))
    trial_raw "$1" "$2" "$3" r-drop "$ORIGIN"
}

trial_merge() {
    make_live r-merge /dev/ram6 /dev/ram7 $(($2 * 2048))
    trial_raw "$1" "$2" "$3" r-merge /dev/mapper/r-merge
}

# The same with an lvextend that takes 3 s more.
trial_slow() {
    if [[ -L /usr/sbin/lvextend ]]; then
        slow_lvextend 3
        trap clean_up EXIT
    fi
    trial_lvm "$@"
}

clean_up() {
    : >/etc/lvm/lvmlocal.conf
    ln -sf lvm /usr/sbin/lvextend
}

trap clean_up EXIT
mapfile -t plan </tests/bench/plan
for TRIAL in "${plan[@]}"; do
    read -r kind who mib rate phase <<<"$TRIAL"
    [[ $kind == slow ]] || ln -sf lvm /usr/sbin/lvextend
    watch_by "$who"
    mark
    "trial_$kind" "$who" "$mib" "$rate" "$phase"
done
