# tree.sh - how does a guest's file system get what this machine has?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# Sourced with $work, a folder in which trees are made.

# copy_libraries TREE PROGRAM: to where they are on this machine
copy_libraries() {
    local tree=$1 file
    for file in $(ldd "$2" | grep -o '/[^ )]*'); do
        mkdir -p "$tree$(dirname "$file")"
        cp -L --remove-destination "$file" "$tree$file"
    done
}
# copy_program TREE PROGRAM: with its libraries, to where it is on this machine
copy_program() {
    local path
    path=$(command -v "$2") || { echo "needs $2" >&2; exit 1; }
    mkdir -p "$1$(dirname "$path")"
    cp -L --remove-destination "$path" "$1$path"
    copy_libraries "$1" "$path"
}

new_tree() { # the skeleton, with /bin, /sbin and /lib merged into /usr as Debian has them
    local tree=$work/$1 link
    mkdir -p "$tree"/{etc,dev,proc,sys,run,tmp,mnt,root,usr/{bin,sbin,lib,lib64}}
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$tree/$link"; done
    echo "$tree"
}
