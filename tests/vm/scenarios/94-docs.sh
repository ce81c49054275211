#!/bin/bash
# The documents say what is so: every command of README and manual pages is run, in a machine that has the devices they name;
# every recipe is followed to its end; the journal explains what it says.
# timeout: 600
# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=../../docs/play.sh
. /tests/docs/play.sh

RULES=/run/udev/rules.d/99-docs.rules
FSTAB_UNITS=/run/systemd/system
BOOT_FILES=(/etc/systemd/system/make-snapshots.service /usr/local/sbin/make-{snapshots,root} /etc/fstab
    /etc/systemd/system/systemd-fsck@dev-mapper-data.service.d)
MANUALS=/usr/share/man

# No other scenario may meet what is set up here.
clean_up() {
    systemctl disable --quiet cowherd.service make-snapshots.service 2>/dev/null || true
    rm -rf "${BOOT_FILES[@]}" "$RULES" "$FSTAB_UNITS"/{srv.mount,local-fs.target.requires} "$PLAY" /root/new.conf /root/update.tar
    udevadm control --reload || true
    systemctl daemon-reload
}
trap clean_up EXIT

# ---- the machine of the examples

partition_names() {
    mkdir -p "${RULES%/*}"
    cat >"$RULES" <<'END'
KERNEL=="ram0", SYMLINK+="disk/by-partlabel/root"
KERNEL=="ram1", SYMLINK+="disk/by-partlabel/root-store"
KERNEL=="ram4", SYMLINK+="disk/by-partlabel/data"
KERNEL=="ram5", SYMLINK+="disk/by-partlabel/data-store"
KERNEL=="ram7", SYMLINK+="disk/by-label/cowherd"
END
    udevadm control --reload
    udevadm trigger --settle /dev/ram0 /dev/ram1 /dev/ram4 /dev/ram5 /dev/ram7
    check "the partitions have their names" test -b /dev/disk/by-partlabel/data-store
}

root_snapshots() {
    ORIGIN_SECTORS=65536 make_backup root-backup /dev/ram0 /dev/ram1 32768
    ORIGIN_SECTORS=65536 make_live root-live /dev/ram2 /dev/ram3 32768
    fill "$ORIGIN" 1
    cp "$SHIPPED" /root/new.conf
}

# make_filesystem DEVICE DIRECTORY: with something old in it.
make_filesystem() {
    mkfs.ext4 -q "$1"
    mkdir -p "$2"
    mount "$1" "$2"
    echo old >"$2/release"
    sync -f "$2"
}

# ---- the journal's explanations

# A rung and a loss, and what journalctl -x says of them.
explanations() {
    mark
    rm -f /var/lib/systemd/catalog/database
    check "the catalog is taken" journalctl --update-catalog
    check_eq "all of it" "$(journalctl --list-catalog | grep -c ' cowherd: ')" 10
    config <<END
[snapshot told]
at 30% = alert
on lost = alert critical
END
    start_cowherd
    ORIGIN_SECTORS=65536 make_live told /dev/ram0 /dev/ram1 8000
    write_chunks /dev/mapper/told 8 0 400
    event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=told >/dev/null
    fill /dev/mapper/told 8 2>/dev/null || true
    event 10 COWHERD_EVENT=lost COWHERD_SNAPSHOT=told >/dev/null
    explained rung 'Subject: Rung "at 30% = alert" of told is crossed' "make the store longer: * cowctl extend 'told' 1GiB"
    explained lost 'Subject: Snapshot told is lost' "cowctl drop 'told'"
    dmsetup remove told told-store
    stop_cowherd
    rm -rf /etc/cowherd
}

# explained EVENT PATTERN...
explained() {
    local said pattern
    said=$(journalctl -q --cursor="$MARK" -x COWHERD_SNAPSHOT=told COWHERD_EVENT="$1")
    for pattern in "${@:2}"; do
        grep -qe "$pattern" <<<"$said" || fail "of $1 journalctl -x says: $said"
    done
    echo "ok - $1 is explained"
}

