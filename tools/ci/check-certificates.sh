#!/bin/sh
# Checks the certificates of a model and leaves reports for whatever runs it: text on standard
# output, check.sarif, check.xml (JUnit) and check.json in the folder of reports.
#
#   check-certificates.sh [OPTION]... MODEL.tlm CERT.tlc...
#     --claims FILE       demand a proof of exactly these claims; may be repeated
#     --public-key KEY    demand minisign signatures with this key (base64, or a file)
#     --signed-model      demand a signature of the model too
#     --reports DIR       where the reports go; ./tautline-reports by default
#     --build             build the command from the sources around this script
#
# The same from the environment, where a workflow sets it: TAUTLINE_MODEL, TAUTLINE_CERTIFICATES and
# TAUTLINE_CLAIMS (one file a line), TAUTLINE_PUBLIC_KEY, TAUTLINE_SIGNED_MODEL=true,
# TAUTLINE_REPORTS. TAUTLINE is the command itself, `tautline` by default.
#
# Ends with the code of `tautline check`: 0 accepted, 1 rejected, 2 nothing could be checked, 3 proven
# but not signed.
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
signed_model=${TAUTLINE_SIGNED_MODEL:-false}
reports=${TAUTLINE_REPORTS:-tautline-reports}
command=${TAUTLINE:-tautline}
build=false
positional=false

while [ $# -gt 0 ]; do
    case $1 in
    --claims | --public-key | --reports)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
        --claims) claims=$claims$newline$2 ;;
        --public-key) public_key=$2 ;;
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

if $build; then
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
    cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" -p tautline-cli
    command=${CARGO_TARGET_DIR:-$root/target}/release/tautline
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
if [ -n "$public_key" ]; then
    set -- "$@" --public-key "$public_key"
    if [ "$signed_model" = true ]; then
        set -- "$@" --signed-model
    fi
elif [ "$signed_model" = true ]; then
    fail '--signed-model needs --public-key'
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
