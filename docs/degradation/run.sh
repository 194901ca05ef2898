#!/bin/sh
# Trains the networks of the experiment: run.sh FASHION_MNIST RESULTS [SEED ...]
#
# A network whose log is complete is not trained again, so the script can be ended and started anew.
set -eu
data=$1 results=$2
shift 2
here=$(dirname "$0")
resnetc=${RESNETC:-resnetc}
mkdir -p "$results"
[ $# -gt 0 ] || set -- 0 1 2
for seed in "$@"; do
    for network in plain20 resnet20 plain56 resnet56 resnet20b resnet20c; do
        name=$network-$seed
        log=$results/$name.jsonl
        if [ -f "$results/$name.safetensors" ] && [ ! -f "$results/$name.checkpoint.safetensors" ]; then
            continue
        fi
        resume=
        if [ -f "$results/$name.checkpoint.safetensors" ]; then
            resume=--resume
        fi
        echo "$name"
        "$resnetc" train "$here/specs/$network.toml" --data "$data" -o "$results/$name.safetensors" \
            --pictures 20000 --epochs 12 --seed "$seed" --log "$log" $resume
    done
done
