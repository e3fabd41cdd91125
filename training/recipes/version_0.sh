#!/usr/bin/env bash
# The commands behind the Pocket that is shipped, in order; about three hours on two cores. Every training goes on from
# its last checkpoint in .cache/training when it is started again. The minutes are those that the weights had.
set -euo pipefail
export OMP_NUM_THREADS=1  # two threads wait for each other at every operation; two processes do not

python -m training.sources
python -m training.autoencoders video --minutes 30 &
python -m training.autoencoders audio --minutes 14
wait
python -m training.autoencoders whole --minutes 10 &
python -m training.autoencoders vocoder --minutes 15
wait
python -m training.transformer --minutes 70 --worker 0 --workers 2 &
python -m training.judge --minutes 6
python -m training.autoencoders decoder --minutes 30
wait
python -m training.publish
