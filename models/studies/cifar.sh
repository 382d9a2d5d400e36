#!/bin/sh
# ResNet-20 on CIFAR-10 with AdamW, SGD and IVON, three seeds each: trains, evaluates on the test images and against MNIST's digits, and prints a table.
# Learning rates and weight decays are those that did best on held-out images (docs/results.md).
#
#   models/studies/cifar.sh CIFAR DIGITS [OUT] [flags of `ivon train` for all runs, such as --epochs 20]
#
# CIFAR is a directory with the images, DIGITS one with MNIST's t10k-images-idx3-ubyte.gz and its labels. Runs go to OUT (runs/cifar).
# A run that exists goes on, or is left as it is if it has ended: start the study again after an interruption.
set -eu

if [ $# -lt 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cifar=$1
digits=$2
out=${3:-runs/cifar}
shift $(($# > 3 ? 3 : $#))

ivon=${IVON:-cargo run --release --quiet --}
seeds=${SEEDS:-1 2 3}
samples=${SAMPLES:-64}

for optimizer in ${OPTIMIZERS:-adamw sgd ivon}; do
    case $optimizer in
        adamw) tuned="--lr 0.02 --weight-decay 0.2" ;;
        sgd) tuned="--lr 0.3 --weight-decay 0.001" ;;
        ivon) tuned="--lr 0.5 --weight-decay 0.001 --ess 50000" ;;
    esac
    for seed in $seeds; do
        run=$out/$optimizer-$seed
        if [ -d "$run/checkpoints" ]; then
            $ivon train resnet20 --resume "$run"
        else
            # shellcheck disable=SC2086 # a list of flags
            $ivon train resnet20 --data "$cifar" --optimizer "$optimizer" $tuned --seed "$seed" --out "$run" "$@"
        fi
        [ -f "$run/metrics.json" ] || $ivon evaluate "$run" --samples "$samples" --ood "$digits"
    done
    # The three runs as one: a deep ensemble, or a mixture of posteriors.
    all=
    for seed in $seeds; do
        all="$all $out/$optimizer-$seed"
    done
    # shellcheck disable=SC2086 # a list of runs
    [ -f "$out/all-$optimizer/metrics.json" ] || $ivon evaluate $all --samples "$samples" --ood "$digits" --out "$out/all-$optimizer"
done

$ivon compare "$out"/*-*
