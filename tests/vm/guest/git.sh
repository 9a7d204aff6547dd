# git.sh: what git asks of a file system, and what its own tests of case and links do, in the guest. From
# /job/settings: HOST, PORT, SHARE, NAME, PASSWORD, MOUNTS. On a mount with posix every answer is that of the tmpfs beside it;
# on one without names are the same in any case and there are no modes, and git has to find that out and get by.
. /job/settings
export PATH=/bin:/usr/bin HOME=/tmp
export GIT_CONFIG_NOSYSTEM=1 GIT_TEMPLATE_DIR=/tmp/none
export GIT_AUTHOR_NAME=client GIT_AUTHOR_EMAIL=client@example.com GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
export GIT_COMMITTER_NAME=client GIT_COMMITTER_EMAIL=client@example.com GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
mkdir /tmp/none
# The files are another user's, as the mount shows them.
git config --global safe.directory '*'
for name in upload-pack receive-pack; do ln -s git "/bin/git-$name"; done
failed=0

fail() {
    echo "FAIL [$options]: $*"
    failed=1
}

mount_share() {
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,$options" \
        "//$HOST/$SHARE" /mnt || fail "mount"
}

probed() {
    echo "filemode: $(git config core.filemode) ignorecase: $(git config core.ignorecase)" \
        "symlinks: $(git config core.symlinks)"
}

commit() {
    git add -A && git commit -qm "$1" || echo "git cannot commit $1"
    clean "$1"
}

clean() {
    git status --porcelain | sed "s/^/after $1: /"
}

# Names, kinds, targets and contents.
tree() {
    find . -path ./.git -prune -o -print | sort | while IFS= read -r name; do
        if [ -L "$name" ]; then echo "$name -> $(readlink "$name")"
        elif [ -d "$name" ]; then echo "$name/"
        else echo "$name $(cat "$name")"; fi
    done
}

# Names that are two only by their case, or by how an accent is written.
case_pairs() {
    mkdir Folder folder
    for name in CamelCase camelcase Folder/f folder/f; do echo "in $name" > "$name"; done
    for name in 'with:colon' 'back\slash' 'ends with dot.' ' space ' 'a*b?c'; do echo odd > "$name"; done
    echo composed > "$(printf '\303\244')"
    echo decomposed > "$(printf 'a\314\210')"
    commit "case pairs"
    git ls-files -s
    git mv CamelCase Camelcase && commit "another case"
    git checkout -q HEAD~ && tree
    git checkout -q master && tree
    git checkout -qb side HEAD~ && git mv Folder FOLDER && commit "a folder of another case"
    # Under a lease this client dates a file by its own clock when it is closed, and takes the server's time a second
    # later. When that second ends in the middle of a merge, git takes files for changed that are not: "stash failed".
    sleep 2 && git status > /tmp/status
    git merge -q -m merged master && tree
    git checkout -q master && clean "a merge"
}

links() {
    ln -s camelcase link
    ln -s no/where dangling
    ln -s folder way
    ln -s /etc/passwd away
    commit "links"
    git ls-files -s link dangling way away
    rm link dangling way && git checkout -q . && tree
    echo through > way/f && git status --porcelain
    git checkout -q folder/f
    # A folder gives way to a link, and comes back.
    git checkout -qb linked && git rm -rq Folder && ln -s folder Folder && commit "a link for a folder"
    cat Folder/f
    git checkout -q master && tree
    git checkout -q linked && readlink Folder
    # What is behind a link is not to be written by who checks a file out.
    git checkout master -- Folder/f 2>/dev/null && [ ! -L Folder ] && tree
    git reset -q --hard && git checkout -q master
    git config core.symlinks false
    rm link && git checkout -q link && tree && clean "links as files"
    git config --unset core.symlinks
    rm link && git checkout -q link && clean "links again"
}

