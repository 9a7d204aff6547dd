# posix.sh: POSIX on a mount and on ext4 beside it, in the guest. From /job/settings: HOST, PORT,
# SHARE, NAME, PASSWORD, OPTIONS. What each answers is on the console, for posix_test.py to compare;
# every step that fails is named there.
. /job/settings
export PATH=/bin:/usr/bin
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

mount_share() {
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,$OPTIONS" \
        "//$HOST/$SHARE" /mnt
}

# A second mount sees what the server has, not what the client remembers.
remount() {
    umount /mnt || fail "umount"
    mount_share || fail "mount again"
}

# What rsync and tar carry: links of both kinds, modes, times, a pipe, a hole, names.
make_odd_tree() {
    mkdir -p "$1/deep/er" && cd "$1" || return 1
    echo one > file && chmod 0640 file && ln file deep/hard && ln -s ../file deep/soft
    ln -s /no/where dangling
    mkfifo -m 0644 pipe
    truncate -s 1M hole && echo end >> hole
    mkdir -m 2770 group && mkdir -m 1777 sticky && mkdir -m 0700 mine
    echo x > Case && echo yy > case && echo z > 'a:b' && echo z > 'a\b' && echo z > 'dot.'
    touch -d '2001-02-03 04:05:06' file deep
    chown -R "$2" . && chmod 2770 group
    cd /
}

# Everything of a tree that has to come along, in order.
describe() {
    (cd "$1" && find . | sort | while read -r name; do
        if [ -d "$name" ]; then size=; else size=$(stat -c %s "$name"); fi
        echo "$name|$(stat -c '%A %u:%g' "$name")|$size|$(readlink "$name")"
        [ -f "$name" ] && [ ! -L "$name" ] && stat -c %Y "$name" && cat < "$name" | sha256sum
    done)
}

carry_trees() {
    # Trees: this client remembers a file that it has opened with mode 0755 and owner 0 until it looks
    # again, sets no times of links and pipes, makes pipes with mode 0644, and changes owners with idsfromsid only.
    OPTIONS=$OPTIONS,actimeo=0,nolease
    remount
    owner=$(stat -c %u:%g /mnt)
    make_odd_tree /ext4/odd "$owner" || fail "make the tree"
    describe /ext4/odd > /tmp/before
    rsync -aHAXJ --numeric-ids /ext4/odd/ /mnt/odd || fail "rsync there"
    remount
    rsync -aHAXJi --numeric-ids /ext4/odd/ /mnt/odd > /tmp/again || fail "rsync again"
    again=$(grep -v '^\.S\.\.t\.* pipe$' /tmp/again)
    [ -z "$again" ] || fail "rsync found something to do: $again"
    describe /mnt/odd > /tmp/there
    diff /tmp/before /tmp/there || fail "the tree is another one there"
    rsync -aHAXJ --numeric-ids /mnt/odd/ /ext4/back || fail "rsync back"
    describe /ext4/back > /tmp/back
    diff /tmp/before /tmp/back || fail "the tree is another one after it came back"
    rm -rf /mnt/odd || fail "remove the tree"
    tar -C /ext4/odd -cf /mnt/odd.tar . && mkdir /mnt/odd || fail "tar"
    tar -C /mnt/odd --no-same-owner -xpf /mnt/odd.tar || fail "untar there"
    remount
    describe /mnt/odd > /tmp/there
    diff /tmp/before /tmp/there || fail "the unpacked tree is another one"
    rm -rf /mnt/odd /mnt/odd.tar || fail "remove the unpacked tree"
}

for module in virtio_blk crc32c_generic ext4; do modprobe -q "$module"; done
mkdir -p /ext4
mount -t ext4 /dev/vda /ext4 || fail "mount ext4"
mount_share || fail "mount"
case ",$OPTIONS," in
    *,posix,*) grep -q ' /mnt cifs .*posix' /proc/mounts || fail "not mounted with posix" ;;
esac
dmesg -c > /dev/null
for place in ext4 mnt; do
    mkdir "/$place/exercise"
    posix "/$place/exercise" | sed "s/^/$place| /"
done
remount
rm -rf /mnt/exercise || fail "remove what the exercise made"

# Without posix modes, links of two cases and the rest are not to be had.
case ",$OPTIONS," in
    *,posix,*) carry_trees ;;
esac
umount /mnt || fail "unmount"
if dmesg | grep -E 'BUG|WARNING|Oops'; then fail "the kernel complained, see above"; fi
exit $failed
