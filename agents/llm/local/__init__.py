"""Models in this process: llama.cpp, vLLM, transformers; their files, tokenizers and schemas."""
