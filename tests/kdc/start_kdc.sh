#!/bin/bash
# start_kdc.sh DIR [pac|no-pac [USER=PASSWORD ...]]: a throw-away Kerberos realm BRAID.TEST on a loopback port; runs in the foreground
# until it is killed. No root, no DNS, nothing outside DIR.
#
# DIR receives krb5.conf (for clients: KRB5_CONFIG), server.keytab with cifs/ and host/braid1.braid.test, and,
# when the KDC answers, the file `ready`. Without users named: alice=Wonder-1.
#
# With no-pac the tickets hold no PAC, which a standalone Samba insists on.
#
# Debian packages: krb5-kdc krb5-admin-server krb5-user
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: start_kdc.sh DIR [pac|no-pac [USER=PASSWORD ...]]" >&2; exit 2; }
mkdir -p "$1"
dir=$(realpath "$1")
PATH=$PATH:/usr/sbin:/sbin
realm=BRAID.TEST
disable_pac=$([ "${2-pac}" = no-pac ] && echo true || echo false)
users=("${@:3}")
[ ${#users[@]} -gt 0 ] || users=(alice=Wonder-1)
# krb5kdc cannot choose a port by itself; this one is free now.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

cat > "$dir/krb5.conf" <<END
[libdefaults]
    default_realm = $realm
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    $realm = {
        kdc = 127.0.0.1:$port
    }
[domain_realm]
    .braid.test = $realm
END
cat > "$dir/kdc.conf" <<END
[kdcdefaults]
    kdc_listen = 127.0.0.1:$port
    kdc_tcp_listen = 127.0.0.1:$port
[realms]
    $realm = {
        database_name = $dir/principal
        key_stash_file = $dir/stash
        max_life = 10h
        disable_pac = $disable_pac
        supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
    }
END
export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
kdb5_util create -r $realm -s -P master >/dev/null
kadmin.local -r $realm >/dev/null <<END
$(for user in "${users[@]}"; do echo "addprinc -pw ${user#*=} ${user%%=*}"; done)
addprinc -randkey cifs/braid1.braid.test
ktadd -k $dir/server.keytab cifs/braid1.braid.test
addprinc -randkey host/braid1.braid.test
ktadd -k $dir/server.keytab host/braid1.braid.test
addprinc -randkey cifs/other.braid.test
ktadd -k $dir/other.keytab cifs/other.braid.test
END

# Says `ready` as soon as the port answers, from beside the KDC.
(
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            touch "$dir/ready"
            exit
        fi
        sleep 0.05
    done
) &
exec krb5kdc -n -P "$dir/kdc.pid" 2>"$dir/kdc.log"
