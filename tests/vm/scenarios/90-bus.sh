#!/bin/bash
# On D-Bus: everybody can look and only root, or whom polkit lets, can have something changed; changes and events are told; odd
# names come through; without a bus the daemon goes on, and joins when there is one again; a flood disturbs no saving.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

NAME=org.cowherd.Herd1
ROOT=/org/cowherd/Herd1
MANAGER=$NAME.Manager
SNAPSHOT=$NAME.Snapshot
OBJECTS=org.freedesktop.DBus.ObjectManager
STORE=$((16 * 2048)) # sectors
SIGNALS=/run/bus-signals
RULES=/etc/polkit-1/rules.d/10-test.rules

call() { busctl call "$NAME" "$ROOT" "$MANAGER" "$@"; }
object() { echo "$ROOT/snapshot/$1"; }
get() { busctl --json=short get-property "$NAME" "$(object "$1")" "$SNAPSHOT" "$2" | jq -r .data; }
on_the_bus() { busctl get-property "$NAME" "$ROOT" "$MANAGER" Version; }
knows() { busctl get-property "$NAME" "$(object "$1")" "$SNAPSHOT" Name; }
paths() { busctl --json=short call "$NAME" "$ROOT" "$OBJECTS" GetManagedObjects | jq -r '.data[0] | keys[]'; }
main_pid() { systemctl show -P MainPID cowherd.service; }
memory() { grep -E '^(VmRSS|VmLck)' "/proc/$(main_pid)/status" | tr -s '\t ' ' ' | paste -sd,; }

# as USER ARGUMENT...: busctl call of the manager by that user.
as() { setpriv --reuid="$1" --regid=nogroup --clear-groups -- busctl call "$NAME" "$ROOT" "$MANAGER" "${@:2}"; }

# seen CONDITION: whether a message that was monitored fulfils it.
seen() { jq -e -n "any(inputs; $1)" "$SIGNALS"; }

monitor() {
    busctl --json=short monitor "$NAME" >"$SIGNALS" 2>/dev/null &
    MONITOR=$!
    wait_until 20 monitor_hears
}

# A call that it sees: then it is listening.
monitor_hears() { knows g && seen '.member == "Get"'; }

stop_monitor() {
    kill "$MONITOR"
    wait "$MONITOR" || true
}

config <<CONFIG
[daemon]
assumed-fill-rate = 8MiB
longest-poll = 1s
[snapshot *]
at 30% = alert
[snapshot d*]
at 50% = drop
CONFIG

# ---- it is there

it_is_there() {
    local used
    make_live g /dev/ram0 /dev/ram1 "$STORE"
    mark
    start_cowherd
    check "it joins the bus" wait_until 30 on_the_bus
    check "and has its snapshot" wait_until 10 knows g
    PID=$(main_pid)
    echo "= memory: $(memory)"
    check_eq "the role" "$(get g Role)" live
    check_eq "the store's size" "$(get g TotalSectors)" "$STORE"
    check_eq "the node of the store" "$(get g Store)" /dev/mapper/g-store
    check_eq "its section" "$(get g Section)" 'snapshot *'
    used=$(used g)
    write_chunks /dev/mapper/g 8 0 100
    sleep 1
    check_eq "what is read is what the kernel says" "$(get g UsedSectors)" "$(used g)"
    check "which has changed" test "$(used g)" -gt "$used"
}

# ---- who may do what

who_may() {
    local order
    check "an unprivileged user can look" setpriv --reuid=65534 --regid=65534 --clear-groups -- \
        busctl call "$NAME" "$ROOT" "$OBJECTS" GetManagedObjects
    check "and have it explained" as 65534 Explain s g
    for order in "Drop sb g false" "Merge sb g false" "Extend ssb g 1MiB false" "Hold stb g 0 false" "Release sb g false" \
        "Drop sb g true" Reload; do
        # shellcheck disable=SC2086 # words
        check_not "he cannot: $order" as 65534 $order
    done
    check_eq "and nothing has come of it" "$(target g) $(get g HeldUntil)" "snapshot 0"
    check "root holds it" call Hold stb g 600 false
    check "it is held" test "$(get g HeldUntil)" -gt 0
    check "root releases it" call Release sb g false
    attempt call Drop sb nobody false
    check_eq "there is no other" "$OUTPUT" "Call failed: There is no snapshot nobody."
    attempt call Explain s nobody
    check_eq "nor to explain" "$OUTPUT" "Call failed: There is no snapshot nobody."
}

by_polkit() {
    mkdir -p "${RULES%/*}"
    trap 'rm -f $RULES' EXIT
    cat >"$RULES" <<'RULE'
polkit.addRule(function(action, subject) {
    if (action.id == "org.cowherd.Herd1.hold" && subject.user == "games")
        return polkit.Result.YES;
});
RULE
    chmod 0644 "$RULES"
    check "whom polkit lets holds a snapshot" wait_until 30 as games Hold stb g 600 false
    check_not "and drops none" as games Drop sb g false
    check_not "and another user does not" as 65534 Release sb g false
    check "root releases it" call Release sb g false
}

# ---- it tells

