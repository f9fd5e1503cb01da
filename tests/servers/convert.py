"""SmolLM2 as a Hugging Face folder: the GGUF file that the project fetches, dequantised."""

from __future__ import annotations

import sys
from pathlib import Path

from focusgroup.agents.llm import find_model


def main(target: Path) -> None:
    """Write the folder unless it is there; it appears whole or not at all."""
    if (target / "model.safetensors").is_file():
        return
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = find_model("smollm2")
    folder, name = str(source.parent), source.name
    unfinished = target.with_name(f"{target.name}.unfinished")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
