#!/bin/sh
# demo.sh BUILD-DIR STATE-DIR LISTEN: serves a demo folder with a demo user, in the foreground.
set -eu
build=$(realpath "$1")
mkdir -p "$2"
demo=$(realpath "$2")
listen=$3
# One at a time: what it makes below would be another's, too.
if [ -z "${BRAID_DEMO_LOCKED:-}" ]; then
  status=0
  BRAID_DEMO_LOCKED=1 flock -n -E 9 "$demo/lock" "$0" "$@" || status=$?
  if [ "$status" = 9 ]; then
    echo "$demo is being served already; end that with Ctrl-C where it runs, or use it" >&2
    exit 1
  fi
  exit "$status"
fi
address=${listen%:*}
port=${listen##*:}
case $address in
  0.0.0.0 | '[::]') host=$(hostname -I 2>/dev/null | cut -d' ' -f1) ;;
  *) host=$address ;;
esac
: "${host:=127.0.0.1}"

# Requests act as whoever owns the folder: the user at the keyboard, also behind sudo. Nobody acts as
# root over the network.
owner=$(id -un)
if [ "$(id -u)" = 0 ]; then owner=${SUDO_USER:-nobody}; fi

mkdir -p "$demo/files"
if [ ! -e "$demo/files/welcome.txt" ]; then
  echo "This folder is served by braid. Put files here." >"$demo/files/welcome.txt"
fi
if [ "$(id -u)" = 0 ]; then chown -R "$owner" "$demo/files"; fi

cat >"$demo/braid.toml" <<TOML
[server]
listen = ["$listen"]
state_dir = "$demo/state"

[[share]]
name = "demo"
path = "$demo/files"
comment = "Demo folder"
TOML

# Drawn once: a password that everyone knows would open the folder to every user of the machine.
umask 077
if [ ! -s "$demo/password" ]; then
  od -An -N8 -tx1 /dev/urandom | tr -d ' \n' >"$demo/password"
fi
password=$(cat "$demo/password")
if ! "$build/braidctl" --config "$demo/braid.toml" user list | grep -q '^demo '; then
  "$build/braidctl" --config "$demo/braid.toml" user add demo --unix-user "$owner" \
    <"$demo/password" >/dev/null
fi

cat <<TEXT

Serving $demo/files as //$host/demo, port $port, user demo, password $password
To try it, paste one of these lines into another terminal; Ctrl-C here ends it.

With smbclient:

smbclient //$host/demo -p $port -U 'demo%$password' -c 'ls; put README.md; ls'

With Linux:

sudo mount -t cifs //$host/demo /mnt -o port=$port,username=demo,password=$password,vers=3.1.1

With Windows 11 24H2 or newer (older ones reach port 445 only):

net use Z: \\\\$host\\demo $password /user:demo /tcpport:$port

TEXT
exec "$build/braidd" --config "$demo/braid.toml"