it_tells() {
    monitor
    mark
    fill /dev/mapper/g 8
    check "RungCrossed" wait_until 20 seen '.member == "RungCrossed" and .payload.data[1] == "g" and .payload.data[2] == "at 30% = alert"'
    check "PropertiesChanged says how full" wait_until 20 seen '.member == "PropertiesChanged" and .payload.data[1].UsedPercent.data > 45'
    check_not "and what is the same is not said" seen '.member == "PropertiesChanged" and (.payload.data[1] | has("Role"))'
    make_live h /dev/ram2 /dev/ram3 4096
    check "InterfacesAdded" wait_until 20 seen '.member == "InterfacesAdded" and .payload.data[0] == "/org/cowherd/Herd1/snapshot/h"'
    exec 7</dev/mapper/h
    check "an order that has to wait" call Drop sb h false
    check "is taken back" call Release sb h false
    exec 7<&-
    check "ActionFailed" wait_until 20 seen '.member == "ActionFailed" and .payload.data == ["/org/cowherd/Herd1/snapshot/h", "h", "drop", "order of root", "the order was taken back"]'
    fill /dev/mapper/h 3 2>/dev/null || true
    check "Lost" wait_until 20 seen '.member == "Lost" and .payload.data[0:2] == ["/org/cowherd/Herd1/snapshot/h", "h"] and (.payload.data[2] | test("^filled"))'
    check "an order of root's" call Drop sb h false
    check "ActionDone" wait_until 30 seen '.member == "ActionDone" and .payload.data[1] == "h" and .payload.data[2] == "drop" and .payload.data[3] == "order of root"'
    check "InterfacesRemoved" wait_until 20 seen '.member == "InterfacesRemoved" and .payload.data[0] == "/org/cowherd/Herd1/snapshot/h"'
    stop_monitor
}

# ---- odd names

odd_path() { paths | grep '/snapshot/a_20'; }

# A blank, quotes, a backslash, a newline, UTF-8, and a byte that is none.
odd_names() {
    local odd=$'a "b\'\\;\n\xc3\xa9\xff' path raw name
    make_store odd /dev/ram5 "$STORE"
    dmsetup create "$odd" --noudevsync --manglename none \
        --table "0 $(sectors /dev/ram4) snapshot /dev/ram4 /dev/mapper/odd-store P 8"
    check "a name of any bytes has an object" wait_until 20 odd_path
    path=$(odd_path)
    raw=$(busctl --json=short get-property "$NAME" "$path" "$SNAPSHOT" RawName | jq -r '.data[]' | xargs printf '%02x')
    check_eq "RawName is the name" "$raw" "$(printf %s "$odd" | od -An -v -t x1 | tr -d ' \n')"
    name=$(busctl --json=short get-property "$NAME" "$path" "$SNAPSHOT" Name | jq -r .data)
    check_eq "Name is UTF-8" "$name" $'a "b\'\\;\n\xc3\xa9\\xff'
}

# ---- a flood

flood() {
    while :; do
        busctl --quiet call "$NAME" "$ROOT" "$OBJECTS" GetManagedObjects || true
    done >/dev/null 2>&1
}

beside_a_flood() {
    local flood=() long
    make_backup d2 /dev/ram6 /dev/ram7 "$STORE"
    check "found" wait_until 20 knows d2
    for _ in 1 2 3; do
        flood &
        flood+=($!)
    done
    long=$(head -c 100000 /dev/zero | tr '\0' x)
    check_not "an oversized argument is refused" call Explain s "$long"
    mark
    fill "$ORIGIN" 15
    event 30 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=d2 >/dev/null
    kill "${flood[@]}"
    wait "${flood[@]}" || true
    check_eq "beside a flood a snapshot is saved in time" "$(count_events COWHERD_EVENT=lost)" 0
    check_eq "by the same process" "$(main_pid)" "$PID"
}

# ---- hostile clients: by the thousand, gone before the answer, with messages as large as the bus lets through

beside_hostile_clients() {
    local long crowd leavers
    mark
    make_backup d3 /dev/ram4 /dev/ram5 "$STORE"
    event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT=d3 >/dev/null
    as nobody Explain s d3 >/dev/null
    setpriv --reuid=nobody --regid=nogroup --clear-groups -- /tests/hostile crowd 2000 >/run/crowd &
    crowd=$!
    setpriv --reuid=daemon --regid=nogroup --clear-groups -- /tests/hostile leavers 200 >/run/leavers &
    leavers=$!
    fill "$ORIGIN" 15
    event 60 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=d3 >/dev/null
    wait "$crowd" "$leavers"
    long=$(/tests/hostile huge 2)
    echo "= hostile: of 2000 connections $(cat /run/crowd) were let in, $(cat /run/leavers) of 200 left before their answer"
    check "there were many" test "$(cat /run/crowd)" -ge 500
    check "and many left" test "$(cat /run/leavers)" -ge 100
    check_eq "arguments of 24 MiB are refused" "$long" 2
    check_eq "nothing was lost" "$(count_events COWHERD_EVENT=lost)" 0
    check_eq "by the same process" "$(main_pid)" "$PID"
    check "which still answers" wait_until 60 on_the_bus
    echo "= memory beside hostile clients: $(memory)"
    dmsetup remove d3-origin
    dmsetup remove d3-store
}

# ---- without a bus

without_a_bus() {
    systemctl stop dbus.socket dbus.service
    mark
    make_live later /dev/ram2 /dev/ram3 "$STORE"
    event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT=later >/dev/null
    systemctl start dbus.socket dbus.service
    check "it went on, and joins when there is a bus again" wait_until 90 knows later
    check_eq "the same process" "$(main_pid)" "$PID"
    echo "= memory after: $(memory)"
}

it_is_there
who_may
by_polkit
it_tells
beside_a_flood
beside_hostile_clients
odd_names # behind make_backup, whose dmsetup cannot list such a name
without_a_bus
check "nothing is left suspended" nothing_suspended