# Whatever was said in this scenario: no explanation shows the name of a field that its entry lacks.
explanations_are_filled_in() {
    local said
    said=$(journalctl -q --cursor="$MARK" -x -u cowherd.service)
    check "there are explanations" grep -q 'Subject: Action "drop' <<<"$said"
    check_eq "no field is missing in them" "$(grep -o '@\?COWHERD_[A-Z]*@\?' <<<"$said" || true)" ""
}

# ---- recipes

release() { cat "$1/release"; }

# Between two recipes: the old release again.
begin_again() {
    echo old >/srv/release
    sync -f /srv
}

backup_role() {
    install_file cowherd-snapshots.7 "$DATA_CONF" 1
    recipe cowherd-snapshots.7 backup-make
    check_eq "backup: made under the mounted filesystem" "$(target data) $(target data-backup)" "snapshot-origin snapshot"
    recipe cowherd-snapshots.7 backup-update
    sync -f /srv
    mount -o ro /dev/mapper/data-backup /mnt
    check_eq "backup: the snapshot has the old data, whole" "$(release /mnt)" old
    umount /mnt
    recipe cowherd-snapshots.7 backup-commit
    check "backup: committed: no snapshot" is_gone data-backup
    check_eq "and the new data" "$(release /srv)" new

    begin_again
    recipe cowherd-snapshots.7 backup-make
    recipe cowherd-snapshots.7 backup-update
    check_eq "backup: updated" "$(release /srv)" new
    recipe cowherd-snapshots.7 backup-rollback
    check "backup: rolled back: no snapshot" is_gone data-backup
    check_eq "and the old data" "$(release /srv) $(target data)" "old linear"
}

live_role() {
    install_file cowherd-snapshots.7 "$DATA_CONF" 2
    recipe cowherd-snapshots.7 live-make
    check_eq "live: made under the mounted filesystem" "$(target data)" snapshot
    recipe cowherd-snapshots.7 live-update
    check_eq "live: updated" "$(release /srv)" new
    recipe cowherd-snapshots.7 live-commit
    check_eq "live: committed" "$(target data) $(release /srv)" "linear new"

    begin_again
    recipe cowherd-snapshots.7 live-make
    recipe cowherd-snapshots.7 live-update
    check_eq "live: updated again" "$(release /srv)" new
    recipe cowherd-snapshots.7 live-rollback
    check_eq "live: rolled back" "$(target data) $(release /srv)" "linear old"
    umount /srv
    check "the filesystem is clean after all of it" e2fsck -fn /dev/mapper/data
}

with_lvm() {
    quietly_lvm vgcreate vg0 /dev/ram6
    quietly_lvm lvcreate -y -Wn -L 48M -n home vg0
    make_filesystem /dev/vg0/home /home
    recipe cowherd-snapshots.7 lvm-make
    echo new >/home/release
    recipe cowherd-snapshots.7 lvm-commit
    check "lvm: committed: no snapshot" is_gone vg0-home--backup
    check_eq "and the new data" "$(release /home)" new
    recipe cowherd-snapshots.7 lvm-make
    echo newer >/home/release
    sync -f /home
    recipe cowherd-snapshots.7 lvm-rollback
    check_eq "lvm: rolled back" "$(release /home)" new
    umount /home
    quietly_lvm vgremove -y vg0
}
quietly_lvm() { "$@" >/dev/null 2>&1 || fail "this failed: $*"; }

# ---- at boot

