# The cells of the fio grid: name -> fio options. Sourced by compare.sh and profile.sh.
cell_options() {
    case $1 in
    rr4k-q1) echo --rw=randread --bs=4k --iodepth=1 ;;
    rr4k-q32) echo --rw=randread --bs=4k --iodepth=32 ;;
    rw4k-q1) echo --rw=randwrite --bs=4k --iodepth=1 ;;
    rw4k-q32) echo --rw=randwrite --bs=4k --iodepth=32 ;;
    rw64k-q16) echo --rw=randwrite --bs=64k --iodepth=16 ;;
    sr1m-q8) echo --rw=read --bs=1m --iodepth=8 ;;
    sw1m-q8) echo --rw=write --bs=1m --iodepth=8 ;;
    mix4k-q32) echo --rw=randrw --rwmixread=70 --bs=4k --iodepth=32 ;;
    *) echo "no cell '$1'" >&2; return 2 ;;
    esac
}
