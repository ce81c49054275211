#!/bin/bash
# The service: what systemctl shows of it, that it comes back whatever ends it, that a stuck journal does not hold it up, how
# it runs by hand, what it may do and what it costs.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

ORIGIN_SECTORS=65536
STORE=8000

main_pid() { systemctl show -P MainPID cowherd.service; }
found() { event "${2:-10}" COWHERD_EVENT=found COWHERD_SNAPSHOT="$1"; }
rung() { event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$1"; }

# another_pid OLD: the service runs, and not in that process.
another_pid() { [[ $(main_pid) -ne 0 && $(main_pid) -ne $1 ]] && systemctl is-active -q cowherd.service; }

status_text() { systemctl show -P StatusText cowherd.service; }
status_says() { status_text | grep -q "$1"; }

# ---- what it shows and costs

what_it_shows() {
    local pid line
    write_chunks /dev/mapper/first 8 0 300
    check "the STATUS line follows the store" wait_until 5 status_says 'fullest: first (live), 30\.'
    line=$(systemctl status cowherd.service 2>&1 | grep 'Status:')
    check "systemctl status: $line" grep -qE 'watching 1 snapshot; fullest: first \(live\), 30\.[0-9]+ % full, [0-9.]+ MiB left' <<<"$line"
    pid=$(main_pid)
    echo "costs: $(grep -E '^(VmRSS|VmLck|Threads)' "/proc/$pid/status" | tr -s '\t ' ' ' | paste -sd,)"
    check "no more than 16 MiB of memory" test "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" -le 16384
    check "no more than two threads" test "$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")" -le 2
    line=$(systemd-analyze security --no-pager cowherd.service | tail -n1)
    # shellcheck disable=SC2016 # these are awk's
    check "$line" awk '{ for (i = 1; i < NF; i++) if ($i == "cowherd.service:") exit !($(i + 1) <= 2.0); exit 1 }' <<<"$line"
}

# A service's standard error is the journal: what went there already is not said again.
nothing_is_doubled() {
    check_eq "each entry is there once" "$(count_events _SYSTEMD_UNIT=cowherd.service COWHERD_EVENT=found)" 1
    check_eq "and not as a line besides" "$(entries _SYSTEMD_UNIT=cowherd.service _TRANSPORT=stdout | jq -r .MESSAGE)" ""
}

# ---- it comes back

killed() {
    local pid
    pid=$(main_pid)
    mark
    kill -KILL "$pid"
    check "kill -9: it is started again" wait_until 15 another_pid "$pid"
    check "and finds its snapshots again" found first
    write_chunks /dev/mapper/first 8 300 100
    check "and goes on watching" wait_until 5 status_says 'first (live), 40\.'
}

# A shorter watchdog than the shipped one is never asked to be patient.
hung() {
    local pid
    dropin <<<$'[Service]\nWatchdogSec=3s'
    systemctl restart cowherd.service
    pid=$(main_pid)
    # Nothing happens for longer than the watchdog's time: it must have been fed all the same.
    sleep 4
    check_eq "an idle one keeps its watchdog content" "$(main_pid)" "$pid"
    mark
    kill -STOP "$pid"
    check "SIGSTOP: the watchdog has it started again" wait_until 30 another_pid "$pid"
    found first 20 >/dev/null
    write_chunks /dev/mapper/first 8 400 150
    check "and it goes on watching" rung first
}

terminated() {
    local begin took
    begin=${EPOCHREALTIME/./}
    systemctl stop cowherd.service
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    check "SIGTERM: it ends quickly ($took ms)" test "$took" -lt 5000
    check_eq "and cleanly" "$(systemctl show -p Result -p ExecMainStatus cowherd.service | sort | paste -sd' ')" "ExecMainStatus=0 Result=success"
}

# ---- by hand

by_hand() {
    local pid line
    mark
    cowherd 2>/run/by-hand.log &
    pid=$!
    found first >/dev/null
    kill "$pid"
    wait "$pid"
    check_eq "by hand: one line for the event" "$(grep -c 'COWHERD_EVENT=found' /run/by-hand.log)" 1
    line=$(grep 'COWHERD_EVENT=found' /run/by-hand.log)
    check "of key=value: $line" grep -qE '(^| )COWHERD_SNAPSHOT=first( |$)' <<<"$line"
    check "with the sentence" grep -qE ' MESSAGE="Watching first, ' <<<"$line"
    check_eq "and one entry in the journal" "$(count_events COWHERD_EVENT=found _COMM=cowherd)" 1
}

# ---- a journal that takes nothing

# Every section without a rung is warned of, so one reload brings a thousand entries: more than the socket and the queue hold.
noisy_config() {
    local number
    echo $'[snapshot urgent]\nat 80% = drop\n[snapshot calm]\nat 50% = alert notice'
    for number in {1..1000}; do echo "[snapshot noise-$number]"; done
}

stuck_journal() {
    local journald pid json text
    noisy_config | config
    start_cowherd
    make_backup urgent /dev/ram2 /dev/ram3 "$STORE"
    mark
    pid=$(main_pid)
    journald=$(systemctl show -P MainPID systemd-journald.service)
    kill -STOP "$journald"
    kill -HUP "$pid"
    sleep 1
    kill -HUP "$pid"
    sleep 1
    write_chunks "$ORIGIN" 8 0 850
    attempt wait_until 20 is_gone urgent
    kill -CONT "$journald"
    check_eq "journald stuck: the drop comes all the same" "$EXIT_CODE" 0
    check_eq "and the watchdog had nothing to do" "$(main_pid)" "$pid"
    json=$(event 20 _SYSTEMD_UNIT=cowherd.service COWHERD_EVENT=config)
    check "the journal gets what was kept for it" test -n "$json"
    wait_until 20 says_dropped || fail "nothing is said of the dropped entries"
    text=$(dropped_text)
    check "what was dropped is counted: $text" grep -qE '^[1-9][0-9]* log entries were dropped' <<<"$text"
    write_chunks "$ORIGIN" 8 850 1
    make_live calm /dev/ram4 /dev/ram5 "$STORE"
    check "and it goes on talking" found calm
}

is_gone() { [[ $(dmsetup info "$1" 2>&1) == *"does not exist"* ]]; }
dropped_text() { entries _SYSTEMD_UNIT=cowherd.service | jq -r .MESSAGE | grep 'log entries were dropped' | head -n1; }
says_dropped() { [[ -n $(dropped_text) ]]; }

config <<END
[daemon]
longest-poll = 1s
[snapshot *]
at 50% = alert
END
mark
start_cowherd
UUID=TEST-first make_live first /dev/ram0 /dev/ram1 "$STORE"
found first >/dev/null
what_it_shows
nothing_is_doubled
killed
hung
terminated
by_hand
stuck_journal
check "nothing is left suspended" nothing_suspended
