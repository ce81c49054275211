#!/bin/bash
# Metrics: Debian's node_exporter reads the file as another user, Prometheus scrapes it, the shipped alerts fire; odd names
# come through; a metrics directory that hangs or is missing disturbs nothing.
# timeout: 600
# programs: yes
# shellcheck source=lib.sh
. /tests/lib.sh

BIN=/run/programs/usr/bin
DIRECTORY=/var/lib/prometheus/node-exporter
FILE=$DIRECTORY/cowherd.prom
SHARE=/usr/share/cowherd
ORIGIN_SECTORS=65536
ODD=$'odd "name"\\ of\ncaf\303\251'

# http PORT PATH: the body of the answer.
http() {
    local tcp
    exec {tcp}<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&"$tcp"
    sed '1,/^\r$/d' <&"$tcp"
    exec {tcp}>&-
}

# query PROMQL: what Prometheus answers, as JSON.
query() { http 9090 "/api/v1/query?query=$(jq -rn --arg query "$1" '$query | @uri')"; }

# value PROMQL: of its one sample; empty where it has none.
value() { query "$1" | jq -r '.data.result[0].value[1] // ""'; }
is() { [[ $(value "$1") == "$2" ]]; }

# firing ALERT SNAPSHOT
firing() { is "ALERTS{alertname=\"$1\",alertstate=\"firing\",snapshot=\"$2\"}" 1; }

in_file() { grep -qE "$1" "$FILE"; }
told() { entries _SYSTEMD_UNIT=cowherd.service | jq -r .MESSAGE | grep -cE "$1" || true; }
is_told() { [[ $(told "$1") -gt 0 ]]; }

# The directories are as Debian's packages leave them; neither its user nor its units are needed.
start_prometheus() {
    install -d -o nobody /var/lib/prometheus
    install -d -m 0755 "$DIRECTORY"
    install -d -o nobody /run/prometheus
    cat >/run/prometheus/prometheus.yml <<END
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$SHARE/prometheus-rules.yml]
scrape_configs: [{job_name: node, static_configs: [{targets: ['127.0.0.1:9100']}]}]
END
    systemd-run -q --unit vm-node-exporter -p User=nobody "$BIN/prometheus-node-exporter" \
        --web.listen-address=127.0.0.1:9100 --collector.disable-defaults --collector.textfile
    systemd-run -q --unit vm-prometheus -p User=nobody "$BIN/prometheus" --config.file=/run/prometheus/prometheus.yml \
        --storage.tsdb.path=/run/prometheus/data --web.listen-address=127.0.0.1:9090
}

stop_prometheus() {
    systemctl kill -s KILL vm-node-exporter.service vm-prometheus.service 2>/dev/null || true
    rm -rf /run/prometheus /var/lib/prometheus
}

the_file() {
    check "the metrics are written" wait_until 30 test -s "$FILE"
    check_eq "everybody may read them, root alone write" "$(stat -c '%a %U' "$FILE")" "644 root"
    check_eq "nothing else is there" "$(ls -A "$DIRECTORY")" cowherd.prom
    check "a snapshot that is found is in them soon" wait_until 30 in_file '^cowherd_snapshot_used_bytes\{snapshot="store",uuid="TEST-METRICS"\}'
}

numbers_are_the_kernels() {
    check "the bytes are the kernel's" wait_until 60 is 'cowherd_snapshot_used_bytes{snapshot="store"}' "$(($(used store) * 512))"
    check_eq "and the size" "$(value 'cowherd_snapshot_size_bytes{snapshot="store"}')" "$(($(total store) * 512))"
    check_eq "nothing fills it" "$(value 'cowherd_snapshot_state{snapshot="store",state="valid"}')" 1
    check_eq "its rung is counted from 0" "$(value 'cowherd_snapshot_rung_total{snapshot="store",rung="at 50% = alert"}')" 0
    check_eq "its devices" "$(query 'cowherd_snapshot_info{snapshot="store"}' | jq -c '.data.result[0].metric | [.role, .origin, .store, .section]')" \
        '["live","/dev/ram0","/dev/mapper/store-store","snapshot store"]'
}

