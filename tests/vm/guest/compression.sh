# compression.sh: files of three kinds there and back, in the guest. From /job/settings: HOST, OWN and OWN2,
# PORT, NAME, PASSWORD, COPIES (of a piece, for one file), MOUNTS. /job has a piece of each kind.
# A line "written: KIND OPTIONS" tells the other side to look at what came compressed;
# it answers with a file "looked".
. /job/settings
failed=0

fail() {
    echo "FAIL [$options]: $*"
    failed=1
}

mount_share() {
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,hard,$options" \
        "//$HOST/share" /mnt
}

# many KIND: COPIES pieces one behind the other
many() {
    i=0
    while [ $i -lt "$COPIES" ]; do
        cat "/job/$1"
        i=$((i + 1))
    done
}

ip addr add "$OWN/24" dev eth0
ip link set eth1 up
ip addr add "$OWN2/24" dev eth1
dmesg -c > /dev/null
for options in $MOUNTS; do
    mount_share || { fail "mount"; continue; }
    sed -n 's/^Compression: */compression: /p' /proc/fs/cifs/DebugData | head -1
    case $options in
        *compress) grep -q 'Compression:.*enabled' /proc/fs/cifs/DebugData || fail "not negotiated" ;;
    esac
    for kind in zeros lines random; do
        sum=$(many $kind | sha256sum)
        many $kind | dd of=/mnt/$kind bs=1M conv=fsync 2>/tmp/error || fail "write $kind: $(cat /tmp/error)"
        echo "written: $kind $options"
        until [ -e /mnt/looked ]; do sleep 0.1; done
        rm /mnt/looked
        umount /mnt && mount_share || fail "mount again"
        [ "$(sha256sum < /mnt/$kind)" = "$sum" ] || fail "checksum of $kind"
        rm /mnt/$kind || fail "remove $kind"
    done
    umount /mnt || fail "unmount"
done
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
exit $failed
