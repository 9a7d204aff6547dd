# quotas.sh: quotas through braidd, in the guest, on each file system that counts them. From
# /job/settings: PASSWORD. boss is an administrator, alice and bob are not. Every step that fails is
# named on the console.
. /job/settings
export PATH=/bin
failed=0
counting="ext4 xfs"
NONE=18446744073709551615 # as smbcquotas has -1

fail() {
    echo "FAIL [$share]: $*"
    failed=1
}

# As `user`, whatever else.
quotas() {
    user=$1
    shift
    smbcquotas -s /smb.conf -U "$user%$PASSWORD" "//127.0.0.1/$share" "$@" 2>&1
}

# expect PATTERN TEXT: an extended regular expression.
expect() {
    echo "$2" | grep -qE "$1" || fail "$3: no $1 in: $2"
}

refuse() {
    echo "$2" | grep -qE "$1" && fail "$3: $1 in: $2"
}

# What the kernel has for a user, in bytes: used soft hard.
kernel_has() {
    repquota -u -n -v -p "/srv/$share" 2>/dev/null |
        awk -v id="#$1" '$1 == id { print $3 * 1024, $4 * 1024, $5 * 1024 }'
}

start() {
    for module in virtio_blk crc32c_generic ext4 xfs quota_v2; do modprobe -q "$module"; done
    mkdir -p /srv/ext4 /srv/xfs /srv/tmpfs /srv/plain /state
    for disk in /sys/block/vd*; do
        case $(cat "$disk/serial") in
            ext4) mount -t ext4 -o usrquota "/dev/${disk##*/}" /srv/ext4 || failed=1 ;;
            xfs) mount -t xfs -o uquota "/dev/${disk##*/}" /srv/xfs || failed=1 ;;
        esac
    done
    # Linux 6.6 and later, where it was built so.
    mount -t tmpfs -o usrquota,size=64m tmpfs /srv/tmpfs 2>/dev/null && counting="$counting tmpfs"
    ln -sf /proc/mounts /etc/mtab
    printf '[global]\ndos charset = ASCII\n' > /smb.conf
    cat > /braid.toml <<END
[server]
name = "quotas"
listen = ["127.0.0.1:445"]
state_dir = "/state"
END
    for share in ext4 xfs tmpfs plain; do
        chmod 777 "/srv/$share"
        printf '[[share]]\nname = "%s"\npath = "/srv/%s"\n' "$share" "$share" >> /braid.toml
    done
    chmod 700 /state
    echo "$PASSWORD" | braidctl --config /braid.toml user add boss --admin > /dev/null || failed=1
    echo "$PASSWORD" | braidctl --config /braid.toml user add alice > /dev/null || failed=1
    echo "$PASSWORD" | braidctl --config /braid.toml user add bob > /dev/null || failed=1
    braidd --config /braid.toml > /braid.log 2>&1 &
    tries=0
    until grep -q "listening on" /braid.log; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { cat /braid.log; return 1; }
        usleep 100000
    done
}

# What is there is told.
queries() {
    dd if=/dev/zero of="/srv/$share/old" bs=1k count=512 2>/dev/null
    chown 2001:2001 "/srv/$share/old"
    : > "/srv/$share/bobs" && chown 2002:2002 "/srv/$share/bobs"
    sync
    used=$(kernel_has 2001 | cut -d' ' -f1)
    [ "${used:-0}" -ge 524288 ] || fail "the kernel counts $used"
    expect "alice[^/]* $used/$NONE/$NONE" "$(quotas boss -u alice)" "boss asks for alice"
    expect "alice[^/]* $used/$NONE/$NONE" "$(quotas alice -u alice)" "alice asks"
    list=$(quotas boss -L)
    expect "alice" "$list" "the list"
    expect "bob" "$list" "the list"
    list=$(quotas alice -L)
    expect "alice" "$list" "alice's list"
    refuse "bob" "$list" "alice's list"
    expect "ACCESS_DENIED" "$(quotas alice -u bob)" "alice asks for bob"
}

