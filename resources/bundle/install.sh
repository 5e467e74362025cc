#!/bin/sh
# Installs the Distill that lies beside this script for one person, and takes it away again; see usage below.
# shellcheck disable=SC1111 # the quotation marks are for people
set -eu

usage() {
    cat <<'END'
./install.sh                    install Distill into ~/.local, or put it in the place of an older one
./install.sh --prefix FOLDER    the same into FOLDER/lib/distill, FOLDER/bin and FOLDER/share
./install.sh --uninstall        take it away again; models, takes and settings stay
END
}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# A folder, there or not yet, by a path that is absolute and without links.
real_path() {
    case $1 in
        /*) there=$1 ;;
        *) there=$PWD/$1 ;;
    esac
    missing=''
    while [ ! -d "$there" ]; do
        missing=/$(basename -- "$there")$missing
        there=$(dirname -- "$there")
    done
    there=$(CDPATH='' cd -- "$there" && pwd -P)
    there=${there%/}$missing
    printf '%s\n' "${there:-/}"
}

# The folder of Distill with what is not settled beside it: a rename within one folder is one step.
set_places() {
    lib=$(real_path "$1/lib")
    program=$lib/distill
    new=$lib/.distill-new
    before=$lib/.distill-before
    gone=$lib/.distill-gone
    bin=$1/bin
}

is_distill() {
    [ -x "$1/distill-app" ] && [ -x "$1/distill" ] && [ -d "$1/_internal" ]
}

refuse_while_it_runs() {
    # shellcheck disable=SC2010 # the names are numbers; readlink takes only one of them everywhere
    if ls -l /proc/[0-9]*/exe 2>/dev/null | grep -Fq -- "-> $program/"; then
        fail "Distill is running. Nothing was changed: close it, then try again."
    fi
}

is_own_link() {
    [ -L "$1" ] && [ "$(readlink "$1")" = "$2" ]
}

refuse_what_is_not_ours() {
    if [ -e "$program" ] && ! is_distill "$program"; then
        fail "“$program” is not a Distill, and was left alone. Move it away, or choose another place with --prefix."
    fi
    for name in distill distill-app; do
        if [ -e "$bin/$name" ] && ! is_own_link "$bin/$name" "$program/$name"; then
            fail "“$bin/$name” belongs to another installation; nothing was changed. Remove that one first, or choose another place with --prefix."
        fi
    done
}

# One at a time. The lock is on the folder itself and ends with this script, however that ends; where the system or
# its file system has no such locks (flock says so with another code than 1), it goes on without.
lock() {
    exec 9<"$lib"
    said=0
    flock -n 9 2>/dev/null || said=$?
    if [ "$said" -eq 1 ]; then
        fail "Distill is being installed or taken away in $lib just now. Nothing was changed: wait for that, then try again."
    fi
}

# Whatever ended an installation: the older Distill is back unless the new one is in place.
settle() {
    rm -rf "$new" "$gone"
    if [ -d "$program" ] && [ -d "$before" ]; then
        mv "$before" "$gone"
        rm -rf "$gone"
    elif [ -d "$before" ]; then
        mv "$before" "$program"
    fi
}

copy_and_try() {
    say "Copying Distill to $program"
    cp -RP "$here" "$new" || fail "The copy failed, as the lines above say. Nothing was changed."
    # Everybody may start what root installs, and nobody else may write there.
    chmod -R u+rwX,go+rX,go-w "$new"
    if ! said=$("$new/distill" inspect "$new/_internal/resources/demo/demo.distill" 2>&1); then
        fail "This Distill does not start on this computer, so nothing was changed. It said:
$said"
    fi
}

put_in_place() {
    if [ -d "$program" ]; then
        mv "$program" "$before"
    fi
    mv "$new" "$program"
    for name in distill distill-app; do
        ln -sf "$program/$name" "$bin/$name"
    done
    settle
}

# The menu of whoever installs it, or with --prefix that of everybody whose desktop looks there.
register() {
    if [ "$prefix" = "$own" ]; then
        "$program/distill-app" --register "$@"
    else
        "$program/distill-app" --register --prefix="$prefix" "$@"
    fi
}

install_distill() {
    is_distill "$here" || fail "There is no Distill beside this script. Unpack the whole archive, then try again."
    [ "$here" != "$program" ] || fail "This Distill is installed already, in $program."
    case $prefix/ in
        "$here"/*) fail "“$prefix” lies in the folder that is to be copied there; nothing was changed. Choose another place with --prefix." ;;
    esac
    refuse_what_is_not_ours
    refuse_while_it_runs
    [ "$(id -u)" -ne 0 ] || umask 022
    mkdir -p -- "$lib" "$bin" || fail "Nothing was installed: there is no way to write into $prefix."
    lock
    settle
    trap settle EXIT
    trap 'exit 130' HUP INT TERM
    copy_and_try
    put_in_place
    register || say "Distill works all the same, but not from the applications menu."
    say "Distill is installed. From a terminal it starts as: \"$bin/distill-app\"
To take it away again: \"$program/install.sh\" --uninstall"
}

uninstall_distill() {
    refuse_while_it_runs
    if [ -d "$lib" ]; then
        lock
        settle
    fi
    if ! is_distill "$program"; then
        say "There is no Distill in $program, so none was removed."
        return
    fi
    register --remove || say "Going on."
    for name in distill distill-app; do
        if is_own_link "$bin/$name" "$program/$name"; then
            rm "$bin/$name"
        fi
    done
    mv "$program" "$gone"
    rm -rf "$gone"
    say "Distill is no longer installed. Your models, takes and settings stay as they are."
}

# Where it goes: the folder that is named, the one in which this Distill is installed already, or the person's own.
choose_prefix() {
    own=''
    if [ -n "${HOME:-}" ]; then
        own=$(real_path "$HOME/.local")
    fi
    if [ -n "$prefix" ]; then
        prefix=$(real_path "$prefix")
    elif [ -n "$own" ] && [ "$here" = "$(real_path "$own/lib/distill")" ]; then
        prefix=$own
    elif [ "${here%/lib/distill}" != "$here" ]; then
        prefix=${here%/lib/distill}
    elif [ -n "$own" ]; then
        prefix=$own
    else
        fail "There is no home folder to install into; nothing was changed. Set HOME, or use --prefix."
    fi
}

main() {
    prefix='' do=install_distill
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) [ -n "${2:-}" ] || fail "--prefix needs a folder. Nothing was changed."; prefix=$2; shift ;;
            --prefix=?*) prefix=${1#--prefix=} ;;
            --prefix=) fail "--prefix needs a folder. Nothing was changed." ;;
            --uninstall) do=uninstall_distill ;;
            -h | --help) usage; return ;;
            *) fail "install.sh does not know “$1”. Nothing was changed.
$(usage)" ;;
        esac
        shift
    done
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
    choose_prefix
    set_places "$prefix"
    "$do"
}

main "$@"
