#!/bin/bash
# What tests/picture/run shows: a backup's store fills and is extended, a live snapshot's is merged, before either is full.
# timeout: 300
# shellcheck source=../vm/lib.sh
. /tests/lib.sh

MIB=2048 # sectors

# steadily DEVICE FROM_MIB TO_MIB SECONDS: a MiB each so many seconds.
steadily() {
    local at
    for ((at = $2; at < $3; at++)); do
        fill "$1" 1 "$at"
        sleep "$4"
    done
}

config <<END
[daemon]
assumed-fill-rate = 8MiB
[snapshot *-backup]
at 60% = alert
at 75% = extend 50%
at 95% = drop
extend-from = /dev/ram4
[snapshot *-live]
at 50% = alert
at 70% = merge
END
make_backup root-backup /dev/ram0 /dev/ram1 $((32 * MIB))
make_live var-live /dev/ram2 /dev/ram3 $((48 * MIB))
fill "$ORIGIN" 14
fill /dev/mapper/var-live 20
mark
start_cowherd
event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT=var-live >/dev/null

# The terminal is as large as the picture, and stays as long as it is written to.
(
    sleep 3
    steadily "$ORIGIN" 14 34 0.4
    sleep 4
) &
(
    sleep 4
    steadily /dev/mapper/var-live 20 48 0.3
) &
TERM=xterm-256color LC_ALL=C.UTF-8 script --quiet --logging-format classic --log-out /run/typescript --log-timing /run/timing \
    --command "stty cols 104 rows 15; timeout --foreground --signal INT 36 cowctl watch --interval 1" </dev/null || true
wait
check "the backup was extended" event 1 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=root-backup COWHERD_ACTION=extend
check "the live snapshot was merged" event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=var-live COWHERD_ACTION=merge
for part in typescript timing; do
    data=$(base64 --wrap=0 /run/$part)
    echo "$part $data"
done