# What is set is what the kernel then has.
limits() {
    quotas boss -S UQLIM:alice:2097152/4194304 > /dev/null || fail "set alice's limits"
    [ "$(kernel_has 2001)" = "$used 2097152 4194304" ] || fail "the kernel has $(kernel_has 2001)"
    expect "alice[^/]* $used/ *2097152/ *4194304" "$(quotas alice -u alice)" "alice's limits"
    expect "ACCESS_DENIED" "$(quotas alice -S UQLIM:alice:0/0)" "alice sets her limits"
    [ "$(kernel_has 2001)" = "$used 2097152 4194304" ] || fail "alice has set her limits"
    setquota -u bob 1024 3072 0 0 "/srv/$share" || fail "setquota"
    expect "bob[^/]* [0-9]+/ *1048576/ *3145728" "$(quotas boss -u bob)" "bob's limits, set locally"
}

mount_as() {
    mount -i -t cifs -o "ip=127.0.0.1,username=$1,password=$PASSWORD,nosharesock" \
        "//127.0.0.1/$share" /mnt || { fail "mount for $1"; return 1; }
}

# The limit is the user's volume, and holds.
space() {
    mount_as alice || return
    total=$(df -k /mnt | awk 'NR == 2 { print $2, $4 }')
    [ "$total" = "4096 $((4096 - used / 1024))" ] || fail "df shows $total"
    if dd if=/dev/zero of=/mnt/big bs=64k count=80 conv=fsync 2>/dev/null; then
        fail "5 MiB were written beyond a limit of 4 MiB"
    fi
    umount /mnt
    sync
    full=$(kernel_has 2001 | cut -d' ' -f1)
    [ "$full" -gt "$used" ] && [ "$full" -le 4194304 ] || fail "alice has $full bytes"
    mount_as alice || return
    free=$(df -k /mnt | awk 'NR == 2 { print $4 }')
    [ "$free" = $((4096 - full / 1024)) ] || fail "df shows $free KiB free beside $full bytes"
    rm /mnt/big
    umount /mnt
    whole=$(df -k "/srv/$share" | awk 'NR == 2 { print $2 }')
    mount_as boss || return
    total=$(df -k /mnt | awk 'NR == 2 { print $2 }')
    [ "$total" = "$whole" ] || fail "boss sees $total KiB of $whole"
    umount /mnt
}

# Defaults and enforcement of the volume.
volume() {
    told=$(quotas boss -F)
    expect "Default Hard Limit: $NONE" "$told" "defaults"
    expect "Deny Disk: *On" "$told" "flags"
    defaults=$(quotas boss -S FSQLIM:8388608/16777216)
    if [ "$share" = xfs ]; then
        told=$(quotas boss -F)
        expect "Default Soft Limit: *8388608" "$told" "default threshold"
        expect "Default Hard Limit: *16777216" "$told" "default limit"
        expect "ACCESS_DENIED" "$(quotas alice -S FSQLIM:1024/2048)" "alice sets defaults"
        [ "$(kernel_has 0 | cut -d' ' -f2-)" = "8388608 16777216" ] ||
            fail "the kernel's defaults are $(kernel_has 0)"
    else
        expect "NOT_SUPPORTED" "$defaults" "defaults where there are none"
    fi
}

# Counted only: limits are told and hold nobody.
enforcement() {
    quotas boss -S FSQFLAGS:QUOTA_ENABLED > /dev/null || fail "turn enforcement off"
    expect "Deny Disk: *Off" "$(quotas boss -F)" "flags without enforcement"
    mount_as alice || return
    dd if=/dev/zero of=/mnt/more bs=64k count=96 conv=fsync 2>/dev/null ||
        fail "6 MiB could not be written without enforcement"
    rm /mnt/more
    umount /mnt
    expect "alice[^/]* $used/ *2097152/ *4194304" "$(quotas boss -u alice)" "limits that do not hold"
}

# No quotas, no word of them.
without() {
    expect "not supported by the server" "$(quotas boss -L)" "a volume without quotas"
}

start || failed=1
for share in $counting; do
    queries
    limits
    space
    volume
    enforcement
    echo "done: $share"
done
share=plain
without
[ $failed = 0 ] || cat /braid.log
exit $failed
