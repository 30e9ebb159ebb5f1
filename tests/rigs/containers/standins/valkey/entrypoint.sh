#!/bin/sh
# As the official image's: options alone start the server, and the server runs as its own user.
set -eu
case ${1:-} in
-* | *.conf) set -- valkey-server "$@" ;;
esac
case $1 in
valkey-server | redis-server)
    if [ "$(id -u)" = 0 ]; then
        find . \! -user valkey -exec chown valkey '{}' +
        exec gosu valkey "$0" "$@"
    fi
    # The official image is built with protected mode off.
    set -- "$@" --protected-mode no
    ;;
esac
exec "$@"
