# exercise.sh: the file exercise, in the guest. From /job/settings: HOST, PORT, SHARE, NAME,
# PASSWORD, MIB (size of the large file), MOUNTS (option strings, one a line).
# /job/tree is a directory tree to copy. Every step that fails is named on the console.
. /job/settings
failed=0

fail() {
    echo "FAIL [$options]: $*"
    failed=1
}

mount_share() {
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,$options" \
        "//$HOST/$SHARE" /mnt
}

# A second mount sees what the server has, not what the client remembers.
remount() {
    umount /mnt || fail "umount"
    mount_share || fail "mount again"
}

trees() {
    cp -r /job/tree /mnt/tree || fail "copy a tree"
    remount
    diff -r /job/tree /mnt/tree || fail "the tree differs"
    mv /mnt/tree /mnt/moved || fail "rename a tree"
    [ ! -e /mnt/tree ] || fail "the old name is still there"
    diff -r /job/tree /mnt/moved || fail "the renamed tree differs"
    rm -r /mnt/moved || fail "delete a tree"
    [ -z "$(ls -A /mnt)" ] || fail "the share is not empty: $(ls -A /mnt)"
}

small_things() {
    echo one > /mnt/f && echo two >> /mnt/f || fail "append"
    [ "$(cat /mnt/f)" = "one
two" ] || fail "appended content"
    truncate -s 5 /mnt/f || fail "truncate"
    truncate -s 100000 /mnt/f || fail "extend"
    remount # the write's own time is settled when its handle is closed
    touch -d '2001-02-03 04:05:06' /mnt/f || fail "set the time"
    chmod a-w /mnt/f || fail "make read-only"
    remount
    [ "$(stat -c %s /mnt/f)" = 100000 ] || fail "size after extending"
    [ "$(stat -c %Y /mnt/f)" = "$(date -d '2001-02-03 04:05:06' +%s)" ] ||
        fail "time was not kept: $(stat -c %y /mnt/f)"
    chmod u+w /mnt/f || fail "make writable"
    echo other > /mnt/g
    mv -f /mnt/g /mnt/f || fail "rename over a file"
    [ "$(cat /mnt/f)" = other ] || fail "content after rename over a file"
    mkdir /mnt/d && echo x > /mnt/d/x
    rmdir /mnt/d 2>/dev/null && fail "removed a directory with a file in it"
    mkdir /mnt/d 2>/dev/null && fail "made a directory twice"
    cat /mnt/none 2>/dev/null && fail "read a file that is not there"
    i=0
    while [ $i -lt 300 ]; do
        : > "/mnt/d/file-$i" || fail "create file $i"
        i=$((i + 1))
    done
    remount
    [ "$(ls /mnt/d | wc -l)" = 301 ] || fail "names in a directory: $(ls /mnt/d | wc -l)"
    [ "$(df /mnt | tail -1 | awk '{ print $2 }')" -gt 0 ] || fail "no file system size"
    rm -r /mnt/d /mnt/f || fail "remove"
}

large_file() {
    dd if=/tmp/large of=/mnt/large bs=1M conv=fsync 2>/dev/null || fail "write the large file"
    remount
    [ "$(sha256sum < /mnt/large)" = "$large_sum" ] || fail "the large file's checksum"
    rm /mnt/large || fail "remove the large file"
}

# Lines of the kernel client that tell of nothing wrong.
harmless='Attempting to mount|POSIX Extensions are experimental|Key type cifs|dialect|CIFS: enabling|netfs: FS-Cache|cryptographically'

dd if=/dev/urandom of=/tmp/large bs=1M count="$MIB" 2>/dev/null
large_sum=$(sha256sum < /tmp/large)
dmesg -c > /dev/null
for options in $MOUNTS; do
    started=$(cut -d. -f1 /proc/uptime)
    if mount_share; then
        grep ' /mnt ' /proc/mounts | grep -q "vers=" || fail "not mounted"
        case $options in
            *seal*) grep -q ' /mnt .*seal' /proc/mounts || fail "not sealed" ;;
        esac
        trees
        small_things
        large_file
        umount /mnt || fail "unmount"
    else
        fail "mount"
    fi
    dmesg -c > /tmp/dmesg
    if grep -E 'CIFS|SMB|BUG|WARNING|Oops' /tmp/dmesg | grep -vE "$harmless"; then
        fail "the kernel complained, see above"
    fi
    echo "done [$options] in $(($(cut -d. -f1 /proc/uptime) - started)) s"
done
exit $failed
