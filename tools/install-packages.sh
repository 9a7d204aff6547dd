#!/bin/sh
# install-packages.sh SECTION...: installs what is missing of these sections of packages.txt.
# Needs root, or sudo, only when something is missing.
set -eu
list=$(dirname "$0")/../packages.txt

# Two at once would find apt's locks taken.
exec 9<"$list"
flock 9

wanted=$(awk -v sections=" $* " '
  /^\[/ { take = index(sections, " " substr($1, 2, length($1) - 2) " ") > 0; next }
  take && NF && $1 !~ /^#/ { print $1 }' "$list")
is_known() { apt-cache show "$1" >/dev/null 2>&1; }
either() { echo "$1" | tr '|' ' '; }
# A line for each that is installed, so that everything else is missing, known to dpkg or not.
# shellcheck disable=SC2046
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $(either "$wanted") 2>/dev/null |
  sed -n 's/^ii *//p' || true)
missing=
for packages in $wanted; do
  name=
  for package in $(either "$packages"); do
    if echo "$installed" | grep -qx "$package"; then continue 2; fi
    if is_known "$package"; then name=$package; break; fi
  done
  missing="$missing ${name:-${packages%%|*}}"  # of one that is not known apt says so
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "these packages are missing, and there is no sudo; as root: apt-get install$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
$as_root apt-get -qq update
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
  $missing >/dev/null
