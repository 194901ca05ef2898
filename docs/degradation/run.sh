#!/bin/sh
# Trains the networks of the experiment: run.sh FASHION_MNIST RESULTS [SEED ...]
#
# A network that is trained is not trained again, and one that was stopped goes on, so the
# script can be stopped and started anew, and scripts with different seeds can run side by side.
# RESNETC is the program, FLAGS what else it is given, such as --threads 1.
set -eu
data=$1 results=$2
shift 2
here=$(dirname "$0")
resnetc=${RESNETC:-resnetc}
mkdir -p "$results"
[ $# -gt 0 ] || set -- 0 1 2
for seed in "$@"; do
    for network in resnet20 resnet56 plain20 plain56 resnet20b resnet20c; do
        name=$network-$seed
        resume=
        if [ -f "$results/$name.checkpoint.safetensors" ]; then
            resume=--resume
        elif [ -f "$results/$name.safetensors" ]; then
            continue
        fi
        echo "$name"
        # shellcheck disable=SC2086 # flags are words
        "$resnetc" train "$here/specs/$network.toml" --data "$data" -o "$results/$name.safetensors" \
            --pictures 10000 --batch 16 --rate 0.0125 --epochs 30 --drops 21,27 \
            --seed "$seed" --log "$results/$name.jsonl" $resume ${FLAGS:-}
    done
done

# How large values and gradients are after one epoch: once, beside the first seed.
case " $* " in *" 0 "*) ;; *) exit ;; esac
for network in plain20 plain56 resnet20 resnet56; do
    name=norms-$network
    [ -f "$results/$name.jsonl" ] && continue
    # shellcheck disable=SC2086 # flags are words
    "$resnetc" train "$here/specs/$network.toml" --data "$data" -o "$results/$name.safetensors" \
        --pictures 10000 --batch 16 --rate 0.0125 --epochs 1 --schedule constant \
        --norms --log "$results/$name.jsonl" --force ${FLAGS:-}
done
