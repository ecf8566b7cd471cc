# Target "local": a file on the same disk, O_DIRECT through io_uring. Not replicated: the floor.
up_local() { truncate -s "${SIZE}G" "$work/local.img"; }
fio_local() { echo "--ioengine=io_uring --direct=1 --filename=$work/local.img"; }
pids_local() { :; }
down_local() { rm -f "$work/local.img"; }
