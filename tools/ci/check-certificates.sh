#!/bin/sh
# Checks the certificates of a model and leaves reports for whatever runs it: text on standard
# output, check.sarif, check.xml (JUnit) and check.json in the folder of reports.
#
#   check-certificates.sh [OPTION]... MODEL.tlm CERT.tlc...
#     --claims FILE       demand a proof of exactly these claims; may be repeated
#     --public-key KEY    demand minisign signatures with this key (base64, or a file)
#     --signed-model      demand a signature of the model too
#     --reports DIR       where the reports go; ./tautline-reports by default
#     --build             build the command from the sources around this script, with no settings of
#                         cargo but theirs and the user's own
#
# The same from the environment, where a workflow sets it: TAUTLINE_MODEL, TAUTLINE_CERTIFICATES and
# TAUTLINE_CLAIMS (one file a line), TAUTLINE_PUBLIC_KEY, TAUTLINE_SIGNED_MODEL (true or false),
# TAUTLINE_REPORTS. TAUTLINE_SIGNATURE is required or none, the default: with required, an empty
# TAUTLINE_PUBLIC_KEY is an error; with none, any other is one. TAUTLINE is the command itself,
# `tautline` by default.
#
# Ends with the code of `tautline check`: 0 accepted, 1 rejected, 2 nothing could be checked (wrong
# usage, no build), 3 proven but not signed.
set -eu

usage() {
    sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p;}' "$0"
}

fail() {
    printf 'check-certificates: %s\n' "$1" >&2
    exit 2
}

newline='
'
model=${TAUTLINE_MODEL:-}
certificates=${TAUTLINE_CERTIFICATES:-}
claims=${TAUTLINE_CLAIMS:-}
public_key=${TAUTLINE_PUBLIC_KEY:-}
signature=${TAUTLINE_SIGNATURE-none}
signed_model=${TAUTLINE_SIGNED_MODEL-false}
reports=${TAUTLINE_REPORTS:-tautline-reports}
command=${TAUTLINE:-tautline}
build=false
positional=false

while [ $# -gt 0 ]; do
    case $1 in
    --claims | --public-key | --reports)
        # An empty value is a variable that nobody set. What was asked for must not fall away.
        [ -n "$(printf '%s' "${2:-}" | tr -d "$newline")" ] || fail "$1 needs a value"
        case $1 in
        --claims) claims=$claims$newline$2 ;;
        --public-key)
            public_key=$2
            signature=required
            ;;
        --reports) reports=$2 ;;
        esac
        shift 2
        ;;
    --signed-model)
        signed_model=true
        shift
        ;;
    --build)
        build=true
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) fail "no such option: $1 (see --help)" ;;
    '') fail 'a file without a name (see --help)' ;;
    *)
        if $positional; then
            certificates=$certificates$newline$1
        else
            model=$1
            certificates=
            positional=true
        fi
        shift
        ;;
    esac
done

[ -n "$model" ] || fail 'no model named (see --help)'
# Not "accepted": a glob that found nothing has checked nothing.
[ -n "$(printf '%s' "$certificates" | tr -d "$newline")" ] || fail 'no certificate named (see --help)'

case $signature in
required) [ -n "$public_key" ] || fail 'signatures are required, but there is no public key' ;;
none)
    # A key that comes and goes, as secrets do, must not decide whether signatures matter.
    [ -z "$public_key" ] || fail 'a public key, but TAUTLINE_SIGNATURE is not required'
    ;;
*) fail "TAUTLINE_SIGNATURE is required or none, not '$signature'" ;;
esac
case $signed_model in
true) [ "$signature" = required ] || fail '--signed-model needs --public-key' ;;
false) ;;
*) fail "TAUTLINE_SIGNED_MODEL is true or false, not '$signed_model'" ;;
esac

# Settings of cargo and rustup name programs to run, and both look for them in every folder above
# the current one. Those of the sources and of the user are trusted, those of what is checked are not.
refuse_settings_above() {
    folder=$(dirname -- "$1")
    home=${CARGO_HOME:-${HOME:-}/.cargo}
    while :; do
        for name in .cargo/config .cargo/config.toml rust-toolchain rust-toolchain.toml; do
            file=${folder%/}/$name
            if [ -e "$file" ] && ! [ "$(dirname -- "$file")" -ef "$home" ]; then
                fail "$file would take part in building $1; put the sources elsewhere"
            fi
        done
        [ "$folder" != / ] || break
        folder=$(dirname -- "$folder")
    done
}

if $build; then
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P) || fail 'cannot find the sources'
    refuse_settings_above "$root"
    target=${CARGO_TARGET_DIR:-$root/target}
    case $target in
    /*) ;;
    *) target=$PWD/$target ;;
    esac
    (
        # Not where the script was called: that is the repository under test.
        CDPATH='' cd -- "$root" &&
            CARGO_TARGET_DIR=$target cargo build --release --locked --quiet -p tautline-cli
    ) || fail "cannot build the command in $root"
    command=$target/release/tautline
fi
mkdir -p -- "$reports"
rm -f -- "$reports/check.sarif" "$reports/check.xml" "$reports/check.json"

# Names are split at ends of lines only, and nothing in them is a pattern.
set -f
old_ifs=$IFS
IFS=$newline
set --
for file in $claims; do
    set -- "$@" --claims "$file"
done
if [ "$signature" = required ]; then
    set -- "$@" --public-key "$public_key"
fi
if [ "$signed_model" = true ]; then
    set -- "$@" --signed-model
fi
set -- "$@" --format sarif --output "$reports/check.sarif"
set -- "$@" --format junit --output "$reports/check.xml"
set -- "$@" --format json --output "$reports/check.json"
set -- "$@" -- "$model"
for file in $certificates; do
    set -- "$@" "$file"
done
IFS=$old_ifs

code=0
"$command" check "$@" || code=$?
if [ "$code" -ne 0 ]; then
    printf 'check-certificates: exit code %s; reports are in %s\n' "$code" "$reports" >&2
fi
exit "$code"
