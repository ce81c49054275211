#!/bin/bash
# Started before there is a device-mapper, as on a machine whose initramfs has not come so far: it waits, and begins when
# the modules are there.
# timeout: 120
# shellcheck source=lib.sh
. /tests/lib.sh

status_text() { systemctl show -P StatusText cowherd.service; }
has_been_up() { [[ $(cut -d. -f1 /proc/uptime) -gt 50 ]]; }
status_says() { status_text | grep -q "$1"; }

# Whatever earlier scenarios had loaded on top of it, too.
unload() {
    local modules
    mapfile -t modules < <(lsmod | awk '/^dm_/ { print $1 }')
    modprobe -r "${modules[@]}"
}

dmsetup remove_all
wait_until 20 unload || skip "dm_mod cannot be unloaded here: $(lsmod | grep '^dm_')"
mkdir -p /run/modprobe.d
trap 'rm -f /run/modprobe.d/cowherd-test.conf' EXIT # or no scenario behind this one would have its devices
echo 'install dm_mod echo >>/run/asked; exit 1' >/run/modprobe.d/cowherd-test.conf
mark
start_cowherd
check "without device-mapper it runs, and says what it waits for" grep -q 'waiting for device-mapper' <<<"$(status_text)"
wait_until 60 has_been_up # and has looked at nothing for longer than a heartbeat
: >/run/asked
sleep 4
asked=$(wc -l </run/asked)
check "it asks once a second: $asked times in 4 s" test "$asked" -ge 1 -a "$asked" -le 8
systemctl reload cowherd.service
check_eq "a reload has nothing to complain of" "$(entries _SYSTEMD_UNIT=cowherd.service | jq -r 'select(.PRIORITY <= "3") | .MESSAGE')" ""
check "and waits on" grep -q 'waiting for device-mapper' <<<"$(status_text)"
rm /run/modprobe.d/cowherd-test.conf
modprobe dm_snapshot
ORIGIN_SECTORS=65536 make_live first /dev/ram0 /dev/ram1 8000
event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=first >/dev/null
check "when it is there, its first snapshot is counted" wait_until 5 status_says 'watching 1 snapshot;'
check_not "nothing is waited for any more" status_says 'waiting'
