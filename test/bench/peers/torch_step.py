"""The training step of a case in PyTorch, as one writes it by hand. One JSON line on stdout.

Usage: torch_step.py CASE_JSON [--compile] [--autocast] [--frozen-bf16] [--device cpu|cuda] [--steps N] [--threads N]

A Llama: RMSNorm, rotary embedding, scaled_dot_product_attention, SwiGLU, untied head; AdamW on the trained blocks
(everything when `trained` is null), gradients clipped to norm 1, the loss read back every step.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5))


def rotated(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Block(nn.Module):
    def __init__(self, case):
        super().__init__()
        size, wide = case["hiddenSize"], case["intermediateSize"]
        self.heads = case["heads"]
        self.input_norm, self.post_norm = RmsNorm(size), RmsNorm(size)
        for name in ("q", "k", "v", "o"):
            setattr(self, name, nn.Linear(size, size, bias=False))
        self.gate, self.up = nn.Linear(size, wide, bias=False), nn.Linear(size, wide, bias=False)
        self.down = nn.Linear(wide, size, bias=False)

    def forward(self, x, cos, sin):
        y = self.input_norm(x)
        q, k, v = (p(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).flatten(-2))
        y = self.post_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self, case):
        super().__init__()
        size = case["hiddenSize"]
        self.embed = nn.Embedding(case["vocabSize"], size)
        self.blocks = nn.ModuleList(Block(case) for _ in range(case["blocks"]))
        self.norm = RmsNorm(size)
        self.head = nn.Linear(size, case["vocabSize"], bias=False)
        width = size // case["heads"]
        angles = torch.outer(torch.arange(case["seqLen"]), 10000.0 ** -(torch.arange(0, width, 2) / width))
        angles = torch.cat((angles, angles), dim=-1)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids, targets):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(), targets.flatten())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=json.loads)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--autocast", action="store_true")
    parser.add_argument("--frozen-bf16", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    case = options.case
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with torch.device(options.device):
        model = Llama(case)
    if case["trained"] is not None:
        wanted = tuple(f"blocks.{i}." for i in case["trained"])
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(wanted))
    trained = [p for p in model.parameters() if p.requires_grad]
    if options.frozen_bf16:
        for parameter in model.parameters():
            if not parameter.requires_grad and parameter.dim() == 2:
                parameter.data = parameter.data.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    run = torch.compile(model) if options.compile else model
    seconds = []
    for step in range(options.warmup + options.steps):
        shape = (case["batch"], case["seqLen"])
        ids = torch.randint(0, case["vocabSize"], shape, device=options.device)
        targets = torch.randint(0, case["vocabSize"], shape, device=options.device)
        started = time.perf_counter()
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.autocast):
            loss = run(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        loss.item()
        if step >= options.warmup:
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"version": torch.__version__, "medianSeconds": statistics.median(seconds), "peakRssBytes": peak}
    if options.device == "cuda":
        # the whole device's, as nvidia-smi tells it: the other side is measured by that
        free, total = torch.cuda.mem_get_info()
        result |= {"adapter": torch.cuda.get_device_name(), "deviceBytes": total - free}
    print(json.dumps(result))


main()
