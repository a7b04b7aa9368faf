"""Greedy generation of a case with transformers and its KV cache. One JSON line on stdout.

Usage: transformers_generate.py CASE_JSON [--new N] [--prompt N] [--threads N]
"""
import argparse
import json
import time

import torch
import transformers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=json.loads)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    case = options.case
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=case["hiddenSize"],
        intermediate_size=case["intermediateSize"],
        num_hidden_layers=case["blocks"],
        num_attention_heads=case["heads"],
        vocab_size=case["vocabSize"],
        max_position_embeddings=case["seqLen"],
        bos_token_id=None,
        eos_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    prompt = torch.randint(0, case["vocabSize"], (1, options.prompt))
    arguments = dict(max_new_tokens=options.new, min_new_tokens=options.new, do_sample=False, use_cache=True)
    arguments["pad_token_id"] = 0
    with torch.inference_mode():
        model.generate(prompt, **(arguments | dict(max_new_tokens=8, min_new_tokens=8)))
        started = time.perf_counter()
        model.generate(prompt, **arguments)
        seconds = time.perf_counter() - started
    version = f"transformers {transformers.__version__}, torch {torch.__version__}"
    print(json.dumps({"version": version, "tokensPerSecond": options.new / seconds}))


main()
