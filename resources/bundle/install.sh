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

# The folder of Distill with what is not settled beside it: a rename within one folder is one step.
set_places() {
    lib=$1/lib
    program=$lib/distill
    new=$lib/.distill-new
    before=$lib/.distill-before
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

# Whatever ended the installation: the older Distill is back unless the new one is in place.
settle() {
    if [ -d "$before" ]; then
        rm -rf "$program"
        mv "$before" "$program"
    fi
    rm -rf "$new"
}

copy_and_try() {
    say "Copying Distill to $program"
    mkdir -p "$lib" "$bin" || fail "Nothing was changed: there is no way to write into $prefix."
    cp -RPp "$here" "$new" || fail "The copy failed, as the lines above say. Nothing was changed."
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
    rm -rf "$before"
}

install_distill() {
    is_distill "$here" || fail "There is no Distill beside this script. Unpack the whole archive, then try again."
    [ "$here" != "$program" ] || fail "This Distill is installed already, in $program."
    settle
    refuse_what_is_not_ours
    refuse_while_it_runs
    trap settle EXIT
    trap 'exit 130' HUP INT TERM
    copy_and_try
    put_in_place
    "$program/distill-app" --register || say "Distill works all the same, but not from the applications menu."
    say "Distill is installed. Start it from the applications menu, or as: $bin/distill-app
To take it away again: $program/install.sh --uninstall"
}

uninstall_distill() {
    settle
    if ! is_distill "$program"; then
        say "There is no Distill in $program, so nothing was removed."
        return
    fi
    refuse_while_it_runs
    "$program/distill-app" --register --remove || say "Going on."
    for name in distill distill-app; do
        if is_own_link "$bin/$name" "$program/$name"; then
            rm "$bin/$name"
        fi
    done
    mv "$program" "$new"
    rm -rf "$new"
    say "Distill is no longer installed. Your models, takes and settings stay as they are."
}

main() {
    prefix='' do=install_distill
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) [ $# -gt 1 ] || fail "--prefix needs a folder."; prefix=$2; shift ;;
            --prefix=*) prefix=${1#--prefix=} ;;
            --uninstall) do=uninstall_distill ;;
            -h | --help) usage; return ;;
            *) fail "install.sh does not know “$1”. Nothing was changed.
$(usage)" ;;
        esac
        shift
    done
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
    if [ -n "$prefix" ]; then
        if [ "$do" = install_distill ]; then
            mkdir -p "$prefix" || fail "Nothing was changed: there is no way to write into $prefix."
        fi
        [ -d "$prefix" ] || fail "There is no folder $prefix, so nothing was removed."
        prefix=$(CDPATH='' cd -- "$prefix" && pwd -P)
        export XDG_DATA_HOME="$prefix/share"
    else
        [ -n "${HOME:-}" ] || fail "There is no home folder to install into; nothing was changed. Set HOME, or use --prefix."
        prefix=$HOME/.local
    fi
    set_places "$prefix"
    "$do"
}

main "$@"