names_come_through() {
    make_store odd /dev/ram5 8000
    raw create "$ODD" --noudevsync --table "0 $ORIGIN_SECTORS snapshot /dev/ram4 /dev/mapper/odd-store P 8"
    check "an odd name comes through" wait_until 60 has_odd_name
    raw remove --noudevsync "$ODD"
    check "and goes" wait_until 60 is cowherd_snapshots 2
}

raw() { dmsetup --manglename none "$@"; }
has_odd_name() { query cowherd_snapshot_held | jq -e --arg odd "$ODD" '.data.result | any(.metric.snapshot == $odd)'; }

alert_fires() {
    write_chunks /dev/mapper/store 8 0 930
    check "an alert fires: nearly full" wait_until 90 firing CowherdSnapshotNearlyFull store
    check "its rung has been counted" wait_until 60 is 'cowherd_snapshot_rung_total{snapshot="store",rung="at 50% = alert"}' 1
    # Prometheus saw it at 0 before: so there is an increase.
    check "and shows as an increase" wait_until 30 is 'increase(cowherd_snapshot_rung_total{snapshot="store",rung="at 50% = alert"}[10m]) > bool 0' 1
}

lost_fires() {
    write_chunks /dev/mapper/store 8 930 200 2>/dev/null || true
    check "an alert fires: lost" wait_until 90 firing CowherdSnapshotLost store
    check_eq "the loss is counted" "$(value 'cowherd_snapshot_lost_total{snapshot="store"}')" 1
}

# A directory that goes and comes back.
missing_directory() {
    mark
    mv "$DIRECTORY" "$DIRECTORY.away"
    write_chunks /dev/mapper/other 8 0 10
    check "that it cannot be written is told" wait_until 60 is_told 'metrics cannot be written to .*: No such file'
    write_chunks /dev/mapper/other 8 10 10
    mv "$DIRECTORY.away" "$DIRECTORY"
    check "and that it can be again" wait_until 120 is_told 'metrics are written to .* again'
    check_eq "both once" "$(told 'metrics cannot be') $(told 'metrics are written')" "1 1"
}

# A file system that is frozen, on a device that is suspended: whoever writes there hangs, and cannot even be killed.
hung_directory() {
    mke2fs -q -t ext4 /dev/ram6
    dmsetup create hung --table "0 $(sectors /dev/ram6) linear /dev/ram6 0"
    mkdir -p /mnt/hung
    mount /dev/mapper/hung /mnt/hung
    ladder /mnt/hung/cowherd.prom
    systemctl reload cowherd.service
    check "another file after a reload" wait_until 30 test -s /mnt/hung/cowherd.prom
    check "in place of the former one" test ! -e "$FILE"
    mark
    dmsetup suspend hung
    write_chunks /dev/mapper/other 8 20 10
    check "that its directory hangs is told" wait_until 90 is_told 'metrics cannot be written to .*: it takes too long'
    write_chunks /dev/mapper/other 8 30 800
    check "meanwhile what must be done is done" wait_until 60 is_gone other
    dmsetup resume hung
    check "when it wakes they are written again" wait_until 120 is_told 'metrics are written to .* again'
    check_eq "both once" "$(told 'metrics cannot be') $(told 'metrics are written')" "1 1"
    check "the drop has been counted" wait_until 60 grep -q '^cowherd_action_total{action="drop",result="done"} 1$' /mnt/hung/cowherd.prom
}

none_any_more() {
    ladder ''
    systemctl reload cowherd.service
    check "no file is wanted any more: it is removed" wait_until 30 test ! -e /mnt/hung/cowherd.prom
}

ladder() {
    config <<END
[daemon]
longest-poll = 1s
metrics-file = $1
[snapshot *]
at 99% = alert
[snapshot store]
at 50% = alert
[snapshot other]
at 70% = drop
END
}

trap stop_prometheus EXIT
mount_programs /run/programs
start_prometheus
ladder "$FILE"
start_cowherd
UUID=TEST-METRICS make_live store /dev/ram0 /dev/ram1 8000
make_live other /dev/ram2 /dev/ram3 8000
the_file
check "Prometheus has scraped it" wait_until 120 is 'cowherd_snapshots' 2
numbers_are_the_kernels
alert_fires
lost_fires
names_come_through
missing_directory
hung_directory
none_any_more
