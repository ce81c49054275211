#!/bin/bash
# Every action on what snapshots can be made of: chunks of 4 KiB to 512 KiB in stores that are no multiple of one; partitions,
# loop devices and logical volumes as origin and store; several snapshots of one origin; a drop under a reader.
# timeout: 480
# shellcheck source=lib.sh
. /tests/lib.sh

HOLDS=16        # exceptions that a store of the first part holds
declare -A RIGHT

done_event() { event 60 COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" COWHERD_ACTION="$2" >/dev/null; }

# written_to NAME: the device through which NAME is filled.
written_to() { if is_gone "$1-origin"; then echo "/dev/mapper/$1"; else echo "/dev/mapper/$1-origin"; fi; }

# ---- chunk sizes

# Names are ACTION-CHUNK; every action with the smallest and the largest chunk, and each chunk with one.
chunk_names() {
    local chunk action
    local -a actions=(live rollback drop)
    for action in "${actions[@]}"; do
        echo "$action-8" "$action-1024"
    done
    for chunk in 16 32 64 128 256 512; do
        echo "${actions[chunk % 7 % 3]}-$chunk"
    done
}

# Two chunks before its store is full something is done. What is behind the last whole chunk is of no use to anybody.
chunk_policy() {
    local action=${1%-*}
    [[ $action == drop ]] || action=merge
    printf '[snapshot %s]\nat %dKiB free = %s\n' "$1" "${1#*-}" "$action"
}

lay_out_chunks() {
    local name=$1 action=${1%-*} chunk=${1#*-} role=backup
    [[ $action != live ]] || role=live
    ORIGIN_SECTORS=$((HOLDS * chunk))
    dmsetup create "$name-disk" --table "0 $ORIGIN_SECTORS linear /dev/ram0 $ORIGIN_AT"
    RIGHT[$name]=$(sha "/dev/mapper/$name-disk")
    STORE_OFFSET=$STORE_AT "make_$role" "$name" "/dev/mapper/$name-disk" /dev/ram1 "$(store_size "$chunk")" "$chunk"
    ORIGIN_AT=$((ORIGIN_AT + ORIGIN_SECTORS)) STORE_AT=$((STORE_AT + $(store_size "$chunk") + 1))
    write_chunks "$(written_to "$name")" "$chunk" 0 $((HOLDS - 3))
    unset ORIGIN_SECTORS
}

store_size() { echo $(($(store_sectors "$HOLDS" "$1") + $1 - 1)); }

# The rung is crossed by the very chunk that leaves two, with what the kernel calls used then.
acted() {
    local name=$1 action=${1%-*} chunk=${1#*-} json left=$1
    json=$(event 30 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$name")
    check_eq "$name: used when it was crossed" "$(field "$json" COWHERD_USED_SECTORS)" "$(store_sectors $((HOLDS - 2)) "$chunk")"
    check_eq "$name: of" "$(field "$json" COWHERD_TOTAL_SECTORS)" "$(store_size "$chunk")"
    if [[ $action == drop ]]; then done_event "$name" drop; else done_event "$name" merge; fi
    [[ $action == live ]] || left=$name-origin
    check_eq "$name: the data" "$(sha "/dev/mapper/$left")" "${RIGHT[$name]}"
    check "$name: its store is zeroed" zeroes "$name"
}

chunk_sizes() {
    local name
    local -a names
    local ORIGIN_AT=0 STORE_AT=0
    read -ra names < <(chunk_names | xargs)
    for name in "${names[@]}"; do lay_out_chunks "$name"; done
    mark
    start_cowherd
    sleep 1
    check_eq "none is said to be as full as that yet" "$(count_events COWHERD_EVENT=rung)" 0
    for name in "${names[@]}"; do
        write_chunks "$(written_to "$name")" "${name#*-}" $((HOLDS - 3)) 1
        [[ $name == rollback-* ]] || RIGHT[$name]=$(sha "$(written_to "$name")")
    done
    for name in "${names[@]}"; do acted "$name"; done
    check_eq "none was lost" "$(count_events COWHERD_EVENT=lost)" 0
}

# ---- what they lie on

# lies_on NAME ORIGIN STORE: rolled back, and merged live.
lies_on() {
    local name=$1 size old new
    size=$(sectors "$2")
    old=$(sha "$2")
    mark
    dmsetup create "$name" --table "0 $size snapshot $2 $3 P 16"
    dmsetup create "$name-origin" --table "0 $size snapshot-origin $2"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$name" COWHERD_ROLE=backup >/dev/null
    fill "/dev/mapper/$name-origin" 4
    done_event "$name" merge
    check_eq "$name: rolled back" "$(sha "$2")" "$old"
    check "$name: its store is zeroed" blank "$3"
    dmsetup remove "$name-origin"

    mark
    dmsetup create "$name" --table "0 $size snapshot $2 $3 P 16"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$name" COWHERD_ROLE=live >/dev/null
    fill "/dev/mapper/$name" 4 1
    done_event "$name" merge
    new=$(sha "/dev/mapper/$name")
    check_eq "$name: the new data is kept" "$(sha "/dev/mapper/$name" 4 1)" \
        "$(head -c $((4 << 20)) "$PATTERN" | sha256sum | cut -d' ' -f1)"
    dmsetup remove "$name"
    check_eq "$name: beneath it too" "$(sha "$2")" "$new"
    check "$name: its store is zeroed again" blank "$3"
}

# disk_file NAME MIB: a loop device; LOOP is its path. Without -P: udev has partitions read again whenever somebody who could
# write has closed the disk, and those that are in no table on it would be gone.
disk_file() {
    head -c "$(($2 << 20))" /dev/urandom >"/run/$1.disk"
    LOOP=$(losetup -f --show "/run/$1.disk")
}

# disk_is_recorded ORIGIN STORE FILE: a partition that comes in the store's place must not be taken for it.
disk_is_recorded() {
    mark
    dmsetup create ordered --table "0 16384 snapshot $1 $2 P 8"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=ordered >/dev/null
    exec 7</dev/mapper/ordered
    check "a drop is ordered" cowctl drop ordered
    check "which disk the store's partition is of is recorded" \
        wait_until 10 grep -qx "store-disk-sequence=$(cat "$3")" /var/lib/cowherd/*.intent
    exec 7<&-
    done_event ordered drop
    check "its store is zeroed" blank "$2"
}

partitions() {
    disk_file parted 24
    addpart "$LOOP" 1 2048 16384
    addpart "$LOOP" 2 20480 20000
    udevadm settle
    dd if=/dev/zero of="${LOOP}p2" bs=4096 count=1 oflag=direct status=none
    lies_on part "${LOOP}p1" "${LOOP}p2"
    disk_is_recorded "${LOOP}p1" "${LOOP}p2" "/sys/block/${LOOP##*/}/diskseq"
    losetup -d "$LOOP"
    rm /run/parted.disk
}

loops() {
    local origin
    disk_file origin 8
    origin=$LOOP
    disk_file store 10
    dd if=/dev/zero of="$LOOP" bs=4096 count=1 oflag=direct status=none
    lies_on loop "$origin" "$LOOP"
    losetup -d "$origin" "$LOOP"
    rm /run/{origin,store}.disk
}

# The snapshot is raw, what is beneath is lvm's: it is not lvm's snapshot.
volumes() {
    vgcreate -qq raw /dev/ram2
    lvcreate -qq -y -an -L 8M -n origin raw
    lvcreate -qq -y -an -L 12M -n store raw
    vgchange -qq -ay raw
    fill /dev/raw/origin 8
    dd if=/dev/zero of=/dev/raw/store bs=4096 count=1 oflag=direct status=none
    lies_on volume /dev/raw/origin /dev/raw/store
    vgchange -qq -an raw
}

# ---- several of one origin

several() {
    local old
    fill /dev/ram3 16
    ORIGIN_SECTORS=16384
    old=$(sha /dev/ram3 8)
    mark
    make_backup first /dev/ram3 /dev/ram4 "$(store_sectors 100 8)" 8
    STORE_OFFSET=16384 make_backup second /dev/ram3 /dev/ram4 "$(store_sectors 300 32)" 32
    STORE_OFFSET=65536 make_backup third /dev/ram3 /dev/ram4 "$(store_sectors 100 128)" 128
    unset ORIGIN_SECTORS
    write_chunks "$ORIGIN" 8 0 60
    done_event first merge
    check_eq "rolled back beside two others" "$(sha "$ORIGIN")" "$old"
    check_eq "which go on being copied for" "$(target first-origin)" snapshot-origin
    check_eq "with what they have" "$(sha /dev/mapper/second) $(sha /dev/mapper/third)" "$old $old"
    write_chunks "$ORIGIN" 32 0 160
    done_event second drop
    check_eq "dropped beside one other, which has what it had" "$(sha /dev/mapper/third)" "$old"
    write_chunks "$ORIGIN" 128 0 90
    done_event third merge
    check_eq "the last one rolled back" "$(sha "$ORIGIN")" "$old"
    check_eq "nobody is left to copy for" "$(target first-origin)" linear
    check_eq "none was lost" "$(count_events COWHERD_EVENT=lost)" 0
}

# ---- under a reader

reader_gets_errors() { ! dd if=/proc/self/fd/7 of=/dev/null bs=4096 count=1 iflag=direct status=none; }

drop_open() {
    local other
    mark
    ORIGIN_SECTORS=16384 make_backup torn /dev/ram5 /dev/ram6 4096
    STORE_OFFSET=8192 ORIGIN_SECTORS=16384 make_backup other /dev/ram5 /dev/ram6 16384
    other=$(sha /dev/mapper/other)
    exec 7</dev/mapper/torn
    fill "$ORIGIN" 1
    done_event torn drop
    check "its reader gets errors" reader_gets_errors
    check_eq "it goes when he does" "$(dmsetup info -c --noheadings -o name,open torn)" "torn:1"
    check "its store is zeroed" zeroes torn
    check "nobody holds its store" dmsetup remove torn-store
    check_eq "its sibling has what it had" "$(sha /dev/mapper/other)" "$other"
    check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
    event 5 COWHERD_EVENT=gone COWHERD_SNAPSHOT=torn >/dev/null

    # The store's place is another snapshot's while the reader is still there, and the daemon another.
    ORIGIN_SECTORS=16384 make_backup next /dev/ram5 /dev/ram6 4096
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=next >/dev/null
    mark
    systemctl restart cowherd.service
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=next >/dev/null
    check "its reader still gets errors" reader_gets_errors
    exec 7<&-
    check "closed, it goes" wait_until 10 is_gone torn
    check_eq "the next one is valid" "$(state next | grep -c /)" 1
    no_event 1 COWHERD_SNAPSHOT=torn
    fill "$ORIGIN" 1 2
    done_event next drop
    check_eq "none was lost" "$(count_events COWHERD_EVENT=lost)" 0
}

fill /dev/ram0 48
config < <(
    for name in $(chunk_names); do chunk_policy "$name"; done
    cat <<'END'
[snapshot part]
at 30% = merge
[snapshot loop]
at 30% = merge
[snapshot volume]
at 30% = merge
[snapshot first]
at 50% = merge
[snapshot second]
at 50% = drop
[snapshot third]
at 80% = merge
[snapshot torn]
at 40% = drop
drop-open = yes
[snapshot next]
at 40% = drop
[snapshot other]
at 99% = alert
END
)
chunk_sizes
partitions
loops
volumes
several
drop_open
check "nothing is suspended" nothing_suspended
check "no cookie is left" wait_until 10 no_cookies
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
