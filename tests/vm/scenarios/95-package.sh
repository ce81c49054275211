#!/bin/bash
# The Debian package: installed, it watches; an upgrade keeps an edited configuration, and the action under way; remove and
# purge leave nothing but the record of a merge that is not finished.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

PACKAGE=$(echo /tests/package/cowherd_*.deb)
NEXT=$(echo /tests/package/next/cowherd_*.deb)

export DEBIAN_FRONTEND=noninteractive

main_pid() { systemctl show -P MainPID cowherd.service; }
sum() { sha256sum "$1" | cut -d' ' -f1; }
status() { dpkg-query -W -f '${db:Status-Status}' cowherd 2>/dev/null || true; }
found() { event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }
catalog_id() { dpkg-deb --fsys-tarfile "$PACKAGE" | tar -xO ./usr/lib/systemd/catalog/cowherd.catalog | awk '$1 == "--" && !n++ { print $2 }'; }
is_merging() { [[ $(target "$1") == snapshot-merge ]]; }

# slow_merge NAME ORIGIN_DISK STORE_DISK: a live snapshot whose merge has begun, and takes minutes where nobody makes the disk
# fast again. What it shows is in DATA; the chunks that are written last hold zeroes already.
slow_merge() {
    local i
    fill "$2" 1
    dmsetup create "$1-disk" --table "0 8192 delay $2 0 0 $2 0 0"
    ORIGIN_SECTORS=8192 make_live "$1" "/dev/mapper/$1-disk" "$3" 400
    found "$1"
    for ((i = 20; i > 0; i--)); do write_chunks "/dev/mapper/$1" 8 $((i * 3)) 1; done
    DATA=$(sha "/dev/mapper/$1")
    delay_writes "$1" 10000 "$2"
    write_chunks "/dev/mapper/$1" 8 600 8
    event 20 COWHERD_EVENT=action-start COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge >/dev/null
    wait_until 20 is_merging "$1" || fail "$1 is not merged"
}

# merge_ends NAME DISK: quickly, from now on.
merge_ends() {
    delay_writes "$1" 0 "$2"
    event 30 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" COWHERD_ACTION=merge >/dev/null
    check_eq "the merge is finished, with the data of the snapshot" "$(target "$1") $(sha "/dev/mapper/$1")" "linear $DATA"
}

# delay_writes NAME MSEC DISK: those to its origin.
delay_writes() {
    dmsetup load "$1-disk" --table "0 8192 delay $3 0 0 $3 0 $2"
    dmsetup resume "$1-disk"
}

runs_what_is_installed() { [[ $(sum "/proc/$(main_pid)/exe") == "$(sum /usr/sbin/cowherd)" ]]; }
is_up() { [[ $(systemctl is-enabled cowherd.service) == enabled && $(systemctl is-active cowherd.service) == active ]]; }

install_it() {
    mark
    check "dpkg -i" dpkg -i "$PACKAGE"
    check_eq "everything is as it was packed" "$(dpkg --verify cowherd)" ""
    check "the service is enabled, and runs" is_up
    check "it watches the snapshot that is there" found steady
    check "its catalog is known" journalctl --list-catalog "$CATALOG_ID"
    check "it has its name on the bus" wait_until 20 busctl status org.cowherd.Herd1
}

edit_it() {
    printf '%s\n' '[snapshot slow-*]' 'at 50% = merge' >>/etc/cowherd/cowherd.conf
    systemctl reload cowherd.service
    EDITED=$(sum /etc/cowherd/cowherd.conf)
}

# dpkg would ask what is to become of the edited file; nobody is there to answer.
upgrade_it() {
    local old
    old=$(main_pid)
    slow_merge slow-upgrade /dev/ram2 /dev/ram3
    mark
    check "the next version" dpkg --force-confdef --force-confold -i "$NEXT"
    check "the merge goes on meanwhile" is_merging slow-upgrade
    check_eq "the edited configuration is kept" "$(sum /etc/cowherd/cowherd.conf)" "$EDITED"
    check "and the new one lies beside it" grep -q 'next version' /etc/cowherd/cowherd.conf.dpkg-dist
    check "the service runs" is_up
    check_not "in another process" test "$(main_pid)" -eq "$old"
    check "which is the new version" runs_what_is_installed
    check "which watches the snapshot" found steady
    merge_ends slow-upgrade /dev/ram2
}

remove_it() {
    slow_merge slow-remove /dev/ram4 /dev/ram5
    attempt dpkg --remove cowherd
    check_eq "removed" "$EXIT_CODE" 0
    check "what is not finished is named" grep -qx '  slow-remove' <<<"$OUTPUT"
    check "no program is left" test ! -e /usr/sbin/cowherd
    check_not "and no service runs" systemctl is-active --quiet cowherd.service
    check_eq "but the configuration is" "$(sum /etc/cowherd/cowherd.conf)" "$EDITED"
    check "nothing is left suspended" nothing_suspended
    check "purged" dpkg --purge cowherd
    check "the record of the merge is kept" test -n "$(ls /var/lib/cowherd)"
    check "nothing of the configuration" test ! -e /etc/cowherd
}

# Installed once more, it finds the record of its merge.
come_back() {
    mark
    check "installed again" dpkg -i "$PACKAGE"
    merge_ends slow-remove /dev/ram4
}

# Where a package or its service leaves something; not what is the test's or the log's.
leftovers() {
    find /etc /usr /var /run /dev/shm \( -path /run/log -o -path /var/log -o -path /run/systemd \) -prune -o -name '*cowherd*' -print |
        grep -vE '^/run/cowherd-vm|/cowherd-vm-(run|shell)\.service$|^/run/udev' || true
}

purge_it() {
    check "purged" dpkg --purge cowherd
    check_eq "dpkg knows it no more" "$(status)" ""
    check_eq "nothing is left" "$(leftovers)" ""
    check_not "systemd knows no such unit" systemctl cat cowherd.service
}

[[ -e $PACKAGE && -e $NEXT ]] || skip "no package was built: tests/package/run build next"
take_away_build
CATALOG_ID=$(catalog_id)
rm -f /var/lib/systemd/catalog/database # where there is nothing to put into it, an update leaves an earlier scenario's
check_not "at first nobody knows its catalog" journalctl --list-catalog "$CATALOG_ID"
check_eq "at first there is nothing of it" "$(leftovers)" ""
modprobe dm-delay
ORIGIN_SECTORS=8192 make_backup steady /dev/ram0 /dev/ram1 400
install_it
edit_it
upgrade_it
remove_it
come_back
purge_it
check "nothing is left suspended" nothing_suspended
check_eq "the snapshot is as it was" "$(target steady) $(target steady-origin)" "snapshot snapshot-origin"
