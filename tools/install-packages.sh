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
# "libboost1.81-dev" is "libboost-dev" in a release of Debian that has another version of it.
plain_name() { echo "$1" | sed -E 's/[0-9]+(\.[0-9]+)+-dev$/-dev/'; }
is_known() { apt-cache show "$1" >/dev/null 2>&1; }
# A line for each that is installed, so that everything else is missing, known to dpkg or not.
# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $wanted \
    $(for package in $wanted; do plain_name "$package"; done) 2>/dev/null |
  sed -n 's/^ii *//p' || true)
missing=
for package in $wanted; do
  echo "$installed" | grep -qx "$package" && continue
  plain=$(plain_name "$package")
  if [ "$plain" != "$package" ] && echo "$installed" | grep -qx "$plain" && ! is_known "$package"; then
    continue
  fi
  missing="$missing $package"
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
names=
for package in $missing; do
  is_known "$package" || package=$(plain_name "$package")
  names="$names $package"
done
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
  $names >/dev/null
