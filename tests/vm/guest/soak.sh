# soak.sh: what people do all day, in one of two guests. From /job/settings: HOST, PORT, SHARE, NAME,
# PASSWORD, OPTIONS, CLIENT (1 or 2), FILES (in the folder "many"), ROUNDS. Every step that fails is
# named on the console. Programs beside busybox came with the job.
. /job/settings
export PATH=/bin:/usr/bin HOME=/tmp
export GIT_CONFIG_NOSYSTEM=1 GIT_TEMPLATE_DIR=/tmp/none
export GIT_AUTHOR_NAME=client GIT_AUTHOR_EMAIL=client@example.com
export GIT_COMMITTER_NAME=client GIT_COMMITTER_EMAIL=client@example.com
mkdir /tmp/none
failed=0
fail() {
    echo "FAIL [client $CLIENT, round $round]: $*"
    failed=1
}

mount_share() {
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,$OPTIONS" \
        "//$HOST/$SHARE" /mnt
}

with_git() {
    git init -q -b master "$own/repo" || fail "git init"
    cd "$own/repo" || return
    cp -r /job/tree . && git add -A && git commit -qm one || fail "git commit"
    git checkout -qb other && find . -name '*.txt' -exec sh -c 'echo more >> "$1"' _ {} \; &&
        echo new > new && git add -A && git commit -qm two || fail "git commit on a branch"
    git checkout -q master && git merge -q other || fail "git merge"
    git gc -q || fail "git gc"
    git fsck --strict > /tmp/fsck 2>&1 || fail "git fsck: $(tail -3 /tmp/fsck)"
    [ -z "$(git status --porcelain)" ] || fail "git status: $(git status --porcelain | head -3)"
    cd /
}

# As office programs save: beside, onto the disk, and over.
save_dance() {
    i=0
    while [ $i -lt 60 ]; do
        echo "content $i" | dd of="$own/~save.tmp" conv=fsync 2>/dev/null || fail "write save $i"
        [ $i = 0 ] || mv -f "$own/document" "$own/document.bak" || fail "set the old one aside"
        mv -f "$own/~save.tmp" "$own/document" || fail "save $i"
        [ "$(cat "$own/document")" = "content $i" ] || fail "after save $i: $(cat "$own/document")"
        i=$((i + 1))
    done
}

with_rsync() {
    rsync -rt /job/tree/ "$own/copy/" || fail "rsync"
    rsync -rti /job/tree/ "$own/copy/" > /tmp/again || fail "rsync again"
    [ ! -s /tmp/again ] || fail "the second rsync copies: $(head -3 /tmp/again)"
    diff -r /job/tree "$own/copy" || fail "the copy differs"
}

with_sqlite() {
    for mode in delete wal; do
        database=$own/$mode.db
        sqlite3 "$database" "pragma journal_mode = $mode; create table t(a integer, b text);" \
            > /dev/null || { fail "sqlite create, $mode"; continue; }
        i=0
        while [ $i -lt 20 ]; do
            sqlite3 "$database" "with recursive n(x) as (select 1 union all select x + 1 from n
                where x < 100) insert into t select x, hex(randomblob(20)) from n;" ||
                fail "sqlite insert, $mode"
            i=$((i + 1))
        done
        [ "$(sqlite3 "$database" 'select count(*) from t; pragma integrity_check;')" = "2000
ok" ] || fail "sqlite check, $mode"
    done
}

# A program on the server renames these folders all the time: what is open stays what it is.
in_moving_folders() {
    i=0
    while [ $i -lt 30 ]; do
        for folder in /mnt/moving/*; do
            # It may have gone between the listing and this: then nothing in the braces is done.
            wrote=nothing
            { echo "round $round, $i" && usleep 20000 && echo end && wrote=all || wrote=part
            } 2> /dev/null > "$folder/of-$CLIENT"
            [ $wrote != part ] || fail "write into $folder"
        done
        i=$((i + 1))
    done
}

round=0
while [ $round -lt "$ROUNDS" ]; do
    round=$((round + 1))
    mount_share || fail "mount"
    own=/mnt/client-$CLIENT-$round
    mkdir "$own" || fail "mkdir"
    with_git
    save_dance
    with_rsync
    with_sqlite
    in_moving_folders
    found=$(find /mnt/many -type f | wc -l)
    [ "$found" = "$FILES" ] || fail "find sees $found of $FILES files"
    churn "$own/churn" "$((CLIENT * 100 + round))" 1500 || fail "churn"
    umount /mnt || fail "unmount"
    mount_share || fail "mount again"
    diff -r /job/tree "$own/copy" || fail "the copy differs after another mount"
    (cd "$own/repo" && git fsck > /dev/null 2>&1) || fail "git fsck after another mount"
    rm -r "$own" || fail "remove all"
    umount /mnt || fail "unmount at the end"
    echo "round $round done at $(cut -d. -f1 /proc/uptime) s"
done
exit $failed
