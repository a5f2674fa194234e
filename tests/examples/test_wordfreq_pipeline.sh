#!/bin/sh
# SPDX-License-Identifier: MIT
# The test examples.wordfreq_pipeline: wordfreq counts what find, tr, sort and uniq count. It runs on the building
# machine, so that it is the same test for a Windows program under Wine.
#   test_wordfreq_pipeline.sh "METHOD..." WORDFREQ...
set -eu
export LC_ALL=C
unset MPROC_LOG
methods=$1
shift
for program; do :; done # the last argument
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Links to files count, links to folders are not followed; but Wine shows its programs no links at all.
list_files() {
    case $program in
    *.exe) find -L "$1" -type f -print ;;
    *) find "$1" \( -type f -o -type l -exec test -f {} \; \) -print ;;
    esac
}

# A text file has no NUL among its first 8 KiB.
list_text_files() {
    list_files "$1" | sort | while IFS= read -r file; do
        head -c 8192 "$file" >"$work/head"
        tr -d '\000' <"$work/head" | cmp -s - "$work/head" && printf '%s\n' "$file"
    done || true # whether the last one is a text is no matter
}

# grep gives every file a newline at its end, so that words do not run together
count_words() {
    tr '\n' '\000' <"$1" | xargs -0 grep -ah '' | tr -cs 'A-Za-z' '\n' | tr A-Z a-z | grep . | sort | uniq -c |
        sort -k1,1nr -k2,2 | awk -v "files=$(wc -l <"$1")" '
            { printf "%10d %s\n", $1, $2; words += $1 }
            END { printf "files: %d\nwords: %d\ndistinct words: %d\n", files, words, NR }'
}

# compare WHAT: $work/expected with what wordfreq printed
compare() {
    tr -d '\r' <"$work/printed" >"$work/lines" # Windows ends lines with both
    if ! [ -s "$work/expected" ] || ! cmp "$work/expected" "$work/lines"; then
        diff "$work/expected" "$work/lines" | head -20
        echo "FAILED $1"
        exit 1
    fi
    echo "passed $1: $(wc -l <"$work/expected") lines"
}

found=false
for folder in /usr/share/common-licenses /usr/share/doc; do
    [ -d "$folder" ] || continue
    found=true
    list_text_files "$folder" >"$work/expected"
    cp "$work/expected" "$work/files"
    "$@" "$folder" --list >"$work/printed"
    compare "the list of $folder"

    count_words "$work/files" >"$work/expected"
    for method in $methods; do
        MPROC_START_METHOD=$method "$@" "$folder" --all -j 3 >"$work/printed"
        compare "the words of $folder, $method"
    done
done
if ! $found; then
    echo "SKIP: this system has neither /usr/share/common-licenses nor /usr/share/doc"
    exit 77
fi
