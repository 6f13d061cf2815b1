#!/bin/sh
# The tests drive a real broker, a real browser and a real time server, and check the systemd units with systemd's own
# tools. On Debian as root they are installed; elsewhere they are named.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin
need=
command -v mosquitto >/dev/null 2>&1 || need="$need mosquitto"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
    command -v google-chrome >/dev/null 2>&1 || need="$need chromium"
command -v systemd-analyze >/dev/null 2>&1 || need="$need systemd"
command -v openssl >/dev/null 2>&1 || need="$need openssl"
command -v mkfs.ext4 >/dev/null 2>&1 || need="$need e2fsprogs"
command -v fusermount3 >/dev/null 2>&1 || need="$need fuse3"
command -v mkfs.btrfs >/dev/null 2>&1 || need="$need btrfs-progs"
command -v ip >/dev/null 2>&1 || need="$need iproute2"
command -v chronyd >/dev/null 2>&1 || need="$need chrony"
command -v systemd-analyze >/dev/null 2>&1 || need="$need systemd"
[ -z "$need" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$need ..."
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null || {
        echo "Could not install:$need. Install them by hand (Ubuntu has chromium as a snap), then try again." >&2
        exit 1
    }
else
    echo "The tests need these programs:$need. On Debian: sudo apt-get install$need" >&2
    exit 1
fi
