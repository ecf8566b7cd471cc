#!/usr/bin/env bash
# `cistern test`: everything the project checks, set-up included. Ends with one line: N passed, N failed, N skipped.
#
#   ./cistern test                 the whole suite (about 20 minutes on 2 cores)
#   ./cistern test MODULE...       only these modules and what they need, e.g. ./cistern test raft storage-node
#   ./cistern test --chaos [--minutes N] [--seed S [--count N]] [--scenario NAME] [--faults LIST] [--operations N]
#                                  [--processes NAME,NAME | --no-processes]
#                                  faults, simulated and of real processes, for N minutes (1), or one seed; docs/reliability.md
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

say() { printf '== %s\n' "$*"; }

# --- what the tests use, from the distribution's packages -------------------------------------------------------
packages=(qemu-system-x86 qemu-utils qemu-block-extra libiscsi-bin libnfs-utils libnbd-bin python3-libnbd fio nbdkit jq cpio e2fsprogs mmdebstrap fiu-utils
    libfiu-dev gcc libc6-dev kmod binutils openssl maven)
[ "${1:-}" = --chaos ] && packages+=(iproute2)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing+=("$package")
done
if ((${#missing[@]})); then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "cistern test: install these first: ${missing[*]} (on Debian: apt-get install --no-install-recommends ${missing[*]})" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    apt-get update -qq || exit 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || exit 1
fi

JAVA_HOME=$(./cistern --jdk-home) || exit 1
export JAVA_HOME

# --- chaos ---------------------------------------------------------------------------------------------------------
if [ "${1:-}" = --chaos ]; then
    shift
    properties=()
    while (($#)); do
        case $1 in
            --minutes | --seed | --count | --scenario | --faults | --operations | --processes)
                [ -n "${2:-}" ] || { echo "cistern test --chaos: $1 wants a value" >&2; exit 2; }
                properties+=("-Dchaos.${1#--}=$2")
                shift 2
                ;;
            --no-processes)
                properties+=(-Dchaos.real=false)
                shift
                ;;
            *)
                echo "cistern test --chaos: unknown option '$1'; known: --minutes --seed --count --scenario --faults --operations --processes --no-processes" >&2
                exit 2
                ;;
        esac
    done
    # The checkers' own tests come first; and whatever Maven has to download, it does now.
    say "building"
    common=(-B -ntp -q -pl chaos-tests -am -Djacoco.skip -Dspotless.check.skip)
    mvn "${common[@]}" -Dtest=LinearizabilityTest verify 2>&1 | grep -vE '^\[INFO\]|^WARNING|^$'
    [ "${PIPESTATUS[0]}" = 0 ] || exit 1
    # Packets are dropped by routing rules, which must not be those of the machine.
    say "faults"
    alone=()
    unshare --net true 2>/dev/null && alone=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh)
    "${alone[@]}" mvn -o "${common[@]}" -Dtest=Chaos verify "${properties[@]}" 2>&1 | grep -vE '^\[INFO\]|^WARNING|^$'
    exit "${PIPESTATUS[0]}"
fi

# --- build and test -----------------------------------------------------------------------------------------------
say "formatting, compile checks, tests, coverage (JDK at $("$JAVA_HOME/bin/java" -version 2>&1 | head -1))"
find . -path '*/target/surefire-reports/TEST-*.xml' -delete 2>/dev/null
scope=()
(($#)) && scope=(-pl "$(IFS=,; echo "$*")" -am)
mvn -B -ntp --fail-at-end "${scope[@]}" spotless:check verify 2>&1 |
    grep -vE '^\[INFO\] *$|^\[INFO\] (---|Loading source|Analyzed bundle|Nothing to compile|Recompiling|Changes detected|argLine)'
status=${PIPESTATUS[0]}

# --- result -------------------------------------------------------------------------------------------------------
mapfile -t reports < <(find . -path '*/target/surefire-reports/TEST-*.xml')
if ((${#reports[@]} == 0)); then
    echo "cistern test: no test ran; the output above says why" >&2
    exit 1
fi
sum() { sed -n 's/.*<testsuite [^>]*[[:space:]]'"$1"'="\([0-9]*\)".*/\1/p' "${reports[@]}" | awk '{ n += $1 } END { print n + 0 }'; }
# the attributes of <testsuite> may stand on lines of their own
total=$(sum tests) failures=$(($(sum failures) + $(sum errors))) skipped=$(sum skipped)
coverage=$(find . -name jacoco.csv -path '*/target/site/*' -exec tail -n +2 {} + 2>/dev/null |
    awk -F, 'NF > 8 { missed += $8; covered += $9 } END { if (missed + covered) printf "%.0f %% of lines", 100 * covered / (missed + covered) }')
[ -n "$coverage" ] && say "coverage by each module's own tests: $coverage (reports: MODULE/target/site/jacoco/index.html)"
if [ "$status" != 0 ] && [ "$failures" = 0 ]; then
    echo "cistern test: the build failed outside the tests; the output above says where" >&2
fi
echo "$((total - failures - skipped)) passed, $failures failed, $skipped skipped"
[ "$status" = 0 ] && [ "$failures" = 0 ]