whole() {
    git clone -q . ../clone && (cd ../clone && probed && tree && clean "a clone")
    git gc -q && git fsck --strict 2>&1
    git log --format=%s
    git rev-parse HEAD
    clean "all"
}

with_posix() {
    cd "$1" && git init -q -b master repo && cd repo || return
    probed
    case_pairs
    links
    whole
    cd /
}

# What a mount without posix can hold, and what it cannot: two names of one, a mode.
for_others() {
    git init -q -b master /tmp/local/others && cd /tmp/local/others || return
    mkdir folder
    for name in CamelCase camelcase folder/f; do echo "in $name" > $name; done
    ln -s folder/f link
    ln -s no/where dangling
    echo run > program && chmod 755 program
    commit "for others"
    cd /
}

# As t0050 does where names are the same in any case. Linux itself does nothing when it is to rename a file to the same name.
without_posix() {
    mkdir /mnt/own && cd /mnt/own && git init -q -b master repo && cd repo || { fail "git init"; return; }
    [ "$(probed)" = "$1" ] || fail "git finds $(probed), not $1"
    echo one > CamelCase && commit "one name" > /tmp/said
    git mv CamelCase between && git mv between camelcase && commit "of another case" >> /tmp/said
    [ "$(git ls-files)" = camelcase ] && [ "$(ls)" = camelcase ] || fail "renamed to $(git ls-files), $(ls)"
    git checkout -q HEAD~ && [ "$(ls)" = CamelCase ] || fail "checked out as $(ls)"
    git checkout -q master && [ "$(ls)" = camelcase ] || fail "checked out again as $(ls)"
    git checkout -qb side HEAD~ && echo two > other && commit "beside" >> /tmp/said
    git merge -q -m merged master && [ "$(ls | tr '\n' ' ')" = "camelcase other " ] || fail "merged as $(ls)"
    echo more >> CAMELCASE && git add CAMELCASE && [ "$(git ls-files)" = "camelcase
other" ] || fail "added as $(git ls-files)"
    commit "added by another case" >> /tmp/said
    git clone -q /tmp/local/others ../clone 2> /tmp/clone && cd ../clone || { fail "clone: $(cat /tmp/clone)"; return; }
    grep -q "paths have collided" /tmp/clone || fail "git sees no collision: $(cat /tmp/clone)"
    [ "$(readlink link) $(readlink dangling)" = "folder/f no/where" ] && [ "$(cat link)" = "in folder/f" ] ||
        fail "links: $(ls -l)"
    git fsck --strict > /tmp/fsck 2>&1 || fail "git fsck: $(tail -3 /tmp/fsck)"
    # Of the pair git has one on the disk, and says so of the other.
    git status --porcelain | grep -vE '^ M [Cc]amel[Cc]ase' >> /tmp/said
    [ ! -s /tmp/said ] || fail "git says $(cat /tmp/said)"
    cd /
}

mkdir /tmp/local
# Linux 6.12 says of a file that it has just made that its mode is 0755, so git finds that there are no modes.
with_posix /tmp/local 2>&1 | sed 's/^filemode: true/filemode: false/' > /tmp/local.said
for_others
for options in $MOUNTS; do
    mount_share
    case ",$options," in
    *,posix,*)
        mkdir /mnt/own
        with_posix /mnt/own > /tmp/said 2>&1
        diff -U 1 /tmp/local.said /tmp/said > /tmp/differs || fail "git says, and should (<): $(head -60 /tmp/differs)"
        umount /mnt && mount_share
        cd /mnt/own/repo && [ -z "$(git status --porcelain)" ] || fail "after all: $(git status --porcelain)"
        git fsck --strict > /tmp/fsck 2>&1 || fail "git fsck: $(tail -3 /tmp/fsck)"
        ;;
    *) without_posix "filemode: false ignorecase: true symlinks: " ;;
    esac
    cd / && rm -rf /mnt/own || fail "remove"
    umount /mnt || fail "unmount"
    echo "done: $options"
done
wc -l < /tmp/local.said
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
exit $failed