boot_order() {
    local fsck unit
    dmsetup remove data
    stop_cowherd
    install_file cowherd-snapshots.7 /etc/systemd/system/make-snapshots.service
    install_file cowherd-snapshots.7 /usr/local/sbin/make-snapshots
    install_file cowherd-snapshots.7 /etc/fstab
    install_file cowherd-snapshots.7 "${BOOT_FILES[-1]}/cowherd.conf"
    fsck=$(basename "${BOOT_FILES[-1]}" .d)
    recipe cowherd-snapshots.7 boot-escape
    check_eq "boot: the drop-in's name" "${OUTPUT##*$'\n'}" "$fsck"
    recipe cowherd-snapshots.7 boot-enable
    # The machine's own is masked, for it has no fstab.
    mkdir -p /run/other-units
    /usr/lib/systemd/system-generators/systemd-fstab-generator "$FSTAB_UNITS" /run/other-units /run/other-units
    systemctl daemon-reload
    for unit in srv.mount "$fsck"; do
        check "boot: $unit comes after cowherd" grep -qw cowherd.service <<<"$(systemctl show -P After "$unit")"
    done

    start_cowherd
    check_eq "boot: a store that was zeroed" "$(target data)" linear
    stop_cowherd
    systemctl stop make-snapshots.service
    dmsetup remove data
    dmsetup create data-backup --table "0 262144 snapshot /dev/ram4 /dev/ram5 P 8"
    dmsetup remove data-backup
    mark_boot=$MARK
    systemctl start cowherd.service srv.mount
    check_eq "boot: a store in use" "$(target data) $(target data-backup)" "snapshot-origin snapshot"
    check_eq "boot: mounted" "$(release /srv)" old
    check_eq "boot: no ordering cycle" "$(journalctl -q --cursor="$mark_boot" -o cat -g 'ordering cycle' | head -n1 || true)" ""
    umount /srv
    stop_cowherd
}

# root_tables: what the script of the initramfs makes.
root_tables() {
    sh -eu /usr/local/sbin/make-root
    dmsetup table --target snapshot-origin root
    dmsetup table --target snapshot-merge root
    dmsetup table --target linear root
}
initramfs() {
    local store=/dev/ram1
    install_file cowherd-snapshots.7 /usr/local/sbin/make-root
    mkfs.ext4 -q -L cowherd /dev/ram7
    udevadm trigger --settle /dev/ram7
    dd if=/dev/zero of=$store bs=4096 count=1 oflag=direct status=none
    check_eq "initramfs: a blank store" "$(root_tables | cut -d' ' -f3)" linear
    dmsetup remove root
    dmsetup create root-backup --table "0 262144 snapshot /dev/ram0 $store P 8"
    dmsetup remove root-backup
    check_eq "initramfs: a snapshot" "$(root_tables | cut -d' ' -f3) $(target root-backup)" "snapshot-origin snapshot"
    dmsetup remove root
    dmsetup remove root-backup
    mount /dev/ram7 /mnt
    printf 'action=3\nname=root-backup\n' >/mnt/1.intent
    umount /mnt
    check_eq "initramfs: a rollback" "$(root_tables | cut -d' ' -f3)" snapshot-merge
    check "and no snapshot beside it" is_gone root-backup
    dmsetup remove root
}

DATA_CONF=/etc/cowherd/cowherd.conf.d/10-data.conf

rm -rf "$PLAY"
take README.md /usr/share/doc/cowherd/README.md
for page in "$MANUALS"/man[578]/cow*.[578]; do
    take "${page##*/}" "$page"
done
partition_names
explanations

root_snapshots
play README.md
play cowherd.conf.5
play cowherd.8
cat >"$CONFIG" <<END
[snapshot root-backup]
at 99% = alert
extend-from = /dev/ram1
END
systemctl reload cowherd.service
check "cowctl reaches the daemon" wait_until 30 cowctl explain root-backup
play cowctl.8
check "cowctl.8: what it drops is gone" is_gone root-backup
dmsetup remove root-live
dmsetup remove root-live-store
dmsetup remove root-backup-origin
dmsetup remove root-backup-store

rm "$CONFIG"
play cowherd-snapshots.7
mkdir -p /root/new-release
echo new >/root/new-release/release
dd if=/dev/urandom of=/root/new-release/more bs=1M count=2 status=none
tar -C /root/new-release -cf /root/update.tar .
dmsetup create data --table "0 262144 linear /dev/ram4 0"
make_filesystem /dev/mapper/data /srv
backup_role
live_role
with_lvm
explanations_are_filled_in
boot_order
initramfs
check_eq "every block with a name was used" "$(unused)" ""
check "nothing is suspended" nothing_suspended
echo "= $COMMANDS_RUN commands of $(find "$PLAY" -mindepth 1 -type d | wc -l) documents were run"
