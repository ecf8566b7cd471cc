# Runs the driver, and runs it again when it was killed or fails. Ends with a driver that stopped in order.
#   sh supervise.sh HOME COMMAND...
home=$1
shift
child=
stopping=
pause=0
trap 'stopping=1; [ -z "$child" ] || kill "$child" 2>/dev/null' TERM INT HUP
while [ ! -e "$home/stopped" ] && [ -z "$stopping" ]; do
    began=$(date +%s)
    "$@" &
    child=$!
    wait "$child"
    code=$?
    # A signal to this process ends `wait` before the driver has ended.
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
        code=$?
    done
    child=
    case $code in
        0 | 130 | 143) exit 0 ;; # told to stop
        75) exit 0 ;;            # another driver runs here
    esac
    lived=$(($(date +%s) - began))
    if [ "$code" = 137 ] && [ "$lived" -ge 1 ] || [ "$lived" -ge 10 ]; then
        pause=0
    elif [ "$pause" = 0 ]; then
        pause=1
    elif [ "$pause" -lt 30 ]; then
        pause=$((pause * 2))
    fi
    printf '%s the driver ended with status %s after %s s; starting it again in %s s\n' \
        "$(date '+%F %T')" "$code" "$lived" "$pause"
    [ "$pause" = 0 ] || sleep "$pause"
done
