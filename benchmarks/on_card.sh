#!/usr/bin/env bash
# vperf on this machine's card, in at most eight minutes. No setting of the card is changed.
#
#   benchmarks/on_card.sh --pack FOLDER     with a package index at hand: all that is needed, in FOLDER
#   FOLDER/on_card.sh RESULTS               on the machine with the card: no index, no network
#   benchmarks/on_card.sh RESULTS           the same from a checkout, where pydantic is installed
#   benchmarks/on_card.sh RESULTS --dry     without a card: every step on the CPU, sizes that mean nothing
#
# There: Linux, an NVIDIA driver, Python 3.12 with PyTorch, Triton, transformers, rich, typer,
# huggingface_hub and nvidia-ml-py. $PYTHON names another python than python3. What is run, and
# what it writes, is said by on_card.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}

if [[ ${1:-} == --pack ]]; then
  folder=${2:?--pack FOLDER}
  mkdir -p "$folder/wheels"
  "$python" -m pip wheel -q --no-deps --wheel-dir "$folder/wheels" "$here/.."
  "$python" -m pip download -q --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --dest "$folder/needs" pydantic
  cp "$here"/on_card.sh "$here"/on_card.py "$here"/on_card_programs.py "$folder"
  du -sh "$folder"
  exit
fi

results=${1:?a folder for the results}
shift
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
path=$here/../src
if [[ -d $here/wheels ]]; then
  path=$site
  for wheel in "$here"/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
  if ! "$python" -c 'import pydantic' 2>/dev/null; then
    for wheel in "$here"/needs/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
  fi
fi
export PYTHONPATH=$path HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 NO_COLOR=1 PYTHONUNBUFFERED=1
export TORCHINDUCTOR_CACHE_DIR=$site/inductor TRITON_CACHE_DIR=$site/triton
export TORCHINDUCTOR_COMPILE_THREADS=1  # a dozen small kernels; workers would outlive their part
unset GITHUB_ACTIONS VPERF_DEBUG
"$python" "$here/on_card.py" "$results" "$@"
