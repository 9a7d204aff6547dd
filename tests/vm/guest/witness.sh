# witness.sh: one file is written for as long as the other side wants, while the mount is moved from one
# address of the server to the other; then it is compared. From /job/settings: HOST (where the mount begins),
# HOST_AFTER, CONTROL and CONTROL_PORT (where /job/witness finds the other side), PORT, NAME, PASSWORD, OPTIONS.
# /job/piece is what is written again and again.
. /job/settings
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

mount_share() { # HOST OPTIONS
    mount -i -t cifs -o "ip=$1,port=$PORT,username=$NAME,password=$PASSWORD,hard,$OPTIONS$2" "//$1/share" /mnt
}

# Until somebody says that it is enough, then how many pieces there are.
copy() {
    pieces=0
    while [ ! -e /tmp/enough ]; do
        cat /job/piece || exit 1
        pieces=$((pieces + 1))
        echo $pieces > /tmp/pieces
    done > /mnt/copy
}

for link in 0 1 2; do
    ip link set eth$link up
    ip addr add "10.99.$link.2/24" dev eth$link
done
grep -q WITNESS /proc/fs/cifs/DebugData || fail "this kernel's client has no witness"
/job/witness "$CONTROL" "$CONTROL_PORT" || fail "the program between kernel and witness ended" &
until [ -e /tmp/ready ]; do sleep 0.1; done
dmesg -c > /dev/null
if mount_share "$HOST" ",witness"; then
    copy &
    copier=$!
    echo "copying"
    wait $copier || fail "the copy"
    sync /mnt/copy || fail "the copy reached no disk"
    echo "copied"
    sum=$(i=0; while [ $i -lt "$(cat /tmp/pieces)" ]; do cat /job/piece; i=$((i + 1)); done | sha256sum)
    umount /mnt || fail "unmount"
    mount_share "$HOST_AFTER" "" || fail "mount again"
    [ "$(sha256sum < /mnt/copy)" = "$sum" ] || fail "checksum"
    rm /mnt/copy || fail "remove"
    umount /mnt || fail "unmount again"
else
    fail "mount"
fi
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
echo "over"
exit $failed
